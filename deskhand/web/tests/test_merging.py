"""Two tickets become one, and two again (R-MERGE-1 to R-MERGE-8, T-MERGE-1)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.crm.records import associations, labeling, tasks, tickets
from deskhand.crm.records.associations import Why
from deskhand.crm.records.models import Task, Ticket
from deskhand.crm.records.store import Change
from deskhand.crm.records.tasks import Wanted
from deskhand.crm.schema import association_labels
from deskhand.desk import following, merging, replies, threads
from deskhand.desk.models import Merge, Message
from deskhand.desk.replies import NewReply
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.web.tests.test_inbox import texts


@pytest.fixture
def two(office):
    """An older ticket and a newer one of the same customer."""
    older = office.mail("Refund still missing")
    with office.inside():
        Ticket.objects.filter(pk=older.pk).update(created_at=office.at - timedelta(days=3))
    office.at += timedelta(hours=1)
    return office.again(older), office.mail("Where is my refund")


@pytest.fixture
def client(office, sign_in):
    return sign_in(office.world.grace)


def merge(client, ticket, other, **more):
    return client.post(f"/inbox/all-open/{ticket.pk}/merged", {"other": other.pk} | more)


def answer(office, ticket):
    """The customer writes again in the ticket's own conversation."""
    office.at += timedelta(minutes=1)
    astrid = Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")
    said = InboundMessage(
        f"{office.at}@x", astrid, "Re", "And?", office.at, answers=(f"{ticket.subject}@fjallbo.example",)
    )
    with office.inside() as world:
        return threads.receive(Incoming(world.channel.pk, said), at=office.at).ticket_id


lands_in = answer


def test_t_merge_1_the_primary_goes_on_with_its_values_and_the_older_date(office, two, client):
    """R-MERGE-2, R-MERGE-7, R-MERGE-8"""
    older, newer = two
    with office.inside() as world:
        waiting = world.stage("Waiting on us")
        values = {"priority": "HIGH", "stage_id": waiting, "owner_id": world.bob.pk}
        tickets.change_many([Change(newer.pk, values), Change(older.pk, {"priority": "LOW"})], by=SYSTEM)

    response = merge(client, older, newer, keep="other")

    assert response.headers["Location"] == f"/inbox/all-open/{newer.pk}"
    stays, gone = office.again(newer), office.again(older)
    assert (stays.priority, stays.stage_id, stays.owner_id) == ("HIGH", waiting, office.world.bob.pk)
    assert stays.created_at == older.created_at
    assert stays.message_count == 2
    assert (gone.archived_at is not None, gone.merged_into_id) == (True, newer.pk)
    page = texts(client.get(f"/inbox/all-open/{newer.pk}"))
    assert page.count("Where is my money?") >= 2


def test_old_ids_and_numbers_lead_to_the_survivor_R_MERGE_6(office, two, client):
    older, newer = two
    merge(client, newer, older)

    assert client.get(f"/inbox/all-open/{older.pk}").headers["Location"] == f"/inbox/all-open/{newer.pk}"
    assert office.again(newer).properties["hs_merged_object_ids"] == [older.pk]
    assert "Refund still missing" not in texts(client.get("/inbox/all-open"))
    found = client.get(f"/inbox/all-open/{office.mail('Third').pk}/merge?q=%23{older.number}")
    assert "Where is my refund" in texts(found)


def test_later_mail_to_either_conversation_lands_in_the_survivor_R_MERGE_6(office, two, client):
    older, newer = two
    merge(client, newer, older)

    assert answer(office, older) == newer.pk
    assert answer(office, newer) == newer.pk
    assert office.again(newer).message_count == 4


