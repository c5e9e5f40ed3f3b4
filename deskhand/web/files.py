"""Handing out attachments. Whoever may see the ticket may have its files; no file ever opens inside the product."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Iterable
from urllib.parse import unquote

from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, Http404, HttpResponse
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.channels.email.parse import attachments
from deskhand.channels.email.parse.attachments import detected_type
from deskhand.desk import views as desk_views
from deskhand.desk.models import Attachment, Message
from deskhand.desk.types import StoredFile
from deskhand.kernel import files
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import DeskhandError, NotFound, Rejected
from deskhand.web.middleware import AccountRequest, holds_no_transaction

#: All that a browser is told about what is inside; anything else is bytes. As pictures they can't run anything.
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
BYTES = "application/octet-stream"

_CID = re.compile(r'(<img\b[^>]*)\ssrc="cid:([^"]*)"')


@require_GET
def attachment(request: AccountRequest, attachment_id: int) -> FileResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    found = (
        Attachment.objects.select_related("message")
        .filter(account_id=request.viewer.account_id, pk=attachment_id)
        .first()
    )
    if found is None or not _may_see(request.viewer, found.message.ticket_id):
        raise Http404
    return answer_with(found)


def answer_with(found: Attachment) -> FileResponse:
    """A file that whoever asks may have."""
    kind = found.content_type.lower() if found.content_type.lower() in PICTURES else BYTES
    response = FileResponse(files.open(found.sha256), content_type=kind)
    response.headers["Content-Length"] = str(found.size)
    response.headers["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=_name(found.name)) or "attachment"
    )
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, max-age=3600, immutable"
    return response


def stored(upload: UploadedFile) -> StoredFile:
    """Put what somebody sends into the store: its name is made fit to show, its type is what its bytes tell (A2, A3)."""
    read = attachments.make(upload.name or "", (upload.content_type or "").lower(), upload.read())
    ref = files.put(read.content)
    kind = read.detected_type or read.content_type
    if read.detected_type == "application/zip" and read.content_type.startswith("application/vnd."):
        kind = read.content_type  # the office formats are packed so
    return StoredFile(read.name, kind, ref.size, ref.sha256)


REMOTE_SIZE = 5 * 1024 * 1024  # bytes of a picture
REMOTE_SECONDS = 8.0

_REMOTE = re.compile(r'<img\b[^>]*\sdata-src="([^"]*)"')


def has_remote_pictures(markup: str) -> bool:
    return _REMOTE.search(markup) is not None


@holds_no_transaction
@require_GET
def remote_picture(request: AccountRequest, message_id: int, number: int) -> HttpResponse:
    """A picture that a mail shows from elsewhere, fetched by us when somebody asks for it: its sender learns neither

    who looks nor from where (S28). Only addresses that stand in the mail, only pictures.
    """
    try:
        content, kind = _picture_at(_address(request, message_id, number))
    except DeskhandError as refusal:
        return HttpResponse(status=refusal.status if refusal.status in (403, 404) else 502)
    response = HttpResponse(content, content_type=kind)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, max-age=86400"
    return response


def _address(request: AccountRequest, message_id: int, number: int) -> str:
    with account_scope(request.account.pk):
        policy.require(request.viewer, Action.OPEN_HELP_DESK)
        found = Message.objects.filter(account_id=request.viewer.account_id, pk=message_id).first()
        if found is None or not _may_see(request.viewer, found.ticket_id):
            raise NotFound(_("There is no such picture."))
    addresses = _REMOTE.findall(found.html)
    if number >= len(addresses):
        raise NotFound(_("There is no such picture."))
    return entities.unescape(addresses[number])


def _picture_at(url: str) -> tuple[bytes, str]:
    from deskhand.kernel import http  # late: rarely needed, and large

    answer = http.fetch("GET", url, seconds=REMOTE_SECONDS, at_most=REMOTE_SIZE)
    kind = detected_type(answer.body)
    if not answer.ok or kind not in PICTURES:
        raise Rejected(_("This is no picture."))
    return answer.body, kind


def _may_see(viewer: Viewer, ticket_id: int | None) -> bool:
    """A file of a conversation without a ticket is for those who may see tickets that are nobody's."""
    if ticket_id is None:
        return policy.visible(viewer, "ticket").allows(None)
    desk_views.row(viewer, ticket_id)
    return True


def _name(name: str) -> str:
    """Without what could lead a browser or a file manager astray."""
    return re.sub(r"[\x00-\x1f\x7f/\\:*?\"<>|]+", "_", name).strip(" .") or "file"


def stands_inline(message: Message, file: Attachment) -> bool:
    """Whether the mail itself shows it, so that it is no file beside it; a drawing that may run something is one."""
    return bool(message.html) and file.is_inline and file.content_type.lower() in PICTURES


def with_own_pictures(markup: str, attachments: Iterable[Attachment]) -> str:
    """Point the `cid:` pictures of a sanitized mail at its own attachments; of those that are none, the words stay."""
    if 'src="cid:' not in markup:
        return markup
    shown = [a for a in attachments if a.content_id and a.content_type.lower() in PICTURES]
    urls = {unquote(a.content_id): reverse("attachment", args=[a.pk]) for a in shown}

    def place(found: re.Match[str]) -> str:
        url = urls.get(unquote(entities.unescape(found[2])).strip())
        return f'{found[1]} src="{entities.escape(url)}"' if url else found[1]

    return _CID.sub(place, markup)
