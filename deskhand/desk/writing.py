"""Rich text from a form: read in a guarded child, for it comes from outside like any mail (S1)."""

from __future__ import annotations

import html as entities
from collections.abc import Mapping

from django.utils.translation import gettext as _

from deskhand.desk import fillings
from deskhand.kernel.children import ChildFailed, ChildPool
from deskhand.kernel.errors import Invalid
from deskhand.kernel.written import Written, markup_of

LIMIT = 400_000  # characters of markup
TIMEOUT = 2.0  # seconds

_READ = "deskhand.kernel.written_html:read"

pool = ChildPool(size=2, preload=("deskhand.kernel.written_html",), results=(Written,))


def read(markup: str) -> Written:
    """What the editor wrote, as text and as markup. Raises Invalid for what is too long or can't be read."""
    if len(markup) > LIMIT:
        raise Invalid(_("This is too long."), field="body", hint=_("Put a part of it into a file."))
    try:
        found: Written = pool.call(_READ, markup, timeout=TIMEOUT)
    except ChildFailed as failure:
        raise Invalid(
            _("The formatting can't be read."), field="body", hint=_("Write it without formatting.")
        ) from failure
    return found


def filled(words: Written, values: Mapping[str, str]) -> Written:
    """With its tokens filled in. Raises Invalid, naming the token, when one is left."""
    if "{{" not in words.text and "{{" not in words.html:
        return words
    text = fillings.fill(words.text, values)
    html = fillings.fill(words.html, {key: entities.escape(value) for key, value in values.items()})
    fillings.refuse_unfilled(text)
    fillings.refuse_unfilled(html)
    return Written(text, html)


def joined(first: Written, then: Written) -> Written:
    """One below the other; formatted when one of them is."""
    text = f"{first.text}\n\n{then.text}"
    if not first.html and not then.html:
        return Written(text)
    return Written(text, "".join(part.html or markup_of(part.text) for part in (first, then)))