def test_followers_links_and_tasks_are_united_and_parted_R_MERGE_7(office, two, client):
    older, newer = two
    with office.inside() as world:
        following.follow(older.pk, world.bob.pk, True, by=SYSTEM)
        following.follow(older.pk, world.eve.pk, True, by=SYSTEM)
        following.follow(newer.pk, world.eve.pk, False, by=SYSTEM)  # said no
        third = world.ticket("Third")
        both = [("ticket", third.pk), ("ticket", newer.pk)]
        task = Task.objects.get(pk=tasks.create("ticket", older.pk, Wanted("Ring"), by=SYSTEM, also=both))
        further = tasks.create("ticket", third.pk, Wanted("Write"), by=SYSTEM, also=[("ticket", older.pk)])
        associations.link_many([("ticket", older.pk, "ticket", third.pk)], office.at)

    merge(client, newer, older)

    with office.inside():
        assert following.followers(newer.pk) == {office.world.bob.pk}
        task.refresh_from_db()
        assert task.record_id == newer.pk
        of_both = {(one, pk) for pk in (task.pk, further) for one in (newer.pk, third.pk)}
        assert {
            (one, found.pk) for one in (older.pk, newer.pk, third.pk) for found in tasks.of("ticket", one)
        } == of_both
        assert associations.linked_ids("ticket", [newer.pk], "ticket") == {newer.pk: [third.pk]}
        merging.unmerge(Merge.objects.get().pk, by=SYSTEM)
        assert following.followers(newer.pk) == set()
        task.refresh_from_db()
        assert task.record_id == older.pk
        assert {pk: {one for _kind, one in found} for pk, found in tasks.records_of([task.pk, further]).items()} == {
            task.pk: {older.pk, newer.pk, third.pk}, further: {older.pk, third.pk},
        }  # fmt: skip
        linked = associations.linked_ids("ticket", [older.pk, newer.pk, third.pk], "ticket")
        assert linked == {older.pk: [third.pk], third.pk: [older.pk]}


def test_the_labels_of_links_are_united_and_parted_R_MERGE_7(office, two, client):
    older, newer = two
    with office.inside() as world:
        cause = association_labels.create("ticket", "ticket", "Cause", "Effect", by=SYSTEM)
        twin = association_labels.create("ticket", "ticket", "Twin", by=SYSTEM)
        known, new = world.ticket("Known to both"), world.ticket("New")
        labeling.connect_many({("ticket", older.pk, "ticket", one.pk): Why() for one in (known, new)}, [cause.type_id], by=SYSTEM)  # fmt: skip
        labeling.connect_many({("ticket", newer.pk, "ticket", known.pk): Why()}, [twin.type_id], by=SYSTEM)

    merge(client, newer, older)

    with office.inside():
        labels = labeling.labels_of_record("ticket", newer.pk)
        assert labels == {("ticket", known.pk): [cause, twin], ("ticket", new.pk): [cause]}
        effect = association_labels.inverse_of(cause)
        assert effect in labeling.labels_of_record("ticket", known.pk)["ticket", newer.pk]
        merging.unmerge(Merge.objects.get().pk, by=SYSTEM)
        labels = [labeling.labels_of_record("ticket", one.pk) for one in (older, newer)]
        assert labels == [{("ticket", known.pk): [cause], ("ticket", new.pk): [cause]}, {("ticket", known.pk): [twin]}]  # fmt: skip


def test_for_thirty_days_they_can_be_parted_again_R_MERGE_8(office, two, client):
    older, newer = two
    before = office.again(newer).created_at
    merge(client, newer, older)
    answer(office, older)
    with office.inside():
        made = Merge.objects.get()
    assert "Part them again" in texts(client.get(f"/inbox/all-open/{newer.pk}"))

    response = client.post(f"/inbox/all-open/{newer.pk}/merged/{made.pk}/part")

    assert response.headers["Location"] == f"/inbox/all-open/{older.pk}"
    back, stays = office.again(older), office.again(newer)
    assert (back.archived_at, back.merged_into_id, back.message_count) == (None, None, 2)
    assert (stays.message_count, stays.created_at) == (1, before)
    with office.inside():
        assert Message.objects.filter(ticket_id=older.pk).count() == 2
    assert answer(office, older) == older.pk
    assert client.post(f"/inbox/all-open/{newer.pk}/merged/{made.pk}/part").status_code == 404


