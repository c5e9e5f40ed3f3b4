"""Our languages as the libraries know them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

from babel.dates import format_skeleton
from babel.lists import format_list
from django.utils.translation import get_language
from django.utils.translation import gettext as _

#: Plain English is British here (14 Nov, 24 hours).
_BABEL_NAMES = {"en": "en_GB"}
LISTED = 5  # names in a sentence


def babel_name(language: str) -> str:
    return _BABEL_NAMES.get(language, language)


def of_reader() -> str:
    """The language of whoever reads, as Babel knows it."""
    return babel_name((get_language() or "en").split("-")[0])


def listed(names: Sequence[str], style: Literal["standard", "or"] = "standard") -> str:
    """“Ada, Grace and Bob” in the reader's language; of many, the first few."""
    more = len(names) - LISTED
    rest = [_("%(count)s more") % {"count": more}] if more > 0 else []
    return format_list([*names[:LISTED], *rest], style=style, locale=of_reader())


def day(on: date, today: date) -> str:
    """“14 Nov” in the reader's language, and of another year “14 Nov 2025”."""
    return format_skeleton("MMMd" if on.year == today.year else "yMMMd", on, locale=of_reader())
