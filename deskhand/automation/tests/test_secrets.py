"""Secrets: kept encrypted, never told, and not let go while somebody needs them."""

from __future__ import annotations

import pytest

from deskhand.accounts.models import AuditEntry
from deskhand.automation import secrets, workflows
from deskhand.automation.models import DraftVersion, WorkflowDraft, WorkflowSecret
from deskhand.automation.tests.calling import step, workflow_of
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid, NotFound

ADA = Actor.user(1)


def test_a_secret_is_encrypted_and_stands_in_no_log(world):
    made = secrets.add(world.account.pk, "SHOP_KEY", "open sesame", by=ADA)
    secrets.replace(world.account.pk, made, "close sesame", by=ADA)

    assert b"sesame" not in bytes(WorkflowSecret.objects.get().value)
    assert secrets.values(world.account.pk, {"SHOP_KEY", "OTHER"}) == {"SHOP_KEY": "close sesame"}
    entries = AuditEntry.objects.filter(target_type="secret").order_by("number")
    assert [one.action for one in entries] == ["secret.created", "secret.replaced"]
    assert "sesame" not in str([(one.before, one.after) for one in entries])


@pytest.mark.parametrize("name", ["", "1KEY", "a-b", "a b", "ä", "x" * 61])
def test_a_name_is_one_that_a_text_can_hold(world, name):
    with pytest.raises(Invalid) as refused:
        secrets.add(world.account.pk, name, "value", by=ADA)
    assert refused.value.field == "name"


def test_a_name_is_taken_once_and_a_value_is_needed(world):
    secrets.add(world.account.pk, "KEY", "value", by=ADA)
    with pytest.raises(Invalid, match="already"):
        secrets.add(world.account.pk, "KEY", "other", by=ADA)
    for value in ("", "x" * (secrets.LONGEST + 1)):
        with pytest.raises(Invalid) as refused:
            secrets.add(world.account.pk, "KEY2", value, by=ADA)
        assert refused.value.field == "value"
    assert secrets.values(world.account.pk, {"KEY"}) == {"KEY": "value"}


def test_what_a_workflow_uses_is_not_let_go(world):
    account = world.account.pk
    made = {name: secrets.add(account, name, "v", by=ADA) for name in ("CHOSEN", "NAMED", "DRAFTED", "FREE")}
    flow = workflow_of(
        account,
        step(1, "send_webhook", url="https://a.example/{{secret.NAMED}}", auth="bearer", secret="CHOSEN"),
    )
    drafted = workflow_of(account, step(1, "send_webhook", url="https://a.example/"), is_lane=False)
    WorkflowDraft.objects.create(
        account_id=account, workflow=drafted, base_revision=1, version=1, updated_at=clock.now()
    )
    DraftVersion.objects.create(
        account_id=account,
        workflow=drafted,
        number=1,
        definition={"steps": [{"secrets": ["DRAFTED"]}]},
        at=clock.now(),
    )

    assert secrets.used_in(account) == {"CHOSEN": [flow.pk], "NAMED": [flow.pk], "DRAFTED": [drafted.pk]}
    for name in ("CHOSEN", "NAMED", "DRAFTED"):
        with pytest.raises(Conflict):
            secrets.delete(account, made[name], by=ADA)
    assert secrets.delete(account, made["FREE"], by=ADA) == "FREE"
    workflows.delete(flow)
    assert secrets.delete(account, made["NAMED"], by=ADA) == "NAMED"
    with pytest.raises(NotFound):
        secrets.replace(account, made["NAMED"], "v", by=ADA)


def test_names_are_found_wherever_settings_use_them():
    settings = {
        "secret": "A",
        "headers": [{"name": "x", "value": "{{ secret.B | upcase }}"}],
        "secrets": ["C"],
        "n": 3,
    }
    assert secrets.named_in(settings) == {"A", "B", "C"}
