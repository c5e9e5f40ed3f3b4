"""Our languages as the libraries know them."""

from __future__ import annotations

#: Plain English is British here (14 Nov, 24 hours).
_BABEL_NAMES = {"en": "en_GB"}


def babel_name(language: str) -> str:
    return _BABEL_NAMES.get(language, language)
