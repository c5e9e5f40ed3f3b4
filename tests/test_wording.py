"""That nothing can be recorded in the audit log without words for who reads it."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.accounts import teams
from deskhand.accounts.models import AuditEntry
from deskhand.events.types import SYSTEM
from deskhand.testing.world import World
from deskhand.web.people import audit_tables
from tests.wording import lacks


@pytest.mark.parametrize(
    ("entry", "lacking"),
    [
        (("lamp.lit", {"name": "Lamp"}), "no sentence"),
        (("team.created", {"name": "Night", "shift": "late"}), "no label for shift"),
        (("team.created", {"name": "Night", "plan": "unheard_of"}), "plan can be 'unheard_of'"),
        (("team.created", {"name": "Night", "share": [{"of": 1}]}), "share can be {'of': 1}"),
        (("team.created", {"name": "Night", "option": 12}), "option can be 12"),
    ],
)
def test_what_has_no_words_is_noticed(entry: tuple[str, dict[str, Any]], lacking: str) -> None:
    """Every test that lets the product record such an entry fails."""
    action, after = entry
    found = "; ".join(
        lacks(AuditEntry(action=action, target_type="team", target_id=1, before={}, after=after))
    )
    assert lacking in found


def test_what_has_words_is_let_pass() -> None:
    entry = AuditEntry(
        action="user.teams_changed", target_type="user", target_id=1, before={"main": 3, "extra": []}, after={"main": None, "extra": [4]}
    )  # fmt: skip
    assert list(lacks(entry)) == []


def test_what_the_product_records_is_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this the two above would prove nothing."""
    monkeypatch.delitem(audit_tables.SENTENCES, "team.created")
    with pytest.raises(AssertionError, match=r"team\.created: no sentence"):
        teams.create(world.account.pk, "Night", by=SYSTEM)
