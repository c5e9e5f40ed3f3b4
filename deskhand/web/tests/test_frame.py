import base64
import hashlib
import re

import pytest
from django.test import RequestFactory

from deskhand.web import assets, icons, jinja, shell


def test_the_content_policy_names_the_import_map_of_the_page() -> None:
    inline = re.search(r'<script type="importmap">(.*?)</script>', assets.import_map()).group(1)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()

    assert f"'sha256-{digest}'" in assets.content_security_policy()
    assert "unsafe-eval" not in assets.content_security_policy()


def test_an_unknown_icon_stops_the_page() -> None:
    with pytest.raises(KeyError, match="unicorn"):
        icons.icon("unicorn")


def test_the_made_files_are_offered_like_any_static_file() -> None:
    finder = assets.GeneratedFinder()

    assert {path for path, _ in finder.list(None)} == {
        "icons.svg",
        "css/deskhand.css",
        "js/vendor/prosemirror.js",
    }
    assert finder.find("css/nothing.css") == []
    with open(finder.find("css/deskhand.css")) as sheet:
        assert sheet.read().index("@layer tokens") < 400


@pytest.mark.parametrize(
    ("name", "initials"),
    [("Ada Lovelace", "AL"), ("ada@example.org", "AE"), ("Bob", "B"), ("Ana María del Río", "AR"), ("", "?")],
)
def test_a_person_has_initials(name: str, initials: str) -> None:
    assert shell.initials_of(name) == initials


def test_the_same_name_always_has_the_same_color() -> None:
    assert shell.Person.named("Ada").hue == shell.Person.named("Ada").hue
    assert 0 <= shell.hue_of("Grace") < 360


def test_going_back_in_history_gets_the_whole_page() -> None:
    requests = RequestFactory()

    assert jinja.wants_fragment(requests.get("/", headers={"HX-Request": "true"}))
    assert not jinja.wants_fragment(requests.get("/"))
    assert not jinja.wants_fragment(
        requests.get("/", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    )


def test_an_unknown_theme_in_the_cookie_is_ignored() -> None:
    request = RequestFactory().get("/")
    request.COOKIES["theme"] = '"><script>'

    assert jinja.theme_of(request) == ""
