"""Handing out attachments. Whoever may see the ticket may have its files; no file ever opens inside the product."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Iterable
from urllib.parse import unquote

from django.http import FileResponse, Http404
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.desk import views as desk_views
from deskhand.desk.models import Attachment
from deskhand.kernel import files
from deskhand.web.middleware import AccountRequest

#: All that a browser is told about what is inside; anything else is bytes. As pictures they can't run anything.
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
BYTES = "application/octet-stream"

_CID = re.compile(r'(<img\b[^>]*\ssrc=")cid:([^"]*)"')


@require_GET
def attachment(request: AccountRequest, attachment_id: int) -> FileResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    found = (
        Attachment.objects.select_related("message")
        .filter(account_id=request.viewer.account_id, pk=attachment_id)
        .first()
    )
    if found is None or not _may_see(request.viewer, found):
        raise Http404
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


def _may_see(viewer: Viewer, found: Attachment) -> bool:
    """A file of a conversation without a ticket is for those who may see tickets that are nobody's."""
    ticket_id = found.message.ticket_id
    if ticket_id is None:
        return policy.visible(viewer, "ticket").allows(None)
    desk_views.row(viewer, ticket_id)
    return True


def _name(name: str) -> str:
    """Without what could lead a browser or a file manager astray."""
    return re.sub(r"[\x00-\x1f\x7f/\\:*?\"<>|]+", "_", name).strip(" .") or "file"


def with_own_pictures(markup: str, attachments: Iterable[Attachment]) -> str:
    """Point the `cid:` pictures of a sanitized mail at its own attachments."""
    if 'src="cid:' not in markup:
        return markup
    urls = {a.content_id: reverse("attachment", args=[a.pk]) for a in attachments if a.content_id}

    def place(found: re.Match[str]) -> str:
        wanted = entities.unescape(found[2])
        url = urls.get(wanted) or urls.get(unquote(wanted))
        return f'{found[1]}{entities.escape(url)}"' if url else found[0]

    return _CID.sub(place, markup)
