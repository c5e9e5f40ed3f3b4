"""Tags of tickets: set up in the settings, put on by hand and by workflows, shown on the board, filtered by."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import pytest

from deskhand.automation import lanes
from deskhand.automation.actions import choices
from deskhand.automation.tests.doing import do
from deskhand.crm.filters.schema_source import SchemaSource, Tables
from deskhand.crm.filters.sql import to_where
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import membership, tickets
from deskhand.crm.records.models import PropertyChange, Ticket
from deskhand.crm.schema import tags
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Option
from deskhand.crm.segments import segments, tag_rules
from deskhand.crm.segments.models import Segment, SegmentKind
from deskhand.crm.segments.segments import SWEEP
from deskhand.desk import merging
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock, timers
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.testing.jobs import run_jobs
from deskhand.web.filters import editing
from deskhand.web.filters.editing import Item
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts

URL = "/settings/tickets/tags"


@pytest.fixture
def client(office, sign_in):
    return sign_in(office.world.ada)


@pytest.fixture
def two(office):
    """Billing, which is red, and VIP."""
    with office.inside():
        tags.arrange([Option("", "Billing", "red"), Option("", "VIP")], by=SYSTEM)
        return [one.value for one in tags.tags()]


def tag(office, ticket, *values):
    with office.inside():
        tickets.update(ticket.pk, {tags.TAGS: list(values)}, by=SYSTEM)


def stored(office, ticket):
    with office.inside():
        return Ticket.objects.get(pk=ticket.pk).properties.get(tags.TAGS, [])


def test_tags_are_named_coloured_and_retired(office, client):
    """R-BOARD-3"""
    assert "There are no tags yet." in texts(client.get(URL))
    client.post(
        f"{URL}/save",
        {"row": ["new1", "new2"], "label-new1": "Billing", "tone-new1": "red", "label-new2": "VIP"},
    )
    with office.inside():
        assert [(one.value, one.label, one.tone) for one in tags.tags()] == [
            ("1", "Billing", "red"),
            ("2", "VIP", ""),
        ]
    form = {
        "row": ["was2", "was1", "spare"],
        "label-was1": "Money",
        "tone-was1": "teal",
        "label-was2": "VIP",
        "hidden-was2": "1",
        "label-spare": "Press",
    }
    client.post(f"{URL}/save", form)

    with office.inside():
        found = [(one.value, one.label, one.tone, one.is_hidden) for one in tags.tags()]
    assert found == [("2", "VIP", "", True), ("1", "Money", "teal", False), ("3", "Press", "", False)]
    shown = client.get(URL).content.decode()
    assert 'value="Money"' in shown
    assert 'name="hidden-was2" value="1" checked' in shown


def test_what_is_refused_stays_typed(office, client, two):
    rows = {"row": [f"was{value}" for value in two] + ["new1"], "label-was1": "Billing", "label-was2": "VIP"}
    for wrong, words in (
        ({"label-new1": "billing"}, "There are two tags of this name: billing."),
        ({"label-new1": "x" * 51}, "A tag has 1 to 50 characters."),
        ({"label-new1": "Press", "tone-new1": "gold"}, "There is no such colour."),
    ):
        refused = client.post(f"{URL}/save", {**rows, **wrong})
        assert refused.status_code == 422
        assert words in texts(refused)
        assert f'value="{wrong["label-new1"]}"' in refused.content.decode()
    left_out = client.post(f"{URL}/save", {"row": ["was1"], "label-was1": "Billing"})
    assert left_out.status_code == 422  # tickets may have it
    assert client.post(f"{URL}/save", {"row": ["was9"], "label-was9": "Gone"}).status_code == 409
    with office.inside():
        assert [one.label for one in tags.tags()] == ["Billing", "VIP"]


def test_who_may_not_edit_properties_may_not_edit_tags(office, sign_in):
    agent = sign_in(office.world.bob)
    assert agent.get(URL).status_code == 403
    assert agent.post(f"{URL}/save", {"row": []}).status_code == 403


def test_a_tag_is_put_on_in_the_panel_and_stands_on_the_card(office, client, two):
    """R-BOARD-3: and its change is told, with an event that workflows hear (R-TRIG-18)."""
    ticket = office.mail()
    panel = client.get(f"/inbox/all-open/{ticket.pk}").content.decode()
    assert "Ticket tags" in panel
    client.post(f"/inbox/all-open/{ticket.pk}/properties/{tags.TAGS}/save", {"value": two})

    assert stored(office, ticket) == two
    with office.inside():
        change = PropertyChange.objects.get(property=tags.TAGS)
        event = EventRow.objects.get(pk=change.event_id)
        pipeline = Ticket.objects.get(pk=ticket.pk).pipeline_id
    assert change.new == two
    assert tags.TAGS in event.data["changes"]
    board = client.get(f"/pipelines/{pipeline}/board").content.decode()
    assert '<span class="ticket-tag" data-tone="red">Billing</span>' in board
    assert '<span class="ticket-tag">VIP</span>' in board


def test_many_tickets_are_tagged_at_once_and_undone(office, client, two):
    """R-WORK-8: what each had stays."""
    first, second = office.mail(), office.mail("Lamp")
    tag(office, first, two[1])
    done = client.post(
        "/inbox/all-open/bulk", {"ids": [first.pk, second.pk], "tag": two[0]}, headers={"HX-Request": "true"}
    )

    assert "2 tickets: Tagged “Billing”" in texts(done)
    assert (stored(office, first), stored(office, second)) == ([two[1], two[0]], [two[0]])
    client.post("/inbox/all-open/bulk", {"ids": [first.pk, second.pk], "untag": two[0]})
    assert (stored(office, first), stored(office, second)) == ([two[1]], [])
    refused = client.post(
        "/inbox/all-open/bulk", {"ids": [first.pk], "tag": "99"}, headers={"HX-Request": "true"}
    )
    assert refused.status_code == 422


def test_a_retired_tag_is_offered_no_more_and_stays_on_its_tickets(office, client, two):
    """R-BOARD-3"""
    tagged, other = office.mail(), office.mail("Lamp")
    tag(office, tagged, two[0])
    with office.inside():
        tags.arrange([Option(two[0], "Billing", "red", True), Option(two[1], "VIP")], by=SYSTEM)

    def edited(ticket):
        return client.get(f"/inbox/all-open/{ticket.pk}/properties/{tags.TAGS}").content.decode()

    assert f'name="value" value="{two[0]}"' in edited(tagged)
    assert f'name="value" value="{two[0]}"' not in edited(other)
    listed = client.get("/inbox/all-open").content.decode()
    assert f'name="tag" value="{two[1]}"' in listed
    assert f'name="tag" value="{two[0]}"' not in listed


def test_merged_tickets_have_the_tags_of_all(office, two):
    """R-MERGE-7"""
    older, newer = office.mail(), office.mail("Lamp")
    tag(office, older, two[0])
    tag(office, newer, two[1])
    with office.inside() as world:
        merging.merge(older.pk, newer.pk, by=Actor.user(world.ada.pk))

    assert stored(office, older) == two


def test_tags_are_checked_like_options(office, two):
    ticket = office.mail()
    with office.inside():
        with pytest.raises(Invalid):
            tickets.update(ticket.pk, tickets.checked("ticket", {tags.TAGS: "99"}), by=SYSTEM)
        with pytest.raises(Conflict):
            tags.arrange([Option("99", "Gone")], by=SYSTEM)


def test_a_workflow_tags_and_takes_tags_away(office, two):
    """R-BOARD-3: it adds to what is there, and takes out one."""
    ticket = office.mail()
    tag(office, ticket, two[1])
    with office.inside() as world:
        settings = {"on": "record", "property": tags.TAGS, "value": [two[0]]}
        do(world.account.pk, "set_property", {**settings, "how": "append"}, [ticket.pk])
        do(world.account.pk, "set_property", {**settings, "how": "remove", "value": [two[1]]}, [ticket.pk])

    assert stored(office, ticket) == [two[0]]


def test_filters_find_tickets_by_their_tags(office, client, two):
    """R-BOARD-3: by the index that the account's own properties have."""
    tagged, other = office.mail("Chair"), office.mail("Lamp")
    tag(office, tagged, two[0])
    with office.inside() as world:
        source = SchemaSource(
            Tables(world.account.pk, {"ticket": "crm_ticket"}, properties_of), "ticket", "crm_ticket"
        )
        any_of = Filter(tags.TAGS, Kind.MULTI, Operator.ANY_OF, (two[0],))
        where = to_where(any_of, source, now=clock.now(), zone=ZoneInfo("UTC"))
        found = list(Ticket.objects.filter(where, account_id=world.account.pk).values_list("pk", flat=True))
        assert properties_of("ticket")[tags.TAGS].is_filled

    assert found == [tagged.pk]
    assert other.pk not in found


