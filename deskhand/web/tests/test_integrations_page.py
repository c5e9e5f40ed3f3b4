"""The settings page of the actions that other systems perform (R-WFA-3)."""

from __future__ import annotations

from deskhand.automation import integrations
from deskhand.automation.models import CustomAction
from deskhand.automation.tests.calling import step, workflow_of
from deskhand.events.types import SYSTEM
from deskhand.testing.sites import calling_site

TYPED = {
    "name": "Credit check", "description": "Asks the bank", "url": "https://bank.example/check", "object_types": ["ticket"],
    "inputs_name": ["amount", ""], "inputs_value": ["number", "string"], "outputs_name": ["score"], "outputs_value": ["number"],
    "messages_name": ["errorCode=BLOCKED"], "messages_value": ["The card is blocked."],
}  # fmt: skip


def test_one_is_made_changed_put_away_and_brought_back(office, sign_in):
    client = sign_in(office.world.ada)
    assert "No integrations yet" in client.get("/settings/integrations").content.decode()
    assert client.get("/settings/integrations/new").status_code == 200
    made = client.post("/settings/integrations/add", TYPED)
    with office.inside() as world:
        one = CustomAction.objects.get()
        assert (one.name, one.inputs) == ("Credit check", [{"name": "amount", "value": "number"}])
    assert made.headers["Location"] == f"/settings/integrations/{one.pk}"

    page = client.get(made.headers["Location"]).content.decode()
    assert 'value="https://bank.example/check"' in page
    assert 'name="name"' not in page
    client.post(f"/settings/integrations/{one.pk}/save", {**TYPED, "description": "Asks two banks"})
    client.post(f"/settings/integrations/{one.pk}/archive", {"on": "1"})
    assert "Put away" in client.get("/settings/integrations").content.decode()
    client.post(f"/settings/integrations/{one.pk}/archive", {"on": "0"})

    with office.inside() as world:
        (one,) = integrations.known(world.account.pk)
        assert one.description == "Asks two banks"


def test_what_is_wrong_stands_at_its_field_and_keeps_what_was_typed(office, sign_in):
    client = sign_in(office.world.ada)
    for change in (
        {"url": "bank"},
        {"name": ""},
        {"inputs_name": ["two words", ""]},
        {"inputs_value": ["bytes", "string"]},
    ):
        refused = client.post("/settings/integrations/add", {**TYPED, **change})
        page = refused.content.decode()
        assert refused.status_code == 422
        assert 'aria-invalid="true"' in page
        assert 'value="Asks the bank"' in page
    more = client.post("/settings/integrations/add", {**TYPED, "redraw": "inputs"})
    assert more.status_code == 200
    with office.inside():
        assert not CustomAction.objects.exists()


def test_one_in_use_stays(office, sign_in):
    with office.inside() as world:
        one = integrations.add(world.account.pk, "Credit check", {"url": "https://bank.example/"}, by=SYSTEM)
        workflow_of(world.account.pk, step(1, "custom_action", integration="Credit check"))
    client = sign_in(office.world.ada)
    assert "1 workflow uses it" in client.get("/settings/integrations").content.decode()
    told = client.post(f"/settings/integrations/{one.pk}/archive", {"on": "1"}, follow=True).content.decode()
    assert "A workflow uses this integration" in told


def test_a_test_call_shows_what_came_back_and_what_went_wrong(office, sign_in, monkeypatch):
    client = sign_in(office.world.ada)
    with calling_site() as there:
        with office.inside() as world:
            one = integrations.add(world.account.pk, "Credit check", {"url": there.url}, by=SYSTEM)
        url = f"/settings/integrations/{one.pk}/test"
        assert "It could not be called" in client.post(url, follow=True).content.decode()
        monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")
        assert "Answered 200" in client.post(url, follow=True).content.decode()
