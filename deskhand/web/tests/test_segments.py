"""The screens of segments."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.urls import reverse

from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Filter, MemberOf, Operator
from deskhand.crm.records import contacts, membership, tasks
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.tasks import Wanted
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import members, segments
from deskhand.crm.segments.models import Segment, SegmentKind, SegmentMember
from deskhand.events.types import SYSTEM
from deskhand.kernel import jobs
from deskhand.testing.jobs import run_jobs
from deskhand.web.tests.conftest import queries_of

HTMX = {"HX-Request": "true"}
OSLO = Filter("city", Kind.TEXT, Operator.ANY_OF, ("Oslo",))
F = json.dumps(
    {"any": [{"all": [{"property": "city", "kind": "string", "operator": "any_of", "values": ["Oslo"]}]}]}
)


@pytest.fixture
def people(office) -> list[int]:
    with office.inside() as world:
        made = contacts.upsert_many(
            [Person(f"{name}@x.example", f"{name} Berg") for name in ("Ann", "Bo", "Cy")], by=SYSTEM
        )
        ids = sorted(made.values())
        contacts.update(ids[0], {"city": "Oslo", "hubspot_owner_id": world.bob.pk}, by=SYSTEM)
        return ids


@pytest.fixture
def friends(office, people) -> int:
    with office.inside():
        made = segments.create("contact", "Friends", SegmentKind.STATIC, by=SYSTEM)
        members.add(made.pk, people[:2], by=SYSTEM)
        return made.pk


@pytest.fixture
def oslo(office, people, monkeypatch) -> int:
    monkeypatch.setitem(jobs.handlers, segments.FILL, membership.fill)
    with office.inside():
        made = segments.create(
            "contact", "From Oslo", SegmentKind.FILTER, AnyOf((AllOf((OSLO,)),)), by=SYSTEM
        ).pk
    run_jobs()
    return made


def page_of(client, page: str, /, *args: Any, **query: Any) -> str:
    response = client.get(reverse(page, args=args), query)
    assert response.status_code == 200, response
    return response.content.decode()


def inside(office, segment_id: int) -> list[int]:
    with office.inside():
        return sorted(SegmentMember.objects.filter(segment_id=segment_id).values_list("record_id", flat=True))


# ── the list, one segment ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_says_what_each_segment_is_and_who_uses_it(office, ada, friends, oslo):
    with office.inside():
        both = AnyOf((AllOf((OSLO, MemberOf("segment", (friends,)))),))
        segments.create("contact", "Friends in Oslo", SegmentKind.FILTER, both, by=SYSTEM)

    listed = page_of(ada, "segments")

    line = listed[listed.index('<b class="truncate">Friends</b>') :]
    assert "Filled by hand" in line
    assert '<td class="num">2</td>' in line
    assert "Segment: Friends in Oslo" in line
    assert "Looking for members" in listed
    assert "From Oslo" not in page_of(ada, "segments", q="FRIENDS")
    assert "No segment fits" in page_of(ada, "segments", q="zebra")
    assert "No segments yet" in page_of(ada, "segments", type="deal")


def test_members_are_listed_searched_and_read_a_page_at_a_time(office, ada, friends):
    with office.inside():
        many = contacts.upsert_many(
            [Person(f"p{n}@x.example", f"Person {n:02d}") for n in range(55)], by=SYSTEM
        )
        members.add(friends, list(many.values()), by=SYSTEM)

    first = page_of(ada, "segment", friends)
    assert "57 members" in first
    assert "Person 54" in first
    assert "Person 00" not in first
    following = first.split('hx-get="')[2].split('"')[0].replace("&amp;", "&")
    rest = ada.get(following, headers=HTMX).content.decode()
    assert "Person 00" in rest
    assert "Ann Berg" in rest
    found = ada.get(reverse("segment", args=[friends]), {"q": "berg ann"}, headers=HTMX).content.decode()
    assert "Ann Berg" in found
    assert "Bo Berg" not in found
    assert ada.get(reverse("segment", args=[friends]), {"after": "x"}).status_code == 404


def test_the_page_costs_the_same_for_any_number_of_members(office, ada, friends, people):
    page = reverse("segment", args=[friends])
    before = queries_of(ada, page)
    with office.inside() as world:
        from deskhand.events.types import Actor

        members.add(friends, people, by=Actor.user(world.bob.pk))

    assert queries_of(ada, page) <= before + 1  # names of who put them there


def test_who_sees_only_their_own_sees_no_other_members(office, sign_in, friends):
    """R-PERM-2"""
    office.role(
        office.world.bob, capabilities=["service_access"], records={"*": {"view": "own", "edit": "own"}}
    )
    bob = sign_in(office.world.bob)

    page = page_of(bob, "segment", friends)

    assert "Ann Berg" in page
    assert "Bo Berg" not in page
    assert "1 member" in page
    assert '<td class="num">1</td>' in page_of(bob, "segments")


def test_why_a_record_is_a_member(office, ada, oslo, friends, people):
    why = page_of(ada, "segment-why", oslo, people[0])
    assert "City is any of Oslo" in why
    assert "It meets the filters" in why
    with office.inside():
        contacts.update(people[0], {"city": "Bergen"}, by=SYSTEM)
    assert 'data-tone="amber"' in page_of(ada, "segment-why", oslo, people[0])
    assert "It was put there" in page_of(ada, "segment-why", friends, people[0])
    assert ada.get(reverse("segment-why", args=[friends, people[2]])).status_code == 404


def test_filters_that_one_activity_must_meet_are_told_together_R_TRIG_4(office, ada, people, monkeypatch):
    monkeypatch.setitem(jobs.handlers, segments.FILL, membership.fill)
    urgent_call = AllOf((
        Filter("hs_task_type", Kind.ENUM, Operator.ANY_OF, ("CALL",)), Filter("hs_task_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",)),
    ))  # fmt: skip
    with office.inside():
        tasks.create("contact", people[0], Wanted("Call back", kind="CALL", priority="HIGH"), by=SYSTEM)
        of_task = AnyOf((AllOf((Associated("task", urgent_call),)),))
        calls = segments.create("contact", "To be called", SegmentKind.FILTER, of_task, by=SYSTEM).pk
    run_jobs()

    told = "Task: Type of task is any of Call and The same task: Priority is any of High"
    assert told in page_of(ada, "segment", calls)
    assert told in page_of(ada, "segment-why", calls, people[0])


# ── making and changing ──────────────────────────────────────────────────────────────────────────────────────────────


def test_one_that_is_filled_by_hand_is_made_at_once(office, ada):
    answer = ada.post(reverse("segment-create"), {"name": " Testers ", "type": "contact", "kind": "STATIC"})

    with office.inside():
        made = Segment.objects.get()
    assert (made.name, made.kind, made.owner_id) == ("Testers", "STATIC", office.world.ada.pk)
    assert answer.url == reverse("segment-add", args=[made.pk])


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"name": " "}, "needs a name"), ({"name": "Friends"}, "There is a segment"), ({"type": "cow"}, "Choose the records"),
     ({"kind": "x"}, "Choose how it is filled")],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_was_typed(ada, friends, changed, said):
    answer = ada.post(
        reverse("segment-create"), {"name": "Testers", "type": "contact", "kind": "FILTER"} | changed
    )

    assert answer.status_code == 422
    assert said in answer.content.decode()


def test_the_filters_of_a_new_one_are_chosen_and_counted(office, ada, people, monkeypatch):
    monkeypatch.setitem(jobs.handlers, segments.FILL, membership.fill)
    begun = ada.post(reverse("segment-create"), {"name": "Locals", "type": "contact", "kind": "FILTER"})
    query = {"type": "contact", "name": "Locals"}
    assert "Add a filter to begin" in ada.get(begun.url).content.decode()

    typed = query | {"edit": "0.0", "prop": "contact.city", "op": "any_of", "value": "Oslo"}
    assert "1 record matches now" in page_of(ada, "segment-count", **typed)
    assert "Choose how to compare" in page_of(ada, "segment-count", **(typed | {"op": "x"}))
    applied = ada.get(reverse("segment-build"), typed | {"apply": "1"})
    page = ada.get(applied.url).content.decode()
    assert "1 record matches now" in page
    assert "is any of" in page_of(ada, "segment-editor", **typed)

    saved = ada.post(reverse("segment-built"), query | {"f": F})
    run_jobs()
    with office.inside():
        made = Segment.objects.get(name="Locals")
    assert saved.url == reverse("segment", args=[made.pk])
    assert inside(office, made.pk) == people[:1]


def test_a_segment_without_filters_is_refused_and_nothing_that_is_hidden_is_asked(
    office, ada, sign_in, people
):
    assert ada.post(reverse("segment-built"), {"type": "contact", "name": "x"}).status_code == 422
    assert ada.post(reverse("segment-built"), {"type": "contact", "name": "x", "f": "{"}).status_code == 400
    office.role(
        office.world.bob,
        capabilities=["service_access"],
        records={"ticket": {"view": "all"}, "contact": {"view": "own"}},
    )
    around = json.dumps(
        {"any": [{"all": [{"associated": "contact", "where": json.loads(F)["any"][0]["all"][0]}]}]}
    )

    answer = sign_in(office.world.bob).post(
        reverse("segment-built"), {"type": "ticket", "name": "x", "f": around}
    )

    assert answer.status_code == 400
    with office.inside():
        assert not Segment.objects.exists()


def test_filters_begin_as_they_are_saved(office, ada, oslo):
    begun = ada.get(reverse("segment-filters", args=[oslo]))
    page = ada.get(begun.url).content.decode()
    assert "<b>Oslo</b>" in page
    assert "Filters of “From Oslo”" in page
    editor = ada.get(reverse("segment-editor") + "?" + begun.url.split("?")[1] + "&edit=0.0").content.decode()
    assert f'action="{reverse("segment-filters", args=[oslo])}"' in editor

    bergen = F.replace("Oslo", "Bergen")
    assert (
        ada.post(reverse("segment-changed", args=[oslo]), {"type": "contact", "f": bergen}).status_code == 302
    )
    assert ada.post(reverse("segment-changed", args=[oslo]), {"type": "contact"}).status_code == 422
    with office.inside():
        assert "Bergen" in json.dumps(Segment.objects.get(pk=oslo).condition)


def test_a_name_is_changed(office, ada, friends, oslo):
    assert ada.post(reverse("segment-renamed", args=[friends]), {"name": "Pals"}).status_code == 302
    assert "Pals" in page_of(ada, "segment", friends)
    assert ada.post(reverse("segment-renamed", args=[friends]), {"name": "From Oslo"}).status_code == 422


def test_what_is_used_is_not_archived(office, ada, friends):
    with office.inside():
        segments.create("contact", "Both", SegmentKind.FILTER, MemberOf("segment", (friends,)), by=SYSTEM)

    answer = ada.post(reverse("segment-archive", args=[friends]))

    assert answer.status_code == 409
    assert "is used by Both" in answer.content.decode()
    with office.inside():
        segments.archive(Segment.objects.get(name="Both").pk, by=SYSTEM)
    assert ada.post(reverse("segment-archive", args=[friends])).status_code == 302
    assert ada.get(reverse("segment", args=[friends])).status_code == 404


def test_who_may_not_edit_segments_only_looks(office, sign_in, friends):
    office.role(office.world.bob, records={"contact": {"view": "all"}})
    bob = sign_in(office.world.bob)

    assert "Rename" not in page_of(bob, "segment", friends)
    assert bob.post(reverse("segment-remove", args=[friends]), {"ids": "1"}).status_code == 403
    assert bob.get(reverse("segment-new")).status_code == 403


# ── who is in it ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_records_are_found_and_added(office, ada, friends, people):
    found = page_of(ada, "segment-add", friends, q="berg")
    assert "Cy Berg" in found
    assert "Ann Berg" not in found  # is in it

    ada.post(reverse("segment-added", args=[friends]), {"ids": f"{people[2]},{people[0]},{10**15}"})
    assert inside(office, friends) == people
    ada.post(reverse("segment-remove", args=[friends]), {"ids": [people[0], people[1]]})
    assert inside(office, friends) == people[2:]


def test_addresses_are_pasted_and_unknown_ones_stay(office, ada, friends, people):
    text = "Cy Berg <CY@x.example>, nobody@x.example;\nann@x.example"
    answer = ada.post(reverse("segment-added", args=[friends]), {"addresses": text})
    page = answer.content.decode()

    assert "1 address belongs to no contact" in page
    assert "1 record added" in page
    assert "nobody@x.example</textarea>" in page
    assert "ann@x.example</textarea>" not in page
    assert inside(office, friends) == people
    assert ada.post(reverse("segment-added", args=[friends]), {"addresses": "none"}).status_code == 422
    assert (
        ada.post(reverse("segment-added", args=[friends]), {"addresses": "bo@x.example"}).status_code == 302
    )


def test_nobody_is_put_by_hand_where_a_filter_decides(ada, oslo, people):
    assert ada.get(reverse("segment-add", args=[oslo])).status_code == 404
    assert ada.post(reverse("segment-added", args=[oslo]), {"ids": people[1]}).status_code == 404
    assert ada.post(reverse("segments-add"), {"segment": oslo, "ids": people[1]}).status_code == 400


def test_from_the_list_of_contacts_and_from_a_contact(office, ada, sign_in, friends, people):
    """What is not in reach is left out"""
    assert "people-bulk" in page_of(ada, "contacts")
    assert ada.post(reverse("segments-add"), {"segment": friends, "ids": people[2:]}).url == reverse(
        "contacts"
    )
    assert "Friends" in page_of(ada, "contact", people[2])
    with office.inside():
        members.remove(friends, people, by=SYSTEM)
    one = {"segment": friends, "ids": people[0], "back": people[0]}
    assert ada.post(reverse("segments-add"), one).url == reverse("contact", args=[people[0]])

    office.role(
        office.world.bob, capabilities=["service_access"], records={"*": {"view": "own", "edit": "own"}}
    )
    sign_in(office.world.bob).post(reverse("segments-add"), {"segment": friends, "ids": people})
    assert inside(office, friends) == people[:1]


def test_the_status_of_a_linked_ticket_is_chosen_from_those_of_tickets_R_TRIG_4(office, ada, people):
    with office.inside() as world:
        closed = world.stage("Closed")
    asked = {"name": "Done", "type": "contact", "edit": "0.0"}

    form = page_of(ada, "segment-build", **asked, prop="ticket.hs_pipeline_stage", op="any_of")
    assert re.search(rf'<input type="checkbox" name="value" value="{closed}">Closed<', form)
    of_a_time = page_of(ada, "segment-build", **asked, prop="ticket.hs_v2_date_entered", op="known")
    assert f'<option value="{closed}">Closed</option>' in of_a_time


def test_filters_of_tickets_offer_segments(office, ada, friends, people):
    """R-TRIG-4"""
    with office.inside() as world:
        pipeline = world.tickets.default.id
        office.mail("Hello")
    member = json.dumps(
        {"any": [{"all": [{"associated": "contact", "where": {"member_of": "segment", "ids": [friends]}}]}]}
    )
    bar = page_of(ada, "table", pipeline, f=member)
    assert "Contact: Segment" in bar
    assert "<i>is in any of</i> <b>Friends</b>" in bar

    typed = {"edit": "0.0", "prop": "contact.*segment", "op": "none_of", "value": str(friends)}
    assert "Matches 1 ticket now" in page_of(ada, "filter-count", pipeline, **typed)
    applied = ada.get(reverse("table", args=[pipeline]), typed | {"apply": "1"})
    assert "is_member%22%3Afalse" in applied.url
    with office.inside():
        segments.archive(friends, by=SYSTEM)
    for is_member, words in ((True, "is in any of"), (False, "is in none of")):
        where = {"member_of": "segment", "ids": [friends], "is_member": is_member}
        gone = json.dumps({"any": [{"all": [{"associated": "contact", "where": where}]}]})
        bar = page_of(ada, "table", pipeline, f=gone)
        chip = re.search(r'(?s)<span class="filter-chip" data-tone="amber">.*?</a>', bar)[0]
        assert "Contact: Segment" in chip
        assert f"<i>{words}</i> <b>Friends (not there any more)</b>" in chip
        assert 'filter-text" href' not in chip
        assert page_of(ada, "table", pipeline, f=gone, edit="0.0").count('class="filter-editor"') == 0
    crafted = json.dumps(
        {"any": [{"all": [{"property": "*segment", "kind": "enumeration", "operator": "known"}]}]}
    )
    for wrong in ({"f": crafted}, typed | {"op": "ever", "apply": "1"}):
        assert ada.get(reverse("table", args=[pipeline]), wrong).status_code in (400, 422)