def test_the_board_asks_as_often_for_many_tags_as_for_none(office, client, two):
    def queries(count):
        for n in range(count):
            tag(office, office.mail(f"Chair {n} {count}"), *two)
        return queries_of(client, board)

    with office.inside():
        pipeline = pipelines_of("ticket").default.id
    board = f"/pipelines/{pipeline}/board"
    client.get(board)
    assert queries(1) == queries(8)


def chips(page):
    """The coloured words of a page, the counted ones last."""
    return re.findall(
        r'<span class="ticket-tag[ "][^>]*>(?:<span aria-hidden="true">)?([^<]*)', page.content.decode()
    )


def test_tags_stand_in_lists_in_the_panel_and_in_tables(office, client, two):
    """R-BOARD-3: coloured, everywhere."""
    ticket = office.mail()
    tag(office, ticket, *two)
    with office.inside():
        pipeline = pipelines_of("ticket").default.id

    assert chips(client.get("/inbox/all-open")) == ["Billing", "VIP"]
    assert chips(client.get(f"/inbox/all-open/{ticket.pk}/row")) == ["Billing", "VIP"]
    line = f"/inbox/all-open/{ticket.pk}/properties/{tags.TAGS}/shown"
    assert chips(client.get(line, headers={"HX-Request": "true"})) == ["Billing", "VIP"]
    table = client.get(f"/pipelines/{pipeline}/table", {"cols": ["subject", tags.TAGS]})
    assert chips(table) == ["Billing", "VIP"]
    assert '<span class="ticket-tag" data-tone="red">Billing</span>' in table.content.decode()


