"""The rules of templates, styles and scripts that no tool knows. Each carries a good and a bad line."""

from __future__ import annotations

import re
from pathlib import Path

import brotli
import pytest

from deskhand.web import assets, icons

WEB = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
STYLES = sorted((WEB / "static" / "css").glob("*.css"))
SCRIPTS = sorted((WEB / "static" / "js").glob("*.js"))

TAG = r"<(?:[^<>\"'{}]|\"[^\"]*\"|'[^']*'|\{\{.*?\}\}|\{%.*?%\})*>"
#: What htmx 4 no longer knows, and code in attributes, which the content policy forbids.
OLD_HTMX = re.compile(
    r"\bhx-(ext|disabled-elt|vars|request|on)\b|\bhtmx:[a-z]+[A-Z]|\bon[a-z]+=\"|hx-[a-z]+=[\"']js:"
)
UNTYPED_BUTTON = re.compile(r"<button(?![^>]*\btype=)[^>]*>", re.S)
SCRIPT_IN_PAGE = re.compile(r"<script(?![^>]*\bsrc=)|<style\b", re.I)
BARE_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}\b(?=[\s;,)])|\b(?:oklch|rgba?|hsla?)\(")
PIXEL_TEXT = re.compile(r"font(?:-size)?\s*:[^;]*\b\d+px")
PIXEL_MEDIA = re.compile(r"@media[^{]*\dpx")  # who has larger text gets the layout that has room for it
PHYSICAL = re.compile(
    r"\b(?:margin|padding|border)-(?:left|right|top|bottom)\b|[;{]\s*(?:left|right|width|height)\s*:"
)
UNSAFE_SCRIPT = re.compile(
    r"\binnerHTML\b|\bouterHTML\s*=|insertAdjacentHTML|\beval\(|new Function|document\.write"
)


def words_outside_translations(template: str) -> list[str]:
    """Return visible words that no translator would see."""
    text = re.sub(r"\{#.*?#\}|<!doctype.*?>", " ", template, flags=re.S | re.I)
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", text, flags=re.S)
    text = re.sub(r"<(title|svg)\b.*?</\1>", " ", text, flags=re.S)
    attributes = re.findall(r'\b(?:aria-label|title|placeholder|alt)="([^"]*[A-Za-z]{3,}[^"]*)"', text)
    between = re.sub(TAG, "\n", text, flags=re.S)
    return [w for w in [*attributes, *re.findall(r"[A-Za-z]{3,}", between)] if w != "Deskhand"]


def named(files: list[Path]) -> dict[str, list]:
    return {"argvalues": files, "ids": [file.name for file in files]}


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (OLD_HTMX, '<div hx-ext="sse">', '<div hx-sse:connect="/live">'),
        (OLD_HTMX, '<button hx-disabled-elt="this">', '<button hx-disable="this">'),
        (OLD_HTMX, '<a onclick="go()">', '<a data-behavior="go">'),
        (UNTYPED_BUTTON, '<button class="button">', '<button type="button" class="button">'),
        (SCRIPT_IN_PAGE, "<script>go()</script>", '<script src="go.js"></script>'),
        (BARE_COLOR, "a { color: #d43f3a; }", "a { color: var(--danger); }"),
        (BARE_COLOR, "a { color: oklch(.5 .1 20); }", "#main { color: var(--ink); }"),
        (PIXEL_TEXT, "a { font-size: 13px; }", "a { font-size: var(--t-sm); }"),
        (PIXEL_MEDIA, "@media (width <= 760px) {", "@media (width <= 47.5em) {"),
        (PHYSICAL, "a { margin-left: 1rem; }", "a { margin-inline-start: 1rem; }"),
        (UNSAFE_SCRIPT, "list.innerHTML = name;", "list.textContent = name;"),
    ],
)
def test_each_rule_knows_good_from_bad(rule: re.Pattern[str], bad: str, good: str) -> None:
    assert rule.search(bad)
    assert not rule.search(good)


def test_the_translation_rule_knows_good_from_bad() -> None:
    assert words_outside_translations("<p>Not found</p>") == ["Not", "found"]
    assert words_outside_translations('<a title="Close it">x</a>') == ["Close it"]
    assert not words_outside_translations('<p title="{{ _("Close") }}">{{ _("Not found") }} Deskhand</p>')


@pytest.mark.parametrize("template", **named(TEMPLATES))
def test_templates_keep_the_rules(template: Path) -> None:
    text = template.read_text()

    assert not OLD_HTMX.findall(text)
    assert not UNTYPED_BUTTON.findall(text)
    assert not SCRIPT_IN_PAGE.findall(text)
    assert not words_outside_translations(text)


@pytest.mark.parametrize("template", **named(TEMPLATES))
def test_every_form_that_posts_carries_its_token(template: Path) -> None:
    forms = re.findall(r"<form\b(?:(?!</form>).)*method=\"post\".*?</form>", template.read_text(), flags=re.S)

    assert all("csrf_input" in form for form in forms)


