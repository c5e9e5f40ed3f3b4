"""Files of lines: written as they are read, never held whole."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import datetime

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils import timezone, translation

from deskhand.kernel.database.scope import account_scope

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class CsvFile(ABC):
    """Part after part, each in a transaction of its own, for the request's is over when the file travels; in the language
    and the zone of whoever asks."""

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
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
            account_scope(self.account_id),
            translation.override(self._language),
            timezone.override(self._zone),
        ):
            lines, following = self.lines(before)
        return _csv(lines), following


def moment(at: datetime | None) -> str:
    return timezone.localtime(at).isoformat(timespec="seconds") if at else ""


def _csv(lines: list[list[str]]) -> bytes:
    """A cell that a spreadsheet would take for a formula is made text."""
    written = io.StringIO()
    csv.writer(written).writerows(
        [f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell for cell in line] for line in lines
    )
    return written.getvalue().encode()