WHAT_WAS_SAID = (
    "message_count", "preview", "last_received_at", "last_sent_at", "last_message_from_visitor", "first_agent_reply_at", "first_agent_reply_by",
)  # fmt: skip


def test_each_knows_again_when_and_what_was_said_in_it_R_MERGE_8(office, two, client):
    older, newer = two
    office.at += timedelta(minutes=1)
    with office.inside() as world:
        replies.reply(NewReply(newer.pk, "It left today."), by=world.grace, at=office.at)
    before = [{name: getattr(office.again(one), name) for name in WHAT_WAS_SAID} for one in (older, newer)]
    merge(client, older, newer)
    assert office.again(older).last_sent_at == before[1]["last_sent_at"] is not None

    with office.inside() as world:
        merging.unmerge(Merge.objects.get().pk, by=Actor.user(world.grace.pk))

    after = [{name: getattr(office.again(one), name) for name in WHAT_WAS_SAID} for one in (older, newer)]
    assert after == before
    assert before[0]["last_sent_at"] is None


def test_after_thirty_days_they_stay_one(office, two, client):
    older, newer = two
    merge(client, newer, older)
    with office.inside():
        made = Merge.objects.get()

    with clock.stopped(office.at + timedelta(days=31)):
        client.post(f"/inbox/all-open/{newer.pk}/merged/{made.pk}/part")
        assert "Part them again" not in texts(client.get(f"/inbox/all-open/{newer.pk}"))

    assert office.again(older).merged_into_id == newer.pk


def test_no_more_than_the_cap_are_merged_into_one_R_MERGE_3(office, two, client, monkeypatch):
    monkeypatch.setattr(merging, "MOST", 1)
    older, newer = two
    third = office.mail("Third")
    merge(client, newer, older)

    assert merge(client, newer, third).status_code == 422
    assert office.again(third).merged_into_id is None


def test_the_contacts_other_tickets_are_offered_and_others_are_searched(office, two, client):
    _older, newer = two
    office.mail("Quite another", sender=Mailbox("tom@else.example", "Tom"))

    page = texts(client.get(f"/inbox/all-open/{newer.pk}/merge"))
    assert "Refund still missing" in page
    assert "Quite another" not in page.split("Views")[-1]
    assert "No ticket was found." in texts(client.get(f"/inbox/all-open/{newer.pk}/merge?q=zebra"))


@pytest.mark.parametrize(("other", "status"), [("", 422), ("x", 400), ("999999", 404)])
def test_bad_input_is_refused_in_words(office, two, client, other, status):
    assert client.post(f"/inbox/all-open/{two[1].pk}/merged", {"other": other}).status_code == status


def test_a_ticket_is_not_merged_with_itself_or_with_a_gone_one(office, two, client):
    older, newer = two
    assert merge(client, newer, newer).status_code == 422
    merge(client, newer, older)
    assert merge(client, newer, older).status_code == 409


def test_both_must_be_ones_own_to_edit_R_PERM_1(office, two, sign_in):
    older, newer = two
    with office.inside() as world:
        tickets.assign(newer.pk, owner_id=world.grace.pk, by=SYSTEM)
        tickets.assign(older.pk, owner_id=world.bob.pk, by=SYSTEM)
    reach = {"view": "all", "edit": "own", "delete": "own", "communicate": "own"}
    office.role(office.world.grace, records={"ticket": reach}, capabilities=["service_access"])
    client = sign_in(office.world.grace)

    assert merge(client, newer, older).status_code == 403
    assert (
        "Refund still missing"
        not in texts(client.get(f"/inbox/all-open/{newer.pk}/merge")).split("Views")[-1]
    )


# ── several at once ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def three(office, two):
    office.at += timedelta(hours=1)
    return (*two, office.mail("Money, please"))