@pytest.mark.parametrize("template", **named(TEMPLATES))
def test_inherited_htmx_settings_say_so(template: Path) -> None:
    """Without `:inherited` htmx 4 takes hx-target and its like only on an element with a verb of its own."""
    alone = [
        tag
        for tag in re.findall(TAG, template.read_text(), flags=re.S)
        if re.search(r"\bhx-(?:target|headers|swap)=", tag)
        and not re.search(r"\bhx-(?:get|post|put|patch|delete)=|hx-sse:connect=|<hx-partial", tag)
    ]

    assert not alone


@pytest.mark.parametrize("style", **named([file for file in STYLES if file.name != "tokens.css"]))
def test_styles_keep_the_rules(style: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", style.read_text(), flags=re.S)

    assert not BARE_COLOR.findall(text)
    assert not PIXEL_TEXT.findall(text)
    assert not PIXEL_MEDIA.findall(text)
    assert not PHYSICAL.findall(text)
    assert style.name == "utilities.css" or "!important" not in text


@pytest.mark.parametrize("script", **named(SCRIPTS))
def test_scripts_keep_the_rules(script: Path) -> None:
    text = script.read_text()

    assert not UNSAFE_SCRIPT.findall(text)
    assert len(text.splitlines()) <= 150


def test_every_token_that_is_used_is_defined() -> None:
    """In a style, in the markup or by a script: something to fall back on would hide a name that nobody sets."""
    styles, others = (
        "".join(file.read_text() for file in files) for files in (STYLES, [*TEMPLATES, *SCRIPTS])
    )
    defined = set(re.findall(r"(--[\w-]+)\s*:", styles + others))
    defined |= set(re.findall(r'setProperty\("(--[\w-]+)"', others))

    assert set(re.findall(r"var\((--[\w-]+)", styles)) <= defined


def test_every_behavior_that_is_asked_for_exists() -> None:
    asked = {
        name
        for template in TEMPLATES
        for names in re.findall(r'data-behavior="([^"{]+)"', template.read_text())
        for name in names.split()
    }
    there = {script.stem for script in SCRIPTS if "export function connect" in script.read_text()}

    assert asked == there


def test_every_icon_exists_and_is_in_the_sprite() -> None:
    asked = {name for file in TEMPLATES for name in re.findall(r'\bicon\("([a-z0-9-]+)"', file.read_text())}
    sprite = icons.sprite()

    assert asked <= icons.NAMES
    assert all(f'id="{name}"' in sprite for name in icons.NAMES)


def test_all_styles_are_reached() -> None:
    """Either part of the stylesheet of every page, or named by a page."""
    pages = "".join(template.read_text() for template in TEMPLATES)

    assert {file.stem for file in STYLES} == {
        file.stem for file in STYLES if file.stem in assets.STYLES or f"css/{file.name}" in pages
    }


def test_the_inbox_stays_within_its_budget() -> None:
    """Bytes as they travel: styles at most 15 kB a page, scripts that start with it at most 35 kB."""
    screen = [WEB / "static" / "css" / name for name in ("inbox.css", "conversation.css")]
    styles = [assets.stylesheet().encode(), *(file.read_bytes() for file in screen)]
    scripts = [file.read_bytes() for file in (*scripts_of_the_inbox(), *htmx())]

    assert sum(len(brotli.compress(one)) for one in styles) <= 15_000
    assert sum(len(brotli.compress(one)) for one in scripts) <= 35_000


def scripts_of_the_inbox() -> list[Path]:
    """Those of every page, those that its templates ask for, and what they import."""
    folder = WEB / "templates"
    templates = [
        file
        for file in TEMPLATES
        if file.parent.name in (folder.name, "inbox", "fragments", "parts", "components")
    ]
    wanted = {*assets.EAGER}
    for template in templates:
        for names in re.findall(r'data-behavior="([^"{]+)"', template.read_text()):
            wanted.update(names.split())
    by_name = {script.stem: script for script in SCRIPTS}
    todo = list(wanted)
    while todo:
        found = set(re.findall(r'"app/([\w-]+)"', by_name[todo.pop()].read_text())) & by_name.keys() - wanted
        wanted |= found
        todo += found
    return [by_name[name] for name in sorted(wanted)]


def htmx() -> list[Path]:
    import django_htmx

    folder = Path(django_htmx.__file__).parent / "static" / "django_htmx"
    return [folder / "htmx-4.min.js", folder / "ext" / "hx-sse-4.min.js"]


def test_what_the_worker_runs_asks_no_routes():
    """They would load every screen: 15 MB that a worker has no use for."""
    areas = (
        "automation",
        "channels",
        "crm",
        "delivery",
        "desk",
        "events",
        "kernel",
        "notifications",
        "routing",
    )
    asking = [
        module.relative_to(WEB.parent).as_posix()
        for area in areas
        for module in sorted((WEB.parent / area).rglob("*.py"))
        if "tests" not in module.parts and re.search(r"\bdjango\.urls\b", module.read_text())
    ]

    assert asking == []
