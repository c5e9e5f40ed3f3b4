"""What workflows tell people, in the bell."""

from __future__ import annotations

from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.tests.doings import doing_of
from deskhand.crm.records import objects
from deskhand.crm.records.models import Deal
from deskhand.events.types import SYSTEM
from deskhand.notifications.models import Notification


def test_the_bell_shows_what_a_workflow_says_of_any_record(office, sign_in):
    with office.inside() as world:
        deal = Deal.objects.get(pk=objects.create("deal", {"dealname": "Fjord"}, by=SYSTEM).id)
        contact = world.contact("b@x.example", "Bo")
        for row, kind, text in (
            (deal, "deal", "Big deal"),
            (contact, "contact", "Call <b>Bo</b>"),
            (world.ticket(), "ticket", "Late"),
        ):
            doing = doing_of(world, row, {"users": [world.bob.pk], "subject": text}, object_type=kind)
            ACTIONS["notify"].run([doing])
    client = sign_in(office.world.bob)

    page = client.get("/notifications").content.decode()

    assert "Big deal" in page
    assert "Fjord" in page
    assert "Call &lt;b&gt;Bo&lt;/b&gt;" in page
    assert "Late" in page
    assert f'href="/contacts/{contact.pk}"' in page
    client.post(f"/notifications/failures/deal/{deal.pk}/read")
    with office.inside():
        assert Notification.objects.get(about_kind="deal").read_at
        assert not Notification.objects.get(about_kind="contact").read_at
    assert client.post(f"/notifications/failures/deal/{deal.pk + 1}/read").status_code == 404
    assert "Messages from workflows" in client.get("/settings/notifications").content.decode()
