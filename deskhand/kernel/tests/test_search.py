"""Words are cut and folded alike everywhere, and found by their beginnings, newest record first."""

import pytest

from deskhand.kernel import search
from deskhand.kernel.database import sql


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Refund still missing", ["refund", "still", "missing"]),
        ("Große Straße, GROSSE", ["grosse", "strasse"]),
        ("Ordre: forkert størrelse på Ærø", ["ordre", "forkert", "storrelse", "pa", "aero"]),
        ("perché Ñandú", ["perche", "nandu"]),
        ("astrid@fjallbo.example", ["astrid", "fjallbo", "example"]),
        ("00373500 4819-2201", ["00373500", "4819", "2201"]),
        ("', --; \\ :*", []),
        ("x" * 100, ["x" * 64]),
    ],
)
def test_words_are_without_case_and_marks(text, words):
    assert search.words_of(text) == words


def found(account_id, kind, asked, **more):
    source, params = search.candidates(account_id, kind, search.words_of(asked), **{"limit": 10} | more)
    return [row[0] for row in sql.rows(source, params)]


@pytest.fixture
def filled(db):
    far = 5 * search.STRETCH
    search.put(1, "T", {1: "Refund missing", 2: "Refunded twice", far: "Another refund"})
    search.put(1, "M", {1: "Refund as a message"})
    search.put(2, "T", {3: "Refund of somebody else"})
    return far


def test_the_newest_record_comes_first_across_stretches(filled):
    assert found(1, "T", "refund") == [filled, 2, 1]
    assert found(1, "T", "refund", limit=2) == [filled, 2]
    assert found(1, "T", "refund", before=filled) == [2, 1]


def test_a_word_stands_for_all_that_begin_with_it(filled):
    assert found(1, "T", "REF") == [filled, 2, 1]
    assert found(1, "T", "refunded") == [2]
    assert found(1, "T", "efund") == []


def test_all_words_must_be_there(filled):
    assert found(1, "T", "refund miss") == [1]
    assert found(1, "T", "refund nothing") == []


def test_accounts_and_kinds_are_apart(filled):
    assert found(2, "T", "refund") == [3]
    assert found(1, "M", "refund") == [1]
    assert found(12, "T", "refund") == []


def test_what_is_called_otherwise_is_found_by_that_alone(filled):
    search.put(1, "T", {1: "Parcel"})

    assert found(1, "T", "refund") == [filled, 2]
    assert found(1, "T", "parcel") == [1]
    search.put(1, "T", {1: " – "})
    assert found(1, "T", "parcel") == []


@pytest.mark.parametrize("asked", ["'", "a' | 'b", "\\", "!x", "refund:*", "*stretch*"])
def test_no_sign_of_a_question_is_part_of_the_language_asked_in(filled, asked):
    """S16"""
    words = search.words_of(asked)
    if words:
        source, params = search.candidates(1, "T", words, limit=10)
        sql.rows(source, params)


@pytest.mark.parametrize(
    ("text", "asked", "shown"),
    [
        ("Refund still missing", "mis ref", "[Ref]und still [mis]sing"),
        ("Größe fehlt", "grosse", "[Größe] fehlt"),
        ("Straßenbahn", "stras", "[Straß]enbahn"),
        ("nothing", "refund", "nothing"),
        ("<b>Refund</b>", "refund", "<b>[Refund]</b>"),
    ],
)
def test_what_was_asked_for_is_marked_in_the_text_as_it_is(text, asked, shown):
    parts = search.marked(text, search.words_of(asked))

    assert "".join(f"[{part}]" if is_found else part for part, is_found in parts) == shown


def test_an_excerpt_begins_before_the_first_word_that_was_asked_for():
    text = "Hello there.\n" + "So it goes. " * 40 + "The refund is missing. " + "And so on. " * 40

    shown = search.excerpt(text, ["refund"])

    assert "The refund is missing." in shown
    assert shown[0] == shown[-1] == "…"
    assert len(shown) < 300
    assert search.excerpt("Short", ["refund"]) == "Short"
