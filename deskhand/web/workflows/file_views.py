"""What a workflow did, as files: its runs and its log, by the same policy and filters as their pages (R-LOG-1, R-LOG-2)."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import datetime

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from deskhand.accounts.types import Viewer
from deskhand.automation import history
from deskhand.automation.history import Asked
from deskhand.automation.models import Workflow
from deskhand.kernel.database.scope import account_scope
from deskhand.web.middleware import AccountRequest
from deskhand.web.workflows import told
from deskhand.web.workflows.history_views import asked_of, seen

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@require_GET
def runs(request: AccountRequest, workflow_id: int) -> StreamingHttpResponse:
    workflow = seen(request, workflow_id)
    return _Runs(request.viewer, workflow, asked_of(request)).response(f"workflow-{workflow.pk}-history.csv")


@require_GET
def log(request: AccountRequest, workflow_id: int) -> StreamingHttpResponse:
    workflow = seen(request, workflow_id)
    return _Log(request.viewer, workflow, asked_of(request)).response(f"workflow-{workflow.pk}.csv")


class _File(ABC):
    """All that is asked for, written as it is read and never held whole: part after part, each in a transaction of its own,
    for the request's is over when the file travels."""

    def __init__(self, viewer: Viewer, workflow: Workflow, asked: Asked) -> None:
        self._viewer, self._workflow, self._asked = viewer, workflow, asked
        self._language, self._zone = translation.get_language() or "en", timezone.get_current_timezone()

    @abstractmethod
    def head(self) -> list[str]: ...

    @abstractmethod
    def lines(self, before: int | None) -> tuple[list[list[str]], int | None]:
        """The next part, and where the one after it begins; None after the last."""

    def response(self, name: str) -> StreamingHttpResponse:
        response = StreamingHttpResponse(self._parts(), content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        response.headers["Cache-Control"] = "private, no-store"
        return response

    async def _parts(self) -> AsyncIterator[bytes]:
        with translation.override(self._language):
            head = self.head()
        yield _csv([head])
        before: int | None = None
        while True:
            part, before = await sync_to_async(self._part)(before)
            if part:
                yield part
            if before is None:
                return

    def _part(self, before: int | None) -> tuple[bytes, int | None]:
        with (
            account_scope(self._workflow.account_id),
            translation.override(self._language),
            timezone.override(self._zone),
        ):
            lines, following = self.lines(before)
        return _csv(lines), following


class _Runs(_File):
    def head(self) -> list[str]:
        return [
            _("Record"), _("Why"), _("Enrolled"), _("State"), _("Step"), _("Waits for"), _("Ended"), _("How it ended"),
            _("Run"), _("Version"),
        ]  # fmt: skip

    def lines(self, before: int | None) -> tuple[list[list[str]], int | None]:
        found = history.runs(self._viewer, self._workflow, self._asked, before=before, limit=history.PART)
        steps = told.Steps(self._workflow)
        reasons = told.Reasons(self._workflow.account_id, [one.reason for one in found])
        lines = []
        for one in found:
            shown = told.run_line(one, steps, reasons)
            lines.append([
                shown.record.title, shown.reason, _moment(one.enrolled_at), shown.state.text, told.label(shown.step) if shown.step else "",
                shown.until, _moment(one.ended_at), shown.ended, str(one.id), str(one.revision),
            ])  # fmt: skip
        return lines, found[-1].id if len(found) == history.PART else None


class _Log(_File):
    def head(self) -> list[str]:
        return [_("Time"), _("Record"), _("Step"), _("Outcome"), _("Message"), _("Run"), _("Version")]

    def lines(self, before: int | None) -> tuple[list[list[str]], int | None]:
        found = history.steps(self._viewer, self._workflow, self._asked, before=before, limit=history.PART)
        steps = told.Steps(self._workflow)
        lines = []
        for line in found:
            shown = told.log_line(line, steps)
            lines.append([
                _moment(line.at), shown.record.title, told.label(shown.step), shown.status.text,
                " ".join(part for part in (shown.message, shown.detail) if part), str(line.run_id), str(line.revision),
            ])  # fmt: skip
        return lines, found[-1].id if len(found) == history.PART else None


def _moment(at: datetime | None) -> str:
    return timezone.localtime(at).isoformat(timespec="seconds") if at else ""


def _csv(lines: list[list[str]]) -> bytes:
    """A cell that a spreadsheet would take for a formula is made text."""
    written = io.StringIO()
    csv.writer(written).writerows(
        [f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell for cell in line] for line in lines
    )
    return written.getvalue().encode()
