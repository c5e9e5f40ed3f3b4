"""Every state of every screen in the language that nobody speaks: all texts are marked, and all have room.

CI takes some of the states; `make pseudo` takes every one, on the desk and on the phone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import models
from playwright.sync_api import Locator, Page

from deskhand.accounts.models import User
from scripts import messages
from tests import pseudo
from tests.browser import states
from tests.browser.test_access import EVERY_LOOK, as_customer, busy, reached
from tests.test_translations import KEPT, PROPER_NAMES, _dates, words_of

__all__ = ["busy"]
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]

#: Django speaks the language by itself; and what stands in every address.
DJANGO = {"https", "bitoko", "bitokoj", "Ĉi tiu kampo estas deviga."}
#: What the states type and attach.
TYPED = re.compile(
    r'(?:fill|press_sequentially|type)\(\s*f?"([^"]*)"|"name": "([^"]*)"|\("[a-z]+", "([^"]*)", "([^"]*)"\)|\("([^"]*)", "'
)
SHARE = 16  # CI takes one state of so many
#: What somebody sees or hears of a page, piece by piece, but for what machines wrote and people said.
SHOWN = """() => {
  const seen = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !e.closest("code, script, style, iframe, textarea");
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [document.title];
  while (walk.nextNode()) if (walk.currentNode.data.trim() && seen(walk.currentNode.parentElement)) found.push(walk.currentNode.data);
  for (const name of ["aria-label", "title", "placeholder", "alt"])
    for (const e of document.querySelectorAll(`[${name}]`)) if (seen(e)) found.push(e.getAttribute(name));
  return found;
}"""
#: Texts of ours that are cut off or stick out of their box. Who may be shortened says the whole in its title.
CLIPPED = """() => {
  const text = (e) => [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data).join("").trim();
  return [...document.body.querySelectorAll("*")].filter((e) => {
    if (!text(e).includes("[!!!") || e.closest(".sr, .skip, iframe, option, select, textarea")) return false;
    if (!e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
    if (e.clientWidth <= 1) return false; // for screen readers
    const style = getComputedStyle(e);
    if (style.display === "inline" || ["auto", "scroll"].includes(style.overflowX)) return false;
    const isShort = style.textOverflow === "ellipsis" && e.closest("[title], [aria-label], a, button");
    const wide = e.scrollWidth > e.clientWidth + 1 && !isShort;
    const high = style.overflowY === "hidden" && e.scrollHeight > e.clientHeight + 3;
    return wide || high;
  }).map((e) => `${text(e).slice(0, 70)} in <${e.localName} class="${e.className}"> of ${e.clientWidth} × ${e.clientHeight}, wants ${e.scrollWidth} × ${e.scrollHeight}`);
}"""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("locale")
    pseudo.write_pseudo(messages.source(), directory)
    return directory


@pytest.fixture
def spoken(settings: Any, catalog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The product speaks it, and the ways into the states, which are told in English, are understood."""
    settings.LOCALE_PATHS = [catalog]
    settings.LANGUAGES = [*django_settings.LANGUAGES, (pseudo.CODE, "Pseudo")]
    for kind in (Page, Locator):
        for name in ("get_by_label", "get_by_text"):
            _understand(monkeypatch, kind, name, 0)
        _understand(monkeypatch, kind, "get_by_role", "name")
        _understand(monkeypatch, kind, "locator", "has_text")


def _understand(monkeypatch: pytest.MonkeyPatch, kind: type, method: str, given: int | str) -> None:
    asked = getattr(kind, method)

    def understanding(self: Any, *args: Any, **more: Any) -> Any:
        exact = more.pop("exact", False)
        if given == 0:
            return asked(self, _as_spoken(args[0], exact), *args[1:], **more)
        if given in more:
            more[given] = _as_spoken(more[given], exact)
        return asked(self, *args, **more)

    monkeypatch.setattr(kind, method, understanding)


def _as_spoken(text: Any, exact: bool) -> Any:
    """Each letter as it is, or as it is accented; what is filled in may stand between."""
    if not isinstance(text, str):
        return text
    letters = "".join(
        f"[{letter}{letter.translate(pseudo.LETTERS)}]"
        if letter.isalpha()
        else ".{1,30}"
        if letter in " “”"
        else re.escape(letter)
        for letter in text
    )
    return re.compile(rf"^(\[!!! )?{letters}(·* !!!\])?$" if exact else letters, re.IGNORECASE)


@pytest.mark.parametrize("width", [1440, 390])
def test_every_text_is_marked_and_has_room(
    tab: Callable[..., Page], busy: Any, spoken: None, width: int
) -> None:
    User.objects.filter(pk=busy.world.ada.pk).update(locale=pseudo.CODE)
    page = tab(busy.world.ada, width=width, locale=pseudo.CODE)
    as_customer(page, busy)
    with busy.inside():
        ours = _words_of_the_office()
    cookies = page.context.cookies()
    found = {}
    for number, (name, step) in enumerate(states.STATES.items()):
        if not EVERY_LOOK and number % SHARE != width % SHARE:
            continue
        page.context.clear_cookies()
        page.context.add_cookies(cookies)
        trouble = [*reached(page, step)]
        if not trouble:
            unmarked = _unmarked(page.evaluate(SHOWN), ours)
            if (
                unmarked
            ):  # unless a step before has written it: opened pages make the category of languages, and more
                with busy.inside():
                    ours = _words_of_the_office()
                unmarked = _unmarked(page.evaluate(SHOWN), ours)
            trouble = [*unmarked, *page.evaluate(CLIPPED)]
        if trouble:
            found[name] = sorted(set(trouble))

    assert not found, "\n".join(f"{name}: {line}" for name, lines in found.items() for line in lines)


def test_what_is_not_marked_or_has_no_room_is_noticed(window: Callable[..., Any]) -> None:
    page = window().new_page()
    text = pseudo.pseudo("Assign to me")
    page.set_content(
        f"<p>{text} Nordlys</p><p title='Close'>Only for you</p><b style='display:block;inline-size:40px;"
        f"white-space:nowrap;overflow:hidden'>{text}</b>"
    )

    assert _unmarked(page.evaluate(SHOWN), {"nordlys"}) == ["Only for you", "Close"]
    assert [line[:20] for line in page.evaluate(CLIPPED)] == [text[:20]]


def _unmarked(texts: list[str], ours: set[str]) -> list[str]:
    left = [(text, words_of(pseudo.without_marked(text))) for text in texts]
    return [text.strip() for text, words in left if words - ours and text.strip() not in KEPT]


def _typed() -> Iterator[str]:
    for found in TYPED.finditer(Path(states.__file__).read_text()):
        yield from filter(None, found.groups())


def _words_of_the_office() -> set[str]:
    """All that people and machines have written: names, mails, labels of their own."""
    written: set[str] = {*PROPER_NAMES, *_dates(), *DJANGO, *_typed()}
    for model in apps.get_models():
        fields = [
            field.name
            for field in model._meta.concrete_fields
            if isinstance(field, models.CharField | models.TextField | models.EmailField | models.JSONField)
        ]
        for row in model._default_manager.values_list(*fields) if fields else ():
            written.update(str(value) for value in row if value)
    return {word for text in written for word in words_of(text)}
