"""The account's own ways of being away: a break, a meeting. For routing each is simply away (R-AVAIL-17).

Who may define them is for the caller to ask.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.routing.models import AwayState
from deskhand.routing.types import Status

CHANGED = "away_state.changed"


def define(account_id: int, name: str, *, by: Actor) -> AwayState:
    """Add a way of being away. Raises Invalid without a name, Conflict where one has this name."""
    with account_scope(account_id):
        state = AwayState(account_id=account_id, name=_checked(name), created_at=clock.now())
        _save(state, {}, by)
        return state


def rename(account_id: int, away_state_id: int, name: str, *, by: Actor) -> AwayState:
    """Raises Invalid without a name, Conflict where another one has it, NotFound."""
    with account_scope(account_id):
        state = _present(account_id, away_state_id)
        before, state.name = _facts(state), _checked(name)
        if _facts(state) != before:
            _save(state, before, by)
        return state


def archive(account_id: int, away_state_id: int, *, by: Actor) -> None:
    """Let nobody choose it any more; who is away in this way stays so. Raises NotFound."""
    with account_scope(account_id):
        state = _present(account_id, away_state_id)
        before, state.archived_at = _facts(state), clock.now()
        _save(state, before, by)


def present(account_id: int) -> list[AwayState]:
    """Those to choose from, by name."""
    return list(AwayState.objects.filter(account_id=account_id, archived_at=None).order_by("name", "id"))


def names(account_id: int) -> dict[int, str]:
    """All that there ever were, for what names them still."""
    return dict(AwayState.objects.filter(account_id=account_id).values_list("id", "name"))


def check(account_id: int, status: Status, away_state_id: int | None) -> None:
    """Raises Invalid unless somebody of this status can be away in this way; None is no way in particular."""
    if status is not Status.AWAY:
        raise Invalid(
            _("Only who is away can be away in a particular way."),
            field="away_state_id",
            value=away_state_id,
            hint=_("Choose away, or leave this out."),
        )
    if away_state_id is None:
        return
    if not AwayState.objects.filter(account_id=account_id, pk=away_state_id, archived_at=None).exists():
        raise Invalid(
            _("There is no such way of being away."),
            field="away_state_id",
            value=away_state_id,
            hint=_("Choose one of the account's own."),
        )


def _present(account_id: int, away_state_id: int) -> AwayState:
    found = AwayState.objects.select_for_update().filter(account_id=account_id, archived_at=None)
    state = found.filter(pk=away_state_id).first()
    if state is None:
        raise NotFound(_("There is no such way of being away."))
    return state


def _checked(name: str) -> str:
    if not name.strip():
        raise Invalid(_("Give it a name."), field="name", value=name, hint=_("Enter a name."))
    return name.strip()


def _save(state: AwayState, before: dict[str, object], by: Actor) -> None:
    try:
        with transaction.atomic():
            state.save()
    except IntegrityError as taken:
        raise Conflict(_("There is a way of being away of this name already.")) from taken
    audit.record(
        CHANGED, by=by, target_type="away_state", target_id=state.pk, before=before, after=_facts(state)
    )


def _facts(state: AwayState) -> dict[str, object]:
    return {"name": state.name, "is_archived": state.archived_at is not None}
