"""Lines of addresses as people type them: "Astrid Lindqvist <astrid@fjallbo.example>, mette@nordlys.example"."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.desk.types import Mailbox
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import one_line, storable

MOST = 50  # people in one message

_PART = re.compile(r'(?:"[^"]*"|<[^>]*>|[^,;\n"<]|["<])+')
_NAMED = re.compile(r'\s*"?(?P<name>[^"<]*?)"?\s*<\s*(?P<email>[^<>]*?)\s*>\s*')


def read(line: str, field: str) -> tuple[Mailbox, ...]:
    """The people of a line, each once. Raises Invalid, naming what is no address."""
    found: dict[str, Mailbox] = {}
    for part in _PART.findall(storable(line)):
        if part.strip():
            box = _one(part, field)
            found.setdefault(box.key, box)
    if len(found) > MOST:
        raise Invalid(
            ngettext("%(count)s person is the most.", "%(count)s people are the most.", MOST)
            % {"count": MOST},
            field=field,
            value=len(found),
        )
    return tuple(found.values())


def _one(part: str, field: str) -> Mailbox:
    named = _NAMED.fullmatch(part)
    email, name = (named["email"], named["name"]) if named else (part.strip(), "")
    try:
        validate_email(email)
    except ValidationError as wrong:
        raise Invalid(
            _("%(email)s is not an e-mail address.") % {"email": one_line(part)[:120]},
            field=field,
            value=part,
            hint=_("Correct it, or take it out."),
        ) from wrong
    return Mailbox(email, one_line(name)[:200])


def written(box: Mailbox) -> str:
    """The person as `read` reads them."""
    name = re.sub(r'[",;<>]', " ", box.name)
    return f"{' '.join(name.split())} <{box.email}>" if name.strip() else box.email
