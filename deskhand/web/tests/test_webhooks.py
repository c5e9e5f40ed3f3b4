"""The pages of webhooks (issue 6; api.md §2.8)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from deskhand.accounts import connected_apps
from deskhand.accounts.models import App
from deskhand.delivery.models import OutboxEntry
from deskhand.events.types import Actor
from deskhand.webhooks import deliveries, subscriptions, targets
from deskhand.webhooks.models import Delivery, Target

FORM = {"name": "Shop", "url": "https://shop.example/hear", "max_concurrent": "5"}
EVENTS = ["ticket.creation", "ticket.propertyChange hs_pipeline_stage", "object.creation project"]


@pytest.fixture
def page(office: Any, sign_in: Any) -> Any:
    return sign_in(office.world.ada)


def made(page: Any, office: Any) -> App:
    page.post("/settings/webhooks/add", FORM | {"events": EVENTS})
    with office.inside():
        return App.objects.get()


def test_a_webhook_is_made_and_its_secret_shown_once(page, office):
    """S33: in the answer, and nowhere afterwards."""
    answer = page.post("/settings/webhooks/add", FORM | {"events": EVENTS})
    secret = re.search(r'id="secret" value="([^"]+)"', answer.content.decode())

    with office.inside() as world:
        app, target = App.objects.get(), Target.objects.get()
        assert (app.name, target.url, target.max_concurrent) == ("Shop", FORM["url"], 5)
        assert subscriptions.said(world.account.pk, app.pk) == EVENTS
        assert secret is not None
        assert connected_apps.is_secret(app, secret[1])
    assert "no-store" in answer["Cache-Control"]
    shown = page.get(f"/settings/webhooks/{app.pk}").content.decode()
    assert secret[1] not in shown
    assert "ticket.creation" in shown


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": ""}, "A name has 1 to 100 characters."), ({"url": "shop"}, "This is not a web address."),
        ({"max_concurrent": "0"}, "It takes 1 to 100 requests at once."), ({"max_concurrent": "x"}, "It takes 1 to 100 requests at once."),
        ({"events": []}, "Choose at least one event."), ({"events": ["ticket.propertyChange gone"]}, "There is no property"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_and_nothing_is_made(page, office, wrong: dict[str, Any], words: str):
    """style.md §12: field, and way out; what was typed stays."""
    answer = page.post("/settings/webhooks/add", FORM | {"events": EVENTS} | wrong)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    with office.inside():
        assert not App.objects.exists()
        assert not Target.objects.exists()


def test_a_webhook_is_changed(page, office):
    """What stays asked for keeps its number; what is not is gone."""
    app = made(page, office)
    with office.inside() as world:
        (kept, *_others) = subscriptions.of(world.account.pk, app.pk)
    form = page.get(f"/settings/webhooks/{app.pk}/edit").content.decode()
    assert 'value="ticket.creation" checked' in form
    page.post(
        f"/settings/webhooks/{app.pk}/save",
        FORM | {"name": "Store", "events": ["ticket.creation", "contact.merge"]},
    )

    with office.inside() as world:
        assert App.objects.get().name == "Store"
        assert subscriptions.said(world.account.pk, app.pk) == ["ticket.creation", "contact.merge"]
        assert subscriptions.of(world.account.pk, app.pk)[0].pk == kept.pk


def test_it_is_paused_tested_given_another_secret_and_removed(page, office):
    """Issue 6."""
    app = made(page, office)
    old = app.secret
    page.post(f"/settings/webhooks/{app.pk}/pause", {"on": "1"})
    assert "Paused" in page.get("/settings/webhooks").content.decode()
    page.post(f"/settings/webhooks/{app.pk}/pause", {"on": "0"})
    page.post(f"/settings/webhooks/{app.pk}/test")
    page.post(f"/settings/webhooks/{app.pk}/secret")
    with office.inside():
        assert Target.objects.get().paused_at is None
        assert Delivery.objects.get().is_test
        assert App.objects.get().secret != old

    page.post(f"/settings/webhooks/{app.pk}/remove")

    assert "No webhook yet" in page.get("/settings/webhooks").content.decode()
    assert page.get(f"/settings/webhooks/{app.pk}").status_code == 404


def test_a_delivery_is_shown_with_its_tries_and_sent_again(page, office):
    """Issue 6: attempt, status, body, and replay; one, and all that were given up."""
    app = made(page, office)
    with office.inside() as world:
        deliveries.put_in(
            world.account.pk, [(app.pk, [{"eventId": 7, "subscriptionType": "ticket.creation"}])]
        )
        row = Delivery.objects.get()
        row.tries = [
            {"at": "2026-11-16T12:00:00+00:00", "attempt": 1, "status": 404, "text": "Nobody <b>here</b>"}
        ]
        row.save()
        OutboxEntry.objects.filter(pk=row.entry_id).update(state="FAILED", due_at=None, attempts=1)
        Target.objects.update(failing_since=row.created_at)
    log = page.get(f"/settings/webhooks/{app.pk}").content.decode()
    for words in ("Failing", "Answer 404", "Send failed ones again (1)"):
        assert words in log
    one = page.get(f"/settings/webhooks/{app.pk}/deliveries/{row.pk}").content.decode()
    assert "Nobody &lt;b&gt;here&lt;/b&gt;" in one
    assert "&#34;eventId&#34;: 7" in one

    page.post(f"/settings/webhooks/{app.pk}/again")
    with office.inside():
        assert Delivery.objects.get().rounds == 1
        assert OutboxEntry.objects.get(pk=Delivery.objects.get().entry_id).state == "WAITING"


def test_only_super_admins_set_them_up(office, sign_in):
    """They are told what happens behind every wall."""
    page = sign_in(office.world.bob)
    for path in ("", "/new"):
        assert page.get(f"/settings/webhooks{path}").status_code == 403
    assert page.post("/settings/webhooks/add", FORM | {"events": EVENTS}).status_code == 403


def test_a_list_takes_as_many_statements_for_many(page, office, django_assert_max_num_queries):
    """style.md §13."""
    app = made(page, office)
    with office.inside() as world:
        for number in range(20):
            more, _secret = connected_apps.create(
                world.account.pk, name=f"App {number}", by=Actor.user(world.ada.pk)
            )
            targets.put(world.account.pk, more.pk, url=FORM["url"], by=Actor.user(world.ada.pk))
        deliveries.put_in(
            world.account.pk,
            [(app.pk, [{"eventId": n, "subscriptionType": "ticket.creation"}]) for n in range(20)],
        )
    with django_assert_max_num_queries(30):
        page.get("/settings/webhooks")
    with django_assert_max_num_queries(30):
        page.get(f"/settings/webhooks/{app.pk}")
