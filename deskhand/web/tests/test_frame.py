import base64
import hashlib
import re

import pytest
from django.test import RequestFactory

from deskhand.automation import workflows
from deskhand.automation.engine.definition import Action, Definition, Edge, EventMatch, WhenEvent
from deskhand.web import assets, icons, jinja, shell
from deskhand.web.tests.conftest import text_of


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


@pytest.mark.parametrize("address", ["/me/status", "/settings/routing/simulator", "/workflows/{}/replay"])
def test_what_is_read_in_the_background_leaves_a_toast_to_the_page(address, office, sign_in) -> None:
    """R-AVAIL-11: an answer that shows no toast takes none of those that another request left."""
    with office.inside() as world:
        steps = (Action("1", "create_task", {"title": "Call"}),)
        when = WhenEvent((EventMatch("ticket.created"),))
        definition = Definition("ticket", when, start=Edge("1"), steps=steps, next_id=2)
        flow = workflows.create(world.account.pk, "Chase", definition, by=world.ada.pk)
    ada = sign_in(office.world.ada)
    ada.post("/settings/routing/skills/categories/add", {"name": "Products"})

    part = ada.get(address.format(flow.pk), headers={"HX-Request": "true"})
    page = ada.get("/settings/routing/skills")

    assert part.status_code == 200
    assert 'id="main"' not in part.content.decode()
    assert "The category is there." not in text_of(part.content.decode())
    assert "The category is there." in text_of(page.content.decode())
