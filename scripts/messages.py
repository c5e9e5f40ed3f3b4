"""Translations: `extract` brings every catalogue up to the source; `check` says what is missing, and fails then.

Texts are marked with gettext in Python (`N_` where an area knows no Django) and with `_()` or `{% trans %}` in
templates. The catalogues hold nothing that changes by itself: no dates, no line numbers, sorted by text.
"""

from __future__ import annotations

import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.plurals import get_plural
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
#: As deskhand/web/jinja.py sets the templates up; a template that can't be read stops the extraction.
JINJA = {"extensions": "jinja2.ext.i18n,jinja2.ext.do", "trimmed": "true", "silent": "false"}
OPTIONS = {"**/templates/**.html": JINJA, "**/templates/**.txt": JINJA}
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
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\{\s*[\w.]+|\{\w*\}")
HEADER = """\
# Deskhand in {language}. Terms: docs/glossary.md. Bring it up to the source with `make messages`.
msgid ""
msgstr ""
"Project-Id-Version: Deskhand\\n"
"Language: {code}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural}\\n"

"""


def source() -> Catalog:
    """Every text that the product shows."""
    catalog = Catalog(project="Deskhand", charset="utf-8")
    for file, line, message, comments, context in extract_from_dir(
        SOURCE, METHODS, OPTIONS, keywords=KEYWORDS, comment_tags=("Translators:",), strip_comment_tags=True
    ):
        catalog.add(message, None, [(file, line)], auto_comments=comments, context=context)
    return catalog


def paths() -> list[Path]:
    return sorted(CATALOGS.glob("*/LC_MESSAGES/django.po"))


def language(path: Path) -> str:
    return path.parent.parent.name


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=language(path), domain="django")


def updated(path: Path, texts: Catalog) -> str:
    """The catalogue at `path` as the source wants it: new texts added empty, texts that are gone left out."""
    catalog = read(path)
    catalog.update(texts, no_fuzzy_matching=True, update_creation_date=False)
    body = io.BytesIO()
    write_po(
        body, catalog, width=110, sort_output=True, no_location=True, ignore_obsolete=True, omit_header=True
    )
    code = language(path)
    header = HEADER.format(
        language=Locale.parse(code).english_name, code=code, plural=get_plural(code).plural_forms
    )
    return header + body.getvalue().decode().strip() + "\n"


def extract() -> int:
    texts = source()
    for path in paths():
        path.write_text(updated(path, texts), encoding="utf-8")
        missing = sum(1 for text in read(path) if text.id and not all(forms(text)))
        print(f"{path.relative_to(ROOT)}: {missing} to translate")
    return 0


def check() -> int:
    texts = source()
    found = [f"{language(path)}: {problem}" for path in paths() for problem in problems(path, texts)]
    print("\n".join(found))
    return 1 if found else 0


def problems(path: Path, texts: Catalog) -> Iterator[str]:
    catalog = read(path)
    for text in texts:
        if text.id and (problem := _problem(text, catalog.get(text.id, text.context))):
            yield f"{problem}: {text.id!r}"
    if path.read_text(encoding="utf-8") != updated(path, texts):
        yield "differs from what `make messages` writes"


def _problem(text: Message, translated: Message | None) -> str:
    if translated is None or len(forms(translated)) != len(forms(text, of_source=True)):
        return "not translated"
    if not all(forms(translated)):
        return "not translated"
    if translated.fuzzy:
        return "marked as unsure"
    if any(
        placeholders(form) != placeholders(wanted)
        for form, wanted in zip(forms(translated), forms(text, of_source=True), strict=True)
    ):
        return "has other placeholders than the source"
    return ""


def placeholders(text: str) -> Counter[str]:
    """What is filled in, by name, and how often."""
    return Counter(found.replace(" ", "") for found in PLACEHOLDER.findall(text.replace("%%", "")))


def forms(text: Message, of_source: bool = False) -> list[str]:
    """Singular and plurals. All languages of ours have two forms, as English has."""
    value = text.id if of_source else text.string
    return list(value) if isinstance(value, list | tuple) else [value or ""]


if __name__ == "__main__":
    sys.exit({"extract": extract, "check": check}[sys.argv[1]]())
