"""What a workflow did, as files: its runs and its log, by the same policy and filters as their pages (R-LOG-1, R-LOG-2)."""

from __future__ import annotations

from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from deskhand.accounts.types import Viewer
from deskhand.automation import history
from deskhand.automation.history import Asked
from deskhand.automation.models import Workflow
from deskhand.web.csv_file import CsvFile, moment
from deskhand.web.middleware import AccountRequest
from deskhand.web.workflows import told
from deskhand.web.workflows.history_views import asked_of, seen


@require_GET
def runs(request: AccountRequest, workflow_id: int) -> StreamingHttpResponse:
    workflow = seen(request, workflow_id)
    return _Runs(request.viewer, workflow, asked_of(request)).response(f"workflow-{workflow.pk}-history.csv")


@require_GET
def log(request: AccountRequest, workflow_id: int) -> StreamingHttpResponse:
    workflow = seen(request, workflow_id)
    return _Log(request.viewer, workflow, asked_of(request)).response(f"workflow-{workflow.pk}.csv")


class _File(CsvFile):
    def __init__(self, viewer: Viewer, workflow: Workflow, asked: Asked) -> None:
        super().__init__(workflow.account_id)
        self._viewer, self._workflow, self._asked = viewer, workflow, asked


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
                shown.record.title, shown.reason, moment(one.enrolled_at), shown.state.text, told.label(shown.step) if shown.step else "",
                shown.until, moment(one.ended_at), shown.ended, str(one.id), str(one.revision),
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
                moment(line.at), shown.record.title, told.label(shown.step), shown.status.text,
                " ".join(part for part in (shown.message, shown.detail) if part), str(line.run_id), str(line.revision),
            ])  # fmt: skip
        return lines, found[-1].id if len(found) == history.PART else None