def test_many_tags_are_counted_and_named_to_who_asks(office, client):
    with office.inside():
        tag_rules.arrange([Option("", name) for name in ("A", "B", "C", "D", "E")], by=SYSTEM)
    ticket = office.mail()
    tag(office, ticket, "1", "2", "3", "4", "5")

    listed = client.get("/inbox/all-open")
    assert chips(listed) == ["A", "B", "C", "+2"]
    assert 'title="D, E"' in listed.content.decode()


def test_the_list_asks_as_often_for_many_tags_as_for_none(office, client, two):
    def queries(count, *values):
        for n in range(count):
            tag(office, office.mail(f"Chair {n} {count}"), *values)
        return queries_of(client, "/inbox/all-open")

    client.get("/inbox/all-open")
    assert queries(1) == queries(8, *two) <= 22


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def written(*filters):
    """Filters as they stand in an address."""
    return editing.write((tuple(Item("ticket", one) for one in filters),), "ticket")


HIGH = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))


def rule(tag_value):
    return f"/settings/tickets/tags/{tag_value}/rule"


def test_a_rule_is_set_seen_and_removed(office, client, two, wired):
    """R-BOARD-3: filters with a live count, and what it looks like on a card."""
    chair, lamp = office.mail("Chair"), office.mail("Lamp")
    with office.inside():
        tickets.update(chair.pk, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)
    page = client.get(rule(two[0]))
    assert "Rule of the tag “Billing”" in texts(page)
    assert '<span class="ticket-tag" data-tone="red">Billing</span>' in page.content.decode()
    counted = client.get(
        f"{rule(two[0])}/count",
        {"edit": "0.0", "prop": "ticket.hs_ticket_priority", "op": "any_of", "value": "HIGH"},
    )
    assert counted.content.decode().strip() == "Matches 1 ticket now"

    saved = client.post(f"{rule(two[0])}/save", {"f": written(HIGH)})
    assert saved.url == URL
    assert "Looking at tickets: 0 %" in texts(client.get(URL))
    run_jobs()
    assert (stored(office, chair), stored(office, lamp)) == ([two[0]], [])
    assert "By rule" in texts(client.get(URL))
    begun = client.get(rule(two[0]), follow=True)
    assert "Priority" in texts(begun)
    assert "Remove rule" in texts(begun)

    client.post(f"{rule(two[0])}/remove")
    assert "By rule" not in texts(client.get(URL))
    assert stored(office, chair) == [two[0]]