def ids(tickets_):
    return ",".join(str(ticket.pk) for ticket in tickets_)


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_selected_tickets_are_merged_into_the_one_that_is_chosen(office, three, client, headers):
    """R-MERGE-2, R-MERGE-6, R-MERGE-7: from the bar over the list."""
    asked = client.post("/inbox/all-open/bulk", {"merge": "1", "ids": ids(three)}, headers=headers)
    where = asked.headers["HX-Redirect" if headers else "Location"]
    page = client.get(where)
    assert all(ticket.subject in texts(page) for ticket in three)
    assert f'value="{three[0].pk}" checked' in page.content.decode()  # the oldest

    answer = client.post("/inbox/all-open/merged", {"ids": ids(three), "keep": three[2].pk})

    assert answer.headers["Location"] == f"/inbox/all-open/{three[2].pk}"
    assert f"2 tickets are now part of #{three[2].number}" in texts(client.get(answer.headers["Location"]))
    assert len(office.messages(three[2])) == 3
    said_again = lands_in(office, three[0])
    kept = office.again(three[2])
    assert kept.created_at == three[0].created_at
    assert kept.properties["hs_merged_object_ids"] == [three[0].pk, three[1].pk]
    assert {office.again(one).merged_into_id for one in three[:2]} == {three[2].pk}
    assert said_again == three[2].pk


def test_each_of_several_can_be_parted_and_the_date_is_that_of_the_rest_R_MERGE_8(office, three, client):
    client.post("/inbox/all-open/merged", {"ids": ids(three), "keep": three[2].pk})
    with office.inside():
        made = {one.merged_id: one.pk for one in Merge.objects.all()}
    client.post(f"/inbox/all-open/{three[2].pk}/merged/{made[three[0].pk]}/part")
    assert office.again(three[2]).created_at == three[1].created_at
    client.post(f"/inbox/all-open/{three[2].pk}/merged/{made[three[1].pk]}/part")

    assert office.again(three[2]).created_at == three[2].created_at
    assert [len(office.messages(one)) for one in three] == [1, 1, 1]


def test_what_may_not_be_changed_stays_out_R_PERM_1(office, three, sign_in):
    with office.inside() as world:
        for one, owner in zip(three, (world.grace, world.grace, world.bob), strict=True):
            tickets.assign(one.pk, owner_id=owner.pk, by=SYSTEM)
    office.role(
        office.world.grace,
        records={"ticket": {"view": "all", "edit": "own"}},
        capabilities=["service_access"],
    )
    client = sign_in(office.world.grace)

    page = texts(client.post("/inbox/all-open/bulk", {"ids": ids(three), "merge": "1"}, follow=True))
    assert "1 selected ticket stays out" in page
    assert three[2].subject not in page
    assert client.post("/inbox/all-open/merged", {"ids": ids(three), "keep": three[0].pk}).status_code == 422
    assert office.again(three[1]).merged_into_id is None


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"ids": "x", "keep": "1"}, 400),
        ({"ids": "1,2", "keep": "x"}, 400),
        ({"ids": "", "keep": "1"}, 422),
        ({"ids": "1,999999", "keep": "1"}, 422),
    ],
)
def test_bad_selections_are_refused_in_words(office, three, client, given, status):
    assert client.post("/inbox/all-open/merged", given).status_code == status
    one = client.post("/inbox/all-open/bulk", {"ids": three[0].pk, "merge": "1"}, follow=True)
    assert "Select at least two tickets" in texts(one)


def test_many_are_merged_by_as_many_queries_as_two(office, client):
    def merged(count):
        made = [office.mail(f"{count} of {number}") for number in range(count)]
        with CaptureQueriesContext(connection) as queries:
            client.post("/inbox/all-open/merged", {"ids": ids(made), "keep": made[0].pk})
        assert office.again(made[-1]).merged_into_id == made[0].pk
        return len(queries)

    merged(2)
    assert merged(8) == merged(3)
