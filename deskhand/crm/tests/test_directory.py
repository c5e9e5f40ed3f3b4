"""Contacts and companies are found by the beginnings of their words, listed by keyset, and seen by whom may see them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.policy import viewer_for
from deskhand.accounts.types import Permissions, Reach, RecordPermissions, Verb
from deskhand.crm.filters.types import EVERYTHING, Associated, Filter, Operator
from deskhand.crm.records import archive, companies, contacts, directory, selecting, store, words
from deskhand.crm.records.contacts import Person, Taken
from deskhand.crm.records.directory import List, Sort
from deskhand.crm.records.models import Contact
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.errors import Invalid, NotFound


@pytest.fixture
def ada(world):
    return viewer_for(world.account.pk, world.ada.pk)


def found(viewer, text: str, object_type: str = "contact") -> list[str]:
    return [row.title for row in directory.find(viewer, object_type, text)]


@pytest.fixture
def people(world) -> dict[str, int]:
    named = {
        "astrid@fjallbo.example": "Astrid Lindqvist",
        "aase.moe@hytteliv.example": "Åse Moe",
        "lindgren@trek.example": "",
    }
    made = contacts.upsert_many([Person(*one) for one in named.items()], by=SYSTEM)
    return {email: made[email] for email in named}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ast", ["Astrid Lindqvist"]),
        ("LIND", ["Astrid Lindqvist", "lindgren@trek.example"]),
        ("lindqvist astrid", ["Astrid Lindqvist"]),
        ("ase", ["Åse Moe"]),
        ("åse", ["Åse Moe"]),
        ("aase.moe@hytt", ["Åse Moe"]),
        ("hytteliv.example", ["Åse Moe"]),
        ("@hytteliv.example", ["Åse Moe"]),
        ("astrid moe", []),
        ("strid", []),
        ("%", []),
        ("\x00'\"", []),
        ("", []),
    ],
)
def test_people_are_found_by_the_beginnings_of_their_words(ada, people, text, names):
    assert found(ada, text) == names


def test_a_change_of_name_or_address_is_found_at_once_whoever_makes_it(world, ada, people):
    astrid = people["astrid@fjallbo.example"]
    store.change("contact", astrid, {"last_name": "Berg"}, by=SYSTEM)
    contacts.update(astrid, {"email": " Astrid.Berg@Nord.example "}, by=Actor.user(world.ada.pk))

    assert found(ada, "berg") == found(ada, "nord.example") == ["Astrid Berg"]
    assert found(ada, "lindqvist") == found(ada, "fjallbo") == []


def test_a_name_follows_its_parts_and_the_address_where_there_are_none(world, people):
    astrid = people["astrid@fjallbo.example"]
    contacts.update(astrid, {"firstname": None, "lastname": ""}, by=SYSTEM)

    assert Contact.objects.get(pk=astrid).name == "astrid@fjallbo.example"


def test_companies_are_found_by_name_and_domain(world, ada):
    companies.create("Fjällbo AB", by=SYSTEM, domain="Fjallbo.example")
    made = companies.make({"name": "Nord", "domain": "old.example"}, by=SYSTEM)
    companies.update(made, {"domain": "nord.example"}, by=SYSTEM)

    assert found(ada, "fjallbo.ex", "company") == found(ada, "fjall", "company") == ["Fjällbo AB"]
    assert found(ada, "nord.example", "company") == ["Nord"]
    assert found(ada, "old.example", "company") == []


def test_words_are_many_and_long_but_never_without_end():
    row = {"name": " ".join(f"w{n}" for n in range(200)), "email": "a" * 500 + "@x.example", "properties": {}}

    assert len(words.words_of(row)) == words.MOST
    assert all(len(word) <= words.LONGEST for word in words.words_of(row))
    assert words.terms_of("a.\U0010ffff")[0][1] == "a.\U0010ffff"


@pytest.mark.parametrize("sort", Sort)
def test_pages_are_whole_in_every_order(world, ada, sort):
    made = contacts.upsert_many([Person(f"{n % 3}{n}@x.example", f"N{n % 3}") for n in range(7)], by=SYSTEM)

    seen, after = [], ""
    while True:
        page = directory.rows(ada, "contact", sort=sort, after=after, limit=2)
        seen += [row.id for row in page.rows]
        after = page.following
        if not after:
            break

    assert sorted(seen) == sorted(made.values())
    keys = [
        (row.sort_key if "name" in sort else row.created_at, row.id)
        for row in directory.rows(ada, "contact", sort=sort).rows
    ]
    assert keys == sorted(keys, reverse=sort in (Sort.NAME_BACK, Sort.NEWEST))


@pytest.mark.parametrize("place", ["x", "-", "1", "1-x", "99999999999999999999-1", "1-\x00", "1-999999999999999999"])  # fmt: skip
def test_a_place_that_is_none_of_ours_is_not_found(ada, place):
    with pytest.raises(NotFound):
        directory.rows(ada, "contact", sort=Sort.NEWEST, after=place)


def test_lists_of_ones_own_of_nobodys_and_of_what_was_put_away(world, ada, people):
    astrid, ase, lindgren = people.values()
    store.change("contact", astrid, {"owner_id": world.ada.pk}, by=SYSTEM)
    archive.archive("contact", [lindgren], by=SYSTEM)

    ids = {which: [row.id for row in directory.rows(ada, "contact", which).rows] for which in List}

    assert ids == {"all": [ase, astrid], "mine": [astrid], "unassigned": [ase], "archived": [lindgren]}
    assert [directory.count(ada, "contact", which) for which in List] == [2, 1, 1, 1]
    assert directory.count(ada, "contact", text="astrid") == 1


def test_what_may_not_be_seen_is_in_no_list_and_not_found(world, ada, people):
    """R-PERM-1"""
    astrid, ase, _lindgren = people.values()
    store.change("contact", astrid, {"owner_id": world.bob.pk}, by=SYSTEM)
    own = Permissions({"contact": RecordPermissions({Verb.VIEW: Reach.OWN})})
    bob = replace(viewer_for(world.account.pk, world.bob.pk), permissions=own)

    assert [row.id for row in directory.rows(bob, "contact").rows] == [astrid]
    assert found(bob, "moe") == []
    assert directory.count(bob, "contact") == 1
    assert directory.get(bob, "contact", astrid).pk == astrid
    with pytest.raises(NotFound):
        directory.get(bob, "contact", ase)
    with pytest.raises(NotFound):
        directory.get(bob, "contact", astrid, Verb.EDIT)


def test_a_company_that_may_not_be_seen_is_not_named_beside_its_contacts(world, people):
    astrid = people["astrid@fjallbo.example"]
    firm = companies.create("Fjällbo AB", by=SYSTEM)
    companies.add_contact(firm.pk, astrid, by=SYSTEM)
    seen = Permissions({"contact": RecordPermissions({Verb.VIEW: Reach.ALL})})
    bob = viewer_for(world.account.pk, world.bob.pk)

    assert {row.company for row in directory.rows(bob, "contact").rows} == {"Fjällbo AB", ""}
    blind = replace(bob, permissions=seen)
    assert {row.company for row in directory.rows(blind, "contact").rows} == {""}


@pytest.mark.parametrize("where", [Filter("domain", Kind.TEXT, Operator.KNOWN), EVERYTHING])
def test_who_does_not_see_all_companies_may_not_ask_for_them_either(world, where):
    seen = Permissions({"contact": RecordPermissions({Verb.VIEW: Reach.ALL})})
    bob = viewer_for(world.account.pk, world.bob.pk)

    selecting.require_in_reach(bob, "contact", Associated("company", where))
    with pytest.raises(Invalid):
        selecting.require_in_reach(replace(bob, permissions=seen), "contact", Associated("company", where))


def test_a_list_costs_one_query_and_a_search_two_however_long(world, ada):
    contacts.upsert_many([Person(f"{n}@x.example", f"N {n}") for n in range(60)], by=SYSTEM)

    with CaptureQueriesContext(
        connection,
    ) as asked:
        page = directory.rows(ada, "contact", text="n")

    assert (len(page.rows), len(asked)) == (directory.PAGE, 2)
    with CaptureQueriesContext(connection) as asked:
        directory.rows(ada, "contact")
    assert len(asked) == 1


def test_of_a_word_that_very_many_have_the_first_are_shown_and_more_words_find_the_rest(
    world, ada, monkeypatch
):
    monkeypatch.setattr(directory, "BROAD", 5)
    monkeypatch.setattr(directory, "_ENOUGH", directory._ENOUGH.replace("5000", "5"))
    contacts.upsert_many([Person(f"p{n}@x.example", f"Anna L{n}") for n in range(9)], by=SYSTEM)

    assert len(found(ada, "anna")) == 5
    assert found(ada, "anna l8") == found(ada, "l8 anna") == ["Anna L8"]


# ── making and changing ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_contact_is_made_with_its_properties(world):
    made = contacts.make(
        {"email": "Ole@Nord.example", "firstname": "Ole", "lastname": "Moe", "jobtitle": "Owner", "hubspot_owner_id": world.bob.pk},
        by=Actor.user(world.ada.pk),
    )  # fmt: skip

    row = Contact.objects.get(pk=made)
    assert (row.email, row.name, row.owner_id) == ("ole@nord.example", "Ole Moe", world.bob.pk)
    assert row.properties == {"jobtitle": "Owner"}


def test_a_contact_needs_an_address_or_a_name(world):
    with pytest.raises(Invalid) as refused:
        contacts.make({"phone": "1"}, by=SYSTEM)
    assert refused.value.field == "email"
    with pytest.raises(Invalid, match="not an email address"):
        contacts.make({"email": "astrid"}, by=SYSTEM)
    assert Contact.objects.get(pk=contacts.make({"firstname": "Ole"}, by=SYSTEM)).name == "Ole"


def test_an_address_belongs_to_one_contact(world, people):
    astrid, ase, _lindgren = people.values()

    for change in (
        lambda: contacts.make({"email": "ASTRID@fjallbo.example"}, by=SYSTEM),
        lambda: contacts.update(ase, {"email": "astrid@fjallbo.example"}, by=SYSTEM),
    ):
        with pytest.raises(Taken) as refused:
            change()
        assert refused.value.contact_id == astrid
    contacts.update(astrid, {"email": "astrid@fjallbo.example"}, by=SYSTEM)


def test_who_was_put_away_comes_back_unless_the_address_is_anothers_by_now(world, people):
    astrid = people["astrid@fjallbo.example"]
    archive.archive("contact", [astrid], by=SYSTEM)
    again = contacts.upsert_many([Person("astrid@fjallbo.example")], by=SYSTEM)["astrid@fjallbo.example"]

    with pytest.raises(Taken):
        contacts.restore([astrid], by=SYSTEM)
    archive.archive("contact", [again], by=SYSTEM)
    assert contacts.restore([astrid], by=SYSTEM) == [astrid]


def test_a_text_that_is_cleared_is_empty(world, people):
    astrid = people["astrid@fjallbo.example"]
    contacts.update(astrid, {"phone": "1", "hs_language": "da"}, by=SYSTEM)
    contacts.update(astrid, {"phone": None, "hs_language": ""}, by=SYSTEM)

    row = Contact.objects.get(pk=astrid)
    assert (row.phone, row.locale) == ("", "")


def test_the_first_company_is_the_primary_one_and_the_next_takes_its_place(world, people):
    astrid = people["astrid@fjallbo.example"]
    one, two = (companies.create(name, by=SYSTEM).pk for name in ("One", "Two"))
    companies.add_contact(one, astrid, by=SYSTEM)
    companies.add_contact(two, astrid, by=SYSTEM)
    assert Contact.objects.get(pk=astrid).company_id == one

    companies.make_primary(two, astrid, by=SYSTEM)
    assert Contact.objects.get(pk=astrid).company_id == two
    companies.remove_contact(two, astrid, by=SYSTEM)
    assert Contact.objects.get(pk=astrid).company_id == one
    companies.remove_contact(one, astrid, by=SYSTEM)
    assert Contact.objects.get(pk=astrid).company_id is None


def test_a_new_address_has_not_sent_anything_back(world, noon, people):
    """R-MAIL-12"""
    astrid = people["astrid@fjallbo.example"]
    Contact.objects.filter(pk=astrid).update(bounced_at=noon)
    contacts.update(astrid, {"email": "astrid@fjallbo.example", "phone": "1"}, by=SYSTEM)
    assert Contact.objects.get(pk=astrid).bounced_at == noon

    contacts.update(astrid, {"email": "astrid@nord.example"}, by=SYSTEM)
    assert Contact.objects.get(pk=astrid).bounced_at is None