def test_what_a_rule_may_not_ask_is_refused_and_stays(office, client, two):
    own = Filter(tags.TAGS, Kind.MULTI, Operator.ANY_OF, (two[0],))
    refused = client.post(f"{rule(two[0])}/save", {"f": written(own)})
    assert refused.status_code == 422
    assert "The tag would depend on itself." in texts(refused)
    assert "Ticket tags" in texts(refused)
    assert client.post(f"{rule(two[0])}/save", {"f": ""}).status_code == 422
    assert client.get(rule("99")).status_code == 404
    assert client.post(f"{rule('99')}/remove").status_code == 404
    with office.inside():
        tags.arrange([Option(two[0], "Billing", "red", True), Option(two[1], "VIP")], by=SYSTEM)
    assert client.post(f"{rule(two[0])}/save", {"f": written(HIGH)}).status_code == 409


def test_a_tag_that_follows_a_rule_is_offered_nowhere(office, client, two):
    """R-BOARD-3: not in the panel, not in bulk, not to workflows; its history names the rule."""
    chair = office.mail("Chair")
    with office.inside():
        tag_rules.set_rule(two[0], HIGH, by=SYSTEM)
        tickets.update(chair.pk, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)
        rung = timers.DueTimer(
            1, chair.account_id, SWEEP, str(Segment.objects.get(name=two[0]).pk), clock.now(), {}
        )
        membership.sweep(chair.account_id, [rung])
    assert stored(office, chair) == [two[0]]

    editor = client.get(f"/inbox/all-open/{chair.pk}/properties/{tags.TAGS}").content.decode()
    assert f'name="value" value="{two[1]}"' in editor
    assert f'name="value" value="{two[0]}"' not in editor
    listed = client.get("/inbox/all-open").content.decode()
    assert f'name="tag" value="{two[1]}"' in listed
    assert f'name="tag" value="{two[0]}"' not in listed
    refused = client.post(
        "/inbox/all-open/bulk", {"ids": [chair.pk], "untag": two[0]}, headers={"HX-Request": "true"}
    )
    assert refused.status_code == 422
    assert "follows its rule" in texts(refused)
    with office.inside():
        prop = properties_of("ticket")[tags.TAGS]
        assert [one.value for one in choices.values("ticket", prop)] == [two[1]]
        assert choices.spoken("ticket", prop, [two[0]]) == "Billing"
    assert "the rule of the tag “Billing”" in texts(client.get(f"/inbox/all-open/{chair.pk}/history"))


def test_what_uses_a_tag_stands_beside_its_rule(office, client, two):
    with office.inside() as world:
        asks = Filter(tags.TAGS, Kind.MULTI, Operator.ANY_OF, (two[0],))
        segments.create("ticket", "Money matters", SegmentKind.FILTER, asks, by=SYSTEM)
        tag_rules.set_rule(two[1], asks, by=SYSTEM)
        tagging = {"property": tags.TAGS, "how": "append", "value": [two[0]]}
        lanes.add_step("ticket", world.stage("New"), "set_property", tagging, by=world.ada.pk)

    said = texts(client.get(rule(two[0])))
    assert "Segment “Money matters”" in said
    assert "The rule of the tag “VIP”" in said
    assert "Workflow “" in said
    assert "Used in" not in texts(client.get(rule(two[1]), follow=True))
