"""A language that nobody speaks: every marked text is bracketed, accented and 40 % longer, so that what is not marked
and what has no room shows at once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

CODE = "eo"  # Babel and Django know it, and the product doesn't speak it
LETTERS = str.maketrans(
    "AaBbCcDdEeFfGgHhIiJjKkLlMmNnOoPpQqRrSsTtUuVvWwXxYyZz",
    "ÅåƁƀÇçÐđÉéƑƒĜĝĤĥÎíĴĵĶķĻļṀɱÑñÖöÞþǪǫŔŕŠšŦŧÛûṼṽŴŵẊẋÝýŽž",
)
FILLED_IN = re.compile(r"(%\(\w+\)[a-z]|%[a-z%]|\{\{.*?\}\}|\{%.*?%\}|\{\w*\})")
MARKED = re.compile(r"\[!!! (?:(?!\[!!! | !!!\]).)* !!!\]", re.DOTALL)


def pseudo(text: str) -> str:
    """Tickets becomes [!!! Ŧíçķéŧš··· !!!]; what is filled in stays."""
    parts = FILLED_IN.split(text)
    accented = "".join(part if place % 2 else part.translate(LETTERS) for place, part in enumerate(parts))
    return f"[!!! {accented}{'·' * math.ceil(len(text) * 0.4)} !!!]"


def without_marked(text: str) -> str:
    """What remains when all marked texts are taken out, those within others too."""
    while True:
        shorter = MARKED.sub(" ", text)
        if shorter == text:
            return text
        text = shorter


def write_pseudo(texts: Catalog, directory: Path) -> None:
    """Put the catalogue where Django finds it when `directory` is in LOCALE_PATHS."""
    catalog = Catalog(CODE, charset="utf-8")
    for text in texts:
        if text.id:
            string = tuple(map(pseudo, text.id)) if isinstance(text.id, tuple) else pseudo(text.id)
            catalog.add(text.id, string, context=text.context)
    _write(catalog, directory, CODE)


def compile_catalogs(paths: Iterable[Path], directory: Path) -> None:
    """Compile catalogues (…/<language>/LC_MESSAGES/django.po) as the set-up does."""
    for path in paths:
        language = path.parent.parent.name
        with path.open("rb") as file:
            _write(read_po(file, locale=language), directory, language)


def _write(catalog: Catalog, directory: Path, language: str) -> None:
    target = directory / language / "LC_MESSAGES" / "django.mo"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        write_mo(file, catalog)
