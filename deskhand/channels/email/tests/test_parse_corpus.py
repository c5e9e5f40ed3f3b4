"""The shared mails: what must be read of them, and how often it must be right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from deskhand.channels.email import guarded
from deskhand.channels.email.parse import AutoKind, ParsedMail, parse_mail
from deskhand.channels.email.parse.trim import trim, without_sign_off
from deskhand.channels.email.tests.parse_corpus import (
    CHECKS,
    SHARED,
    expectations,
    failures,
    manifest,
    needs_shared,
    strings,
)

pytestmark = needs_shared

SYNTHETIC = expectations("synthetic")
FAMILIES = sorted({name.partition("/")[0] for name in SYNTHETIC})
OWN = {"auto/from-own-address": ["support@desk.test"]}
REPLY_KEYS = {"first_fragment", "first_fragment_matches", "visible_text", "body", "body_has", "body_lacks"}


@pytest.fixture(scope="module", autouse=True)
def _children() -> Iterator[None]:
    yield
    guarded.pool.close()


def synthetic(name: str) -> bytes:
    return (SHARED / "synthetic" / f"{name}.eml").read_bytes()


def test_every_mail_is_read_in_the_guarded_children() -> None:
    """P1, R2: no failure, and nothing that a database could not store."""
    paths = manifest("eml")
    mails = guarded.parse_many([(SHARED / path).read_bytes() for path in paths])

    assert len(paths) > 1000
    assert [p for p, mail in zip(paths, mails, strict=True) if not isinstance(mail, ParsedMail)] == []
    broken = [
        p
        for p, m in zip(paths, mails, strict=True)
        if any(d.startswith("could not be read") for d in m.defects)
    ]
    assert broken == []
    unstorable = [p for p, m in zip(paths, mails, strict=True) if any(not is_storable(s) for s in strings(m))]
    assert unstorable == []


def is_storable(text: str) -> bool:
    return "\0" not in text and "\r" not in text and text.encode("utf-8", "replace").decode() == text


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in ("html", "bomb")])
def test_a_family_of_mails_is_read_as_expected(family: str) -> None:
    """P2–P14, A1–A8, B1–B7, F1–F3, Q1–Q5."""
    names = [name for name in SYNTHETIC if name.startswith(f"{family}/")]
    mails = {name: parse_mail(synthetic(name), own_addresses=OWN.get(name, ())) for name in names}

    wrong = {name: failures(mails[name], SYNTHETIC[name]) for name in names}
    assert {name: keys for name, keys in wrong.items() if keys} == {}


@pytest.mark.parametrize("name", [name for name in SYNTHETIC if name.startswith("html/")])
def test_hostile_html_is_harmless_after_the_guarded_trip(name: str) -> None:
    """S1, S28, S29."""
    assert failures(guarded.parse_many([synthetic(name)])[0], SYNTHETIC[name]) == []


@pytest.mark.parametrize("name", [name for name, told in SYNTHETIC.items() if "max_seconds" in told])
def test_a_bomb_is_read_within_its_time(name: str) -> None:
    """P1, S23, S24: the child's own limit is the clock."""
    limit = SYNTHETIC[name]["max_seconds"]

    mail = guarded.pool.call("deskhand.channels.email.guarded:read", synthetic(name), (), timeout=limit)

    assert failures(mail, SYNTHETIC[name]) == []


def test_every_expectation_is_either_checked_or_known_to_be_of_another_area() -> None:
    others = {
        "note",
        "lang",
        "client",
        "must_not_crash",
        "max_seconds",
        "reply_text",
        "reply_text_with_signature",
    }
    others |= {
        "create_ticket",
        "ticket",
        "tickets",
        "sender_is",
        "agent_reply",
        "add_participants",
        "loop_risk",
    }
    others |= {
        "apply",
        "auth",
        "duplicate_group",
        "literal",
        "ai_action",
        "sanitized",
        "serve",
        "serve_nosniff",
    }
    others |= {"safe_name", "date_source", "message_id_generated", "reason"}

    assert {key for told in SYNTHETIC.values() for key in told} - set(CHECKS) - others == set()


def test_shown_names_are_safe() -> None:
    """A2."""
    names = [n for n, told in SYNTHETIC.items() if told.get("safe_name")]
    shown = {n: parse_mail(synthetic(n)).attachments[0].name for n in names}

    unsafe = re.compile(
        r"[\x00-\x1f/\\\u200b-\u200f\u202a-\u202e\u2066-\u2069]|^\.|\.$|^(con|nul|aux|prn)(\.|$)", re.I
    )
    assert {
        n: name for n, name in shown.items() if unsafe.search(name) or len(name.encode()) > 200 or not name
    } == {}
    assert shown["att/name-zero-width-dotfile"] == "htaccess"


def reply_cases() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (folder, name, told)
        for folder in ("reply-crisp", "reply-alfonsrv")
        for name, told in expectations(folder).items()
        if REPLY_KEYS & set(told)
    ]


def tidy(text: str) -> str:
    return re.sub(r"[ \t]+\n", "\n", text).strip()


def meets(own: str, told: dict[str, Any]) -> bool:
    body = tidy(without_sign_off(own))
    return (
        all(own == tidy(told[key]) for key in ("first_fragment", "visible_text") if key in told)
        and all(re.search(pattern, own) for pattern in told.get("first_fragment_matches", ()))
        and ("body" not in told or body == tidy(told["body"]))
        and all(words in body for words in told.get("body_has", ()))
        and all(words not in body for words in told.get("body_lacks", ()))
    )


def keeps_own_words(own: str, told: dict[str, Any]) -> bool:
    wholes = [told[key] for key in ("first_fragment", "visible_text", "body") if key in told]
    lines = [line.rstrip() for whole in wholes for line in whole.split("\n") if line.strip()]
    return all(line in own for line in [*lines, *told.get("body_has", ())])


def own_text(folder: str, name: str) -> str:
    text = (SHARED / folder / f"{name}.txt").read_text("utf-8")
    return tidy(trim(text.replace("\r\n", "\n"), is_reply=True).own)


def test_nine_of_ten_real_replies_are_trimmed_right() -> None:
    """Q7."""
    cases = reply_cases()
    wrong = [name for folder, name, told in cases if not meets(own_text(folder, name), told)]

    assert len(cases) >= 67
    assert len(wrong) <= len(cases) // 10, wrong


def test_no_real_reply_loses_the_writers_words() -> None:
    """Q7: 0 cases that lose own text."""
    lost = [name for folder, name, told in reply_cases() if not keeps_own_words(own_text(folder, name), told)]

    assert lost == []


def test_replies_of_thirteen_mail_programs_are_trimmed_to_their_word() -> None:
    """Q3. Outlook's is a first message by its headers, and stays whole (Q1)."""
    paths = sorted((SHARED / "talon" / "standard_replies").glob("*.eml"))

    own = {path.stem: parse_mail(path.read_bytes()).own_text for path in paths if path.stem != "outlook"}

    assert set(own.values()) == {"Hello"}


def test_97_of_100_bounces_are_recognized_and_nothing_else() -> None:
    """B4, B5. Vacation answers stand among the bounces; they count as missed here."""
    paths = [path for path in manifest("eml") if path.startswith("sisimai/")]
    kinds = {path: parse_mail((SHARED / path).read_bytes()).auto for path in paths}
    bounced = {path for path, kind in kinds.items() if kind in (AutoKind.BOUNCE, AutoKind.COMPLAINT)}
    others = {path for path in paths if "/not-bounce/" in path}

    assert len(others) == 3
    assert bounced & others == set()
    assert len(bounced) >= 0.97 * (len(paths) - len(others))
