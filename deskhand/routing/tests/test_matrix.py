"""What each kind of channel offers, against the catalogue's own table; and rules that ask for more."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from deskhand.events.types import Actor
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.errors import Invalid
from deskhand.routing import agents, matrix, queries, rules
from deskhand.routing.ringing import Ringing
from deskhand.routing.types import Option, Strategy

from .conftest import CHAT, MAIL

#: R-ROUTE-17 as the catalogue has it.
CATALOGUE = """
| channel | AI customer agent | specific users & teams | teams only | contact owner | none | distribution | only-available box |
|---|---|---|---|---|---|---|---|
| team e-mail | yes (fallback: none / specific users & teams) | yes | yes | yes | yes | yes | yes |
| form | no | yes | yes | yes (offline → e-mail owner) | yes | yes | yes |
| WhatsApp | yes (fallback not described) | yes | yes | yes | yes | yes | yes |
| chatflow | via flow | toggle + users/teams | – | – | off = none | – | – |
| calling | no | yes, in working hours | – | – | – | – | – |
"""
NAMES = {
    "team e-mail": matrix.EMAIL, "form": matrix.FORM, "WhatsApp": matrix.WHATSAPP, "chatflow": matrix.CHAT,
    "calling": matrix.CALLING,
}  # fmt: skip
#: Ours, where the catalogue says nothing: AI, users and teams, teams, contact owner, none, distribution, box.
OURS = {
    matrix.SMS: "yes yes yes yes yes yes yes", matrix.MESSENGER: "yes yes yes yes yes yes yes",
    matrix.CUSTOM: "no yes yes yes yes yes yes", matrix.PORTAL: "no yes yes yes yes yes yes",
}  # fmt: skip
COLUMNS = (Option.AI_AGENT, Option.USERS_AND_TEAMS, Option.TEAMS, Option.CONTACT_OWNER, Option.NONE)
WEEKDAYS = WeeklyHours("Europe/Oslo", tuple(Block(day, 540, 1020) for day in range(5)))


@dataclass
class Clerk:
    key: str = "clerk"
    name: str = "Clerk"


@pytest.fixture
def clerk(monkeypatch):
    """An automatic agent that is there."""
    monkeypatch.setitem(agents.known, "clerk", Clerk())


def wanted() -> dict[str, list[bool]]:
    _blank, _head, _line, *lines = CATALOGUE.splitlines()
    cells = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines}
    table = {NAMES[name]: [_is_yes(cell) for cell in row] for name, row in cells.items()}
    table[matrix.CALLING][4] = (
        True  # a line that nobody is rung for goes to voicemail, as out of hours (R-ROUTE-93)
    )
    return table | {kind: [word == "yes" for word in row.split()] for kind, row in OURS.items()}


def _is_yes(cell: str) -> bool:
    return cell.startswith(("yes", "toggle", "off = none"))  # a flow's own agent is no choice of the rule


def test_the_matrix_is_the_catalogues():
    """R-ROUTE-17, R-AI-1: printed, and compared cell by cell."""
    ours = {
        kind: [*(option in offer.options for option in COLUMNS), offer.has_distribution, offer.has_box]
        for kind, offer in matrix.MATRIX.items()
    }
    for kind, row in ours.items():
        sys.stdout.write("\t".join([f"{kind:10}", *("yes" if cell else "–" for cell in row)]) + "\n")

    assert ours == wanted()
    assert {kind for kind, offer in matrix.MATRIX.items() if offer.mails_owner} == {"form", "portal"}
    assert {kind for kind, offer in matrix.MATRIX.items() if offer.has_hours} == {"chat", "calling"}
    assert {kind for kind, offer in matrix.MATRIX.items() if offer.rings} == {"calling"}


def test_t_route_22_a_form_never_offers_the_ai_agent(desk, clerk):
    """T-ROUTE-22, R-ROUTE-17."""
    assert Option.AI_AGENT not in matrix.shown(matrix.FORM)
    assert Option.AI_AGENT in matrix.shown(matrix.EMAIL)

    with pytest.raises(Invalid) as refused:
        set_rule(desk, Option.AI_AGENT, kind=matrix.FORM, agent_key="clerk")

    assert (refused.value.field, refused.value.value) == ("option", "AI_AGENT")
    assert "CONTACT_OWNER" in refused.value.hint


def test_no_channel_shows_an_agent_while_there_is_none(desk):
    """R-AI-1, R-AI-16: off until one registers; what says so all the same is refused."""
    assert all(Option.AI_AGENT not in matrix.shown(kind) for kind in matrix.MATRIX)

    with pytest.raises(Invalid, match="no such AI agent"):
        set_rule(desk, Option.AI_AGENT, agent_key="clerk")


def test_a_kind_that_nobody_knows_is_a_custom_channel():
    """R-ROUTE-17, R-CCH-5."""
    assert matrix.of("pigeon") == matrix.MATRIX[matrix.CUSTOM]


def set_rule(desk, option, **choices):
    channel = choices.pop("channel", MAIL)
    return rules.set_rule(desk.id, channel, option, by=Actor.user(desk.ada), **choices)


@pytest.mark.parametrize("kind", list(matrix.MATRIX))
def test_each_channel_takes_what_it_offers_and_refuses_the_rest(desk, clerk, kind):
    """R-ROUTE-17: every option on every kind of channel."""
    targets = {"user_ids": [desk.ada], "team_ids": [desk.teams["X"]], "agent_key": "clerk"}
    for option in Option:
        if option in matrix.of(kind).options:
            set_rule(desk, option, kind=kind, **targets)
            assert queries.rule_for(desk.id, MAIL).option == option
        else:
            with pytest.raises(Invalid):
                set_rule(desk, option, kind=kind, **targets)


@pytest.mark.parametrize(
    ("kind", "choices", "field"),
    [
        ("chat", {"strategy": Strategy.RANDOM}, "strategy"),
        ("calling", {"strategy": Strategy.ROUND_ROBIN}, "strategy"),
        ("chat", {"only_available": False}, "only_available"),
        ("email", {"hours": WEEKDAYS}, "hours"),
        ("chat", {"ringing": Ringing(at_once=True)}, "ring_seconds"),
        ("calling", {"wait_list": True}, "fallback_user_ids"),
        ("calling", {"ringing": Ringing(seconds=4)}, "ring_seconds"),
        ("calling", {"ringing": Ringing(closed="x" * 501)}, "closed_message"),
        ("email", {"sticky_hours": 9_000}, "sticky_hours"),
    ],
)
def test_what_a_channel_does_not_have_is_refused_with_the_way_out(desk, kind, choices, field):
    """R-ROUTE-17, R-ROUTE-45, R-ROUTE-80, R-ROUTE-90, R-ROUTE-94."""
    with pytest.raises(Invalid) as refused:
        set_rule(desk, Option.USERS_AND_TEAMS, kind=kind, user_ids=[desk.ada], **choices)

    assert refused.value.field == field
    assert refused.value.hint
    assert queries.rule_for(desk.id, MAIL) is None


def test_hours_and_ringing_are_kept_and_leave_with_the_next_rule(desk):
    """R-ROUTE-90, R-ROUTE-92, R-ROUTE-93, R-ROUTE-94."""
    heard = Ringing(True, 30, " We will call back. ", "We are closed.")
    made = set_rule(
        desk,
        Option.USERS_AND_TEAMS,
        channel=CHAT,
        kind="calling",
        user_ids=[desk.ada],
        hours=WEEKDAYS,
        ringing=heard,
    )

    assert (made.hours_zone, made.hours_blocks[0]) == ("Europe/Oslo", [0, 540, 1020])
    assert (made.ring_all, made.ring_seconds) == (True, 30)
    assert (made.unanswered_message, made.closed_message) == ("We will call back.", "We are closed.")

    again = set_rule(desk, Option.USERS_AND_TEAMS, channel=CHAT, kind="calling", user_ids=[desk.ada])
    assert (again.hours_blocks, again.ring_all, again.closed_message) == ([], False, "")


def test_an_agent_that_is_gone_may_stay_in_its_rule(desk, clerk, monkeypatch):
    """R-AI-2: people get the tickets meanwhile."""
    set_rule(desk, Option.AI_AGENT, agent_key="clerk", fallback_user_ids=[desk.bob])
    monkeypatch.delitem(agents.known, "clerk")

    kept = set_rule(desk, Option.AI_AGENT, agent_key="clerk", fallback_user_ids=[desk.cat])

    assert (kept.agent_key, desk.arrivals()) == ("clerk", [desk.cat])
