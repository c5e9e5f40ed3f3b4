"""Translations: `extract` brings every catalogue up to the source; `check` says what is missing, and fails then.

Texts are marked with gettext in Python and with `_()` or `{% trans %}` in templates.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "deskhand"
CATALOGS = SOURCE / "locale"
METHODS = [
    ("**/tests/**", "ignore"),
    ("**.py", "python"),
    ("**/templates/**.html", "jinja2"),
    ("**/templates/**.txt", "jinja2"),
]
OPTIONS = {"**/templates/**.html": {"extensions": "jinja2.ext.i18n,jinja2.ext.do,jinja2.ext.loopcontrols"}}
KEYWORDS = {
    "_": None,
    "N_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}|%[sd]")


def source() -> Catalog:
    catalog = Catalog(project="Deskhand", charset="utf-8")
    for file, line, message, comments, context in extract_from_dir(
        SOURCE, METHODS, OPTIONS, keywords=KEYWORDS, comment_tags=("Translators:",), strip_comment_tags=True
    ):
        catalog.add(message, None, [(file, line)], auto_comments=comments, context=context)
    return catalog


def catalogs() -> Iterator[tuple[Path, Catalog]]:
    for path in sorted(CATALOGS.glob("*/LC_MESSAGES/django.po")):
        with path.open("rb") as file:
            yield path, read_po(file, locale=path.parent.parent.name, domain="django")


def extract() -> int:
    texts = source()
    for path, catalog in catalogs():
        catalog.update(texts, no_fuzzy_matching=True)
        with path.open("wb") as file:
            write_po(file, catalog, width=110, sort_output=True, no_location=True, ignore_obsolete=True)
        print(
            f"{path.relative_to(ROOT)}: {sum(1 for text in catalog if text.id and not all(forms(text)))} to translate"
        )
    return 0


def check() -> int:
    texts = source()
    problems = [
        f"{path.parent.parent.name}: {problem}: {text.id!r}"
        for path, catalog in catalogs()
        for text in texts
        if text.id and (problem := _problem(text, catalog.get(text.id, text.context)))
    ]
    print("\n".join(problems))
    return 1 if problems else 0


def _problem(text: Message, translated: Message | None) -> str:
    if translated is None or not all(forms(translated)):
        return "not translated"
    if translated.fuzzy:
        return "marked as unsure"
    wanted = set(PLACEHOLDER.findall(" ".join(forms(text, of_source=True))))
    if any(set(PLACEHOLDER.findall(form)) - wanted for form in forms(translated)):
        return "has a placeholder that the source lacks"
    if wanted - set(PLACEHOLDER.findall(" ".join(forms(translated)))):
        return "lacks a placeholder of the source"
    return ""


def forms(text: Message, of_source: bool = False) -> list[str]:
    """Singular and plurals."""
    value = text.id if of_source else text.string
    return list(value) if isinstance(value, list | tuple) else [value or ""]


if __name__ == "__main__":
    sys.exit({"extract": extract, "check": check}[sys.argv[1]]())
