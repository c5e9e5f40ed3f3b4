"""Setting the customer portal up."""

from __future__ import annotations

import pytest
from django.conf import settings as product

from deskhand.accounts.models import AuditEntry
from deskhand.channels.portal import portals
from deskhand.channels.portal.models import Portal, Reach
from deskhand.crm.filters.types import EVERYTHING, Associated
from deskhand.crm.pipelines.models import Stage
from deskhand.crm.records import labeling, refiling
from deskhand.crm.schema import association_labels
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.desk import inboxes
from deskhand.events.types import SYSTEM
from deskhand.kernel.errors import Conflict
from deskhand.web.filters import editing

FORM = {
    "is_on": "1",
    "name": "Nordlys help",
    "accent": "#1a5fb4",
    "accent_dark": "99c1f1",
    "takes_strangers": "1",
    "reach": "COMPANY",
}


def save(client, **more):
    return client.post("/settings/portal/save", FORM | more)


def test_what_is_set_is_saved_shown_and_in_the_audit(office, sign_in):
    with office.inside() as world:
        closed = world.stage("Closed")
    client = sign_in(office.world.ada)

    response = save(
        client, channel=str(office.world.channel.pk), **{f"stage-{closed}": " Done ", f"hidden-{closed}": "1"}
    )

    assert response.status_code == 302
    with office.inside():
        portal = Portal.objects.get()
        assert (portal.is_on, portal.name, portal.accent, portal.accent_dark) == (
            True,
            "Nordlys help",
            "#1a5fb4",
            "#99c1f1",
        )
        assert (portal.reach, portal.channel_account_id) == (Reach.COMPANY, office.world.channel.pk)
        assert portal.stages == {str(closed): {"label": "Done", "is_hidden": True}}
        entry = AuditEntry.objects.get(action="portal.updated")
        assert entry.after["name"] == "Nordlys help"
    page = client.get("/settings/portal").content.decode()
    assert 'value="Nordlys help"' in page
    assert 'value="Done"' in page
    assert f'href="{product.SITE_URL}/portal/nordlys/"' in page
    assert "Ada Lovelace changed the customer portal" in client.get("/settings/audit").content.decode()


def test_the_portal_bears_name_and_colors(office, sign_in, client):
    save(sign_in(office.world.ada))

    page = client.get("/portal/nordlys/sign-in").content.decode()

    assert "Nordlys help" in page
    assert "--brand: light-dark(#1a5fb4, #99c1f1)" in page


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"accent": "#ffcc00"}, "its contrast is 1.3, and it takes 4.5. Choose a darker one."),
        ({"accent_dark": "#1a5fb4"}, "Choose a lighter one."),
        ({"accent": "blue; } body { display: none"}, "is not a colour. Write it like #1a5fb4."),
        ({"accent": "#12345"}, "is not a colour."),
        ({"name": "x" * 81}, "The name is too long. It has at most 80 characters."),
        ({"reach": "EVERYBODY"}, "Choose whose requests customers see."),
        ({"channel": "999999"}, "This address is not connected any more."),
    ],
)
def test_what_can_not_be_is_said_beside_its_field_and_nothing_is_saved(office, sign_in, wrong, words):
    response = save(sign_in(office.world.ada), **wrong)

    assert response.status_code == 422
    assert words in response.content.decode()
    with office.inside():
        assert not Portal.objects.filter(is_on=True).exists()


def test_a_label_of_a_status_may_not_be_too_long(office, sign_in):
    with office.inside() as world:
        new = world.stage("New")
    response = save(sign_in(office.world.ada), **{f"stage-{new}": "x" * 61})
    assert response.status_code == 422
    assert "The words for “New” are too long." in response.content.decode()


def test_without_an_address_the_portal_does_not_open(office, sign_in):
    with office.inside() as world:
        inboxes.disconnect(world.channel, by=SYSTEM)

    response = save(sign_in(office.world.ada))

    assert response.status_code == 422
    assert "The portal needs a connected email address" in response.content.decode()


