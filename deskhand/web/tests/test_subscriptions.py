"""What mail people want: the settings, the contact's card, and the page behind the link in a mail."""

from __future__ import annotations

import pytest
from django.test import Client

from deskhand.crm.records import subscriptions
from deskhand.crm.records.models import Contact, Subscription, SubscriptionType
from deskhand.crm.records.subscriptions import Link


@pytest.fixture
def kind(office):
    with office.inside() as world:
        subscriptions.ensure_defaults(world.account.pk)
        return subscriptions.kinds(world.account.pk)[1].pk


@pytest.fixture
def contact(office):
    with office.inside() as world:
        return world.contact()


@pytest.fixture
def url(office, contact, kind):
    with office.inside() as world:
        return f"/unsubscribe/{subscriptions.token_of(Link(world.account.pk, contact.pk, kind))}"


def refusing(office, contact, kind):
    with office.inside() as world:
        return bool(subscriptions.refusing(world.account.pk, [contact.pk], [kind]))


def test_a_mail_program_unsubscribes_with_one_click_without_signing_in(office, contact, kind, url):
    """RFC 8058: a POST without cookies or a token of ours; a GET changes nothing."""
    stranger = Client(enforce_csrf_checks=True)
    assert stranger.get(url).status_code == 200
    assert not refusing(office, contact, kind)

    answer = stranger.post(url, {"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 200
    assert refusing(office, contact, kind)
    with office.inside():
        assert Subscription.objects.get(type_id=kind).source == "page"


def test_the_page_lets_people_choose_and_leave_all(office, contact, kind, url):
    stranger = Client(enforce_csrf_checks=True)
    page = stranger.get(url).content.decode()
    assert "Marketing information" in page
    assert contact.email in page
    assert stranger.get(url).headers["X-Robots-Tag"] == "noindex"

    stranger.post(url, {"form": "1", "none": "1"})
    assert refusing(office, contact, 0)
    assert "You get no such mail at present." in stranger.get(url).content.decode()

    stranger.post(url, {"form": "1", "wanted": [str(kind)]})
    assert not refusing(office, contact, kind)
    with office.inside() as world:
        other = subscriptions.kinds(world.account.pk)[0].pk
    assert refusing(office, contact, other)


def test_it_speaks_the_contacts_language(office, contact, url):
    with office.inside():
        Contact.objects.filter(pk=contact.pk).update(locale="de-AT")
    assert 'lang="de"' in Client().get(url).content.decode()


def test_links_that_are_not_ours_lead_nowhere(office, contact, url):
    stranger = Client()
    for wrong in (
        url[:-2] + "xx",
        "/unsubscribe/1.2.3.x",
        "/unsubscribe/x",
        url.replace(f".{contact.pk}.", f".{contact.pk + 1}."),
    ):
        assert stranger.get(wrong).status_code == 404
        assert stranger.post(wrong, {"List-Unsubscribe": "One-Click"}).status_code == 404


def test_a_contact_that_is_gone_gets_no_mail_and_no_error(office, contact, url):
    with office.inside():
        Contact.objects.filter(pk=contact.pk).delete()
    assert "this address any more" in Client().get(url).content.decode()
    assert Client().post(url, {"List-Unsubscribe": "One-Click"}).status_code == 200


def test_the_contacts_card_shows_and_changes_what_they_want(office, sign_in, contact, kind):
    client = sign_in(office.world.ada)
    page = client.get(f"/contacts/{contact.pk}").content.decode()
    assert "Email subscriptions" in page
    assert f'value="{kind}" checked' in page

    client.post(f"/contacts/{contact.pk}/subscriptions", {"wanted": []})
    assert refusing(office, contact, kind)
    assert not refusing(office, contact, 0)
    client.post(f"/contacts/{contact.pk}/subscriptions", {"none": "1"})
    assert (
        "wants no mail but about their own requests" in client.get(f"/contacts/{contact.pk}").content.decode()
    )


def test_kinds_are_added_renamed_and_archived(office, sign_in, kind):
    client = sign_in(office.world.ada)
    client.post("/settings/subscriptions/add", {"name": "Events", "description": "Where we are"})
    client.post(f"/settings/subscriptions/{kind}/save", {"name": "Offers", "description": ""})
    client.post(f"/settings/subscriptions/{kind}/archive", {"on": "1"})

    page = client.get("/settings/subscriptions").content.decode()
    assert "Events" in page
    assert "Where we are" in page
    assert "Archived" in page
    with office.inside():
        assert SubscriptionType.objects.get(pk=kind).name == "Offers"
    for name in ("", "Events"):
        assert client.post("/settings/subscriptions/add", {"name": name}).status_code == 422
    assert client.post(f"/settings/subscriptions/{kind}/archive", {"on": "0"}).status_code == 302
    with office.inside():
        assert SubscriptionType.objects.get(pk=kind).archived_at is None


def test_a_mail_is_given_the_kind_that_it_is(office, sign_in, kind):
    from deskhand.automation import templates
    from deskhand.automation.models import MailTemplate
    from deskhand.events.types import SYSTEM

    with office.inside() as world:
        made = templates.create(world.account.pk, "News", by=SYSTEM)
    client = sign_in(office.world.ada)
    form = {
        "name": "News",
        "subject": "s",
        "body": "b",
        "reach": f"kind-{kind}",
        "revision": str(made.revision),
    }
    client.post(f"/settings/mails/{made.pk}/save", form)
    with office.inside():
        saved = MailTemplate.objects.get(pk=made.pk)
        assert (saved.is_transactional, saved.subscription_type_id) == (False, kind)
    assert f'value="kind-{kind}" selected' in client.get(f"/settings/mails/{made.pk}").content.decode()
    assert (
        client.post(
            f"/settings/mails/{made.pk}/save", form | {"reach": "kind-999", "revision": str(saved.revision)}
        ).status_code
        == 404
    )
