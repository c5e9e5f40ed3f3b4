"""The files that go along with what a person is writing: kept with their draft, on the server."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db.models import Sum
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.accounts.types import Viewer
from deskhand.desk.models import DraftFile
from deskhand.desk.types import StoredFile
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid, NotFound

MOST = 20  # files


def largest() -> int:
    """How many bytes all files of a message may have: in a mail they grow by a third and a little (R-EM-12)."""
    return int(settings.MAIL_MAX_BYTES) * 7 // 10


def add(viewer: Viewer, ticket_id: int, file: StoredFile) -> DraftFile:
    """Keep one more file for the draft. Raises Invalid, naming it, when it is empty or does not fit."""
    if not file.size:
        raise Invalid(
            _("%(name)s is empty.") % {"name": file.name}, field="file", hint=_("Choose another file.")
        )
    mine = DraftFile.objects.filter(account_id=viewer.account_id, user_id=viewer.user_id, ticket_id=ticket_id)
    if mine.count() >= MOST:
        raise Invalid(
            ngettext("%(count)s file is the most.", "%(count)s files are the most.", MOST) % {"count": MOST},
            field="file",
            value=file.name,
            hint=_("Send the others in another message."),
        )
    taken = mine.aggregate(sum=Sum("size"))["sum"] or 0
    refuse_too_large(file.name, taken + file.size)
    return DraftFile.objects.create(
        account_id=viewer.account_id, user_id=viewer.user_id, ticket_id=ticket_id, name=file.name,
        content_type=file.content_type, size=file.size, sha256=file.sha256, created_at=clock.now(),
    )  # fmt: skip


def refuse_too_large(name: str, size: int) -> None:
    if size > largest():
        raise Invalid(
            _("%(name)s is too large: all files together may have %(size)s.")
            % {"name": name, "size": filesizeformat(largest())},
            field="file",
            value=name,
            hint=_("Send a link to it instead."),
        )


def of_draft(viewer: Viewer, ticket_id: int) -> list[DraftFile]:
    found = DraftFile.objects.filter(
        account_id=viewer.account_id, user_id=viewer.user_id, ticket_id=ticket_id
    )
    return list(found.order_by("id"))


def stored(found: Sequence[DraftFile]) -> tuple[StoredFile, ...]:
    return tuple(StoredFile(f.name, f.content_type, f.size, f.sha256) for f in found)


def remove(viewer: Viewer, ticket_id: int, file_id: int) -> None:
    """Raises NotFound for a file that is not among one's own."""
    gone, _by_model = DraftFile.objects.filter(
        account_id=viewer.account_id, user_id=viewer.user_id, ticket_id=ticket_id, pk=file_id
    ).delete()
    if not gone:
        raise NotFound(_("This file is not there any more."))


def put_back(account_id: int, user_id: int, ticket_id: int, files: Sequence[StoredFile]) -> None:
    """Give files back to the draft, those of a message that was taken back."""
    at = clock.now()
    DraftFile.objects.bulk_create(
        DraftFile(
            account_id=account_id, user_id=user_id, ticket_id=ticket_id, name=f.name,
            content_type=f.content_type, size=f.size, sha256=f.sha256, created_at=at,
        )
        for f in files
    )  # fmt: skip
