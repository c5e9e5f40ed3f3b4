"""The settings page of the secrets that workflows use."""

from __future__ import annotations

from deskhand.automation import secrets
from deskhand.automation.models import WorkflowSecret
from deskhand.automation.tests.calling import step, workflow_of
from deskhand.events.types import SYSTEM


def values(office):
    with office.inside() as world:
        names = set(WorkflowSecret.objects.values_list("name", flat=True))
        return secrets.values(world.account.pk, names)


def test_a_secret_is_added_replaced_and_deleted_and_never_shown(office, sign_in):
    client = sign_in(office.world.ada)
    client.post("/settings/secrets/add", {"name": "SHOP_KEY", "value": "open-sesame\n"})
    assert values(office) == {"SHOP_KEY": "open-sesame"}
    with office.inside():
        number = WorkflowSecret.objects.get().pk

    client.post(f"/settings/secrets/{number}/replace", {"value": "close-sesame"})
    page = client.get("/settings/secrets").content.decode()

    assert values(office) == {"SHOP_KEY": "close-sesame"}
    assert "SHOP_KEY" in page
    assert "sesame" not in page
    assert "No workflow uses it." in page
    assert client.post(f"/settings/secrets/{number}/delete").status_code == 302
    assert values(office) == {}


def test_what_is_wrong_stands_at_its_field_and_the_value_is_not_sent_back(office, sign_in):
    client = sign_in(office.world.ada)
    refused = client.post("/settings/secrets/add", {"name": "bad name", "value": "sesame"})
    assert refused.status_code == 422
    page = refused.content.decode()
    assert 'value="bad name"' in page
    assert "begins with a letter" in page
    assert 'aria-describedby="new-name-help new-name-error" aria-invalid="true"' in page
    assert 'id="new-value" name="value" type="password" value="" autocomplete="new-password"' in page
    assert "sesame" not in page

    client.post("/settings/secrets/add", {"name": "KEY", "value": "v"})
    with office.inside():
        number = WorkflowSecret.objects.get().pk
    assert client.post(f"/settings/secrets/{number}/replace", {"value": ""}).status_code == 422
    assert values(office) == {"KEY": "v"}


def test_a_secret_in_use_stays(office, sign_in):
    with office.inside() as world:
        number = secrets.add(world.account.pk, "KEY", "v", by=SYSTEM)
        workflow_of(world.account.pk, step(1, "send_webhook", url="https://a.example/{{ secret.KEY }}"))
    client = sign_in(office.world.ada)

    page = client.get("/settings/secrets").content.decode()
    told = client.post(f"/settings/secrets/{number}/delete", follow=True).content.decode()

    assert "Used in:" in page
    assert f"/settings/secrets/{number}/delete" not in page
    assert "Take it out there first." in told
    assert values(office) == {"KEY": "v"}