def test_requests_go_to_the_default_address_once_the_chosen_one_is_gone(office):
    """R-POR-5"""
    with office.inside() as world:
        sales = inboxes.add_channel_account(
            world.channel.inbox, channel="email", name="Sales", address="sales@nordlys.example"
        )
        portal = portals.change(portals.Settings(True, channel_account_id=sales.pk), by=SYSTEM)
        assert portals.channel_of(portal).pk == sales.pk
        inboxes.disconnect(sales, by=SYSTEM)
        assert portals.channel_of(portal).pk == world.channel.pk


def test_contacts_are_chosen_by_filters_whose_state_is_the_address(office, sign_in):
    """R-POR-3: the editor that segments use."""
    client = sign_in(office.world.ada)
    assert save(client, reach="CHOSEN").headers["Location"] == "/settings/portal/contacts"
    assert "Add a filter to begin." in client.get("/settings/portal/contacts", follow=True).content.decode()
    empty = client.post("/settings/portal/contacts/save", {"f": ""})
    assert (empty.status_code, "Add a filter first." in empty.content.decode()) == (422, True)

    asked = {
        "begun": "1",
        "edit": "0.0",
        "prop": "contact.email",
        "op": "contains",
        "value": "fjallbo",
        "apply": "1",
    }
    applied = client.get("/settings/portal/contacts", asked)
    page = client.get(applied.headers["Location"]).content.decode()
    assert "fjallbo" in page
    written = page.split('name="f" value="')[1].split('"')[0].replace("&#34;", '"').replace("&amp;", "&")
    assert (
        client.post("/settings/portal/contacts/save", {"f": written}).headers["Location"]
        == "/settings/portal"
    )

    with office.inside():
        condition = portals.condition_of(Portal.objects.get())
        assert condition != EVERYTHING
        assert editing.groups_of(condition, "contact")
    assert "fjallbo" in client.get("/settings/portal").content.decode()
    assert "fjallbo" in client.get("/settings/portal/contacts", follow=True).content.decode()
    count = client.get("/settings/portal/contacts/count", {"f": written})
    assert "0 records match now" in count.content.decode()


def test_a_segment_that_the_portal_asks_for_stays(office, wired):
    from deskhand.crm.filters.types import MemberOf

    with office.inside():
        made = segments.create("contact", "Managers", SegmentKind.STATIC, by=SYSTEM)
        portals.change_condition(MemberOf(segments.SEGMENT, (made.pk,)), by=SYSTEM)
        with pytest.raises(Conflict) as refused:
            segments.archive(made.pk, by=SYSTEM)
    assert "Customer portal" in str(refused.value)


def test_a_label_of_links_that_the_portal_asks_for_stays(office, wired):
    with office.inside():
        vip = association_labels.create("contact", "company", "VIP", by=SYSTEM)
        portals.change_condition(Associated("company", EVERYTHING, vip.type_id), by=SYSTEM)
        with pytest.raises(Conflict) as refused:
            labeling.delete("contact", "company", vip.type_id, by=SYSTEM)
        portals.change_condition(EVERYTHING, by=SYSTEM)
        labeling.delete("contact", "company", vip.type_id, by=SYSTEM)
    assert "Customer portal" in str(refused.value)


def test_what_customers_read_of_a_deleted_status_is_forgotten(office, wired):
    """R-PIPE-10"""
    with office.inside() as world:
        waits, new = world.stage("Waiting on contact"), world.stage("New")
        portals.change(
            portals.Settings(True, stages={str(waits): {"label": "Your turn"}, str(new): {"label": "Here"}}),
            by=SYSTEM,
        )
        refiling.delete_stage(Stage.objects.get(pk=waits), by=SYSTEM, move_to=new)

    with office.inside():
        assert list(Portal.objects.get().stages) == [str(new)]
