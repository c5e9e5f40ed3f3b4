"""Snippets: texts that agents put into what they write, their own, their team's, or everybody's (R-WORK-1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from deskhand.accounts import audit, policy
from deskhand.accounts.models import Team
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.desk import fillings
from deskhand.desk.models import Audience, Snippet
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.kernel.text import one_line, storable, whole

PAGE = 50
OFFERED = 300  # in the reply form
NAME_LIMIT, SHORTCUT_LIMIT, BODY_LIMIT = 120, 40, 50_000  # characters

_SHORTCUT = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class NewSnippet:
    name: str
    shortcut: str
    body: str
    audience: str = Audience.PRIVATE
    team_id: int | None = None


def available(viewer: Viewer) -> list[Snippet]:
    """What the viewer may use, by shortcut; the first OFFERED."""
    return list(_visible(viewer).order_by("shortcut", "id")[:OFFERED])


def page(viewer: Viewer, after: str = "") -> tuple[list[Snippet], str]:
    """One page by shortcut, and the cursor of the next one ("" at the end). Raises NotFound for a strange cursor."""
    found = _visible(viewer).order_by("shortcut", "id")
    if after:
        shortcut, dash, number = after.rpartition("-")
        last = whole(number)
        if not dash or last is None:
            raise NotFound(_("There is no such page."))
        found = found.filter(Q(shortcut__gt=shortcut) | Q(shortcut=shortcut, pk__gt=last))
    rows = list(found[: PAGE + 1])
    more = len(rows) > PAGE
    return rows[:PAGE], f"{rows[PAGE - 1].shortcut}-{rows[PAGE - 1].pk}" if more else ""


def _visible(viewer: Viewer) -> Any:
    mine = Q(owner_id=viewer.user_id) | Q(audience=Audience.EVERYONE)
    mine |= Q(audience=Audience.TEAM, team_id__in=sorted(viewer.team_ids))
    if policy.can(viewer, Action.EDIT_ACCOUNT):
        mine |= Q(audience=Audience.TEAM)
    return Snippet.objects.filter(mine, account_id=viewer.account_id)


def get(viewer: Viewer, snippet_id: int) -> Snippet:
    """Raises NotFound for one that the viewer may not use."""
    found: Snippet | None = _visible(viewer).filter(pk=snippet_id).first()
    if found is None:
        raise NotFound(_("There is no such snippet."))
    return found


def may_change(viewer: Viewer, snippet: Snippet) -> bool:
    """One's own; and what is shared, for those who set the account up."""
    return snippet.owner_id == viewer.user_id or (
        snippet.audience != Audience.PRIVATE and policy.can(viewer, Action.EDIT_ACCOUNT)
    )


def create(viewer: Viewer, new: NewSnippet) -> Snippet:
    """Raises Invalid, naming the field, and Forbidden."""
    policy.require(viewer, Action.OPEN_HELP_DESK)
    values = _checked(viewer, new)
    at = clock.now()
    made = Snippet.objects.create(
        account_id=viewer.account_id, owner_id=viewer.user_id, created_at=at, updated_at=at, **values
    )
    _audit("snippet.created", viewer, made, after=_facts(made))
    return made


def change(viewer: Viewer, snippet_id: int, new: NewSnippet) -> Snippet:
    """Raises NotFound, Forbidden, and Invalid, naming the field."""
    found = _changeable(viewer, snippet_id)
    before = _facts(found)
    for name, value in _checked(viewer, new, but=found).items():
        setattr(found, name, value)
    found.updated_at = clock.now()
    found.save()
    _audit("snippet.updated", viewer, found, before=before, after=_facts(found))
    return found


def delete(viewer: Viewer, snippet_id: int) -> Snippet:
    """Raises NotFound and Forbidden."""
    found = _changeable(viewer, snippet_id)
    _audit("snippet.deleted", viewer, found, before=_facts(found))
    Snippet.objects.filter(account_id=viewer.account_id, pk=snippet_id).delete()
    return found


def _changeable(viewer: Viewer, snippet_id: int) -> Snippet:
    policy.require(viewer, Action.OPEN_HELP_DESK)
    found = get(viewer, snippet_id)
    if not may_change(viewer, found):
        raise Forbidden(_("Only who wrote it and administrators may change this snippet."))
    return found


def _checked(viewer: Viewer, new: NewSnippet, but: Snippet | None = None) -> dict[str, Any]:
    name, shortcut = one_line(storable(new.name)).strip(), storable(new.shortcut).strip().lstrip("/").lower()
    body = storable(new.body).replace("\r\n", "\n")
    if not 0 < len(name) <= NAME_LIMIT:
        raise Invalid(_("Give it a name of at most 120 characters."), field="name", value=name)
    if len(shortcut) > SHORTCUT_LIMIT or not _SHORTCUT.fullmatch(shortcut):
        raise Invalid(
            _("A shortcut is one word of letters, digits and hyphens."), field="shortcut", value=shortcut
        )
    if not 0 < len(body.strip()) <= BODY_LIMIT:
        raise Invalid(_("Write the text, at most 50,000 characters."), field="body")
    fillings.refuse_unknown(body)
    twin = _visible(viewer).filter(shortcut=shortcut).exclude(pk=but.pk if but else 0).first()
    if twin:
        raise Invalid(
            _("/%(shortcut)s is “%(name)s” already.") % {"shortcut": shortcut, "name": twin.name},
            field="shortcut", value=shortcut, hint=_("Choose another one."),
        )  # fmt: skip
    return {"name": name, "shortcut": shortcut, "body": body} | _reach(viewer, new, but)


def _reach(viewer: Viewer, new: NewSnippet, but: Snippet | None) -> dict[str, Any]:
    if new.audience not in Audience.values:
        raise Invalid(_("Choose who has it."), field="audience", value=new.audience)
    if new.audience != Audience.TEAM:
        return {"audience": new.audience, "team_id": None}
    is_kept = but is not None and but.team_id == new.team_id
    if new.team_id not in viewer.team_ids and not is_kept and not policy.can(viewer, Action.EDIT_ACCOUNT):
        raise Invalid(_("Choose a team of yours."), field="team", value=new.team_id)
    if not Team.objects.filter(account_id=viewer.account_id, pk=new.team_id or 0).exists():
        raise Invalid(_("There is no such team."), field="team", value=new.team_id)
    return {"audience": Audience.TEAM, "team_id": new.team_id}


def _facts(snippet: Snippet) -> dict[str, Any]:
    """What the audit may show: a private text stays private."""
    facts = {"name": snippet.name, "shortcut": snippet.shortcut, "audience": snippet.audience}
    return facts if snippet.audience == Audience.PRIVATE else facts | {"body": snippet.body}


def _audit(action: str, viewer: Viewer, snippet: Snippet, **facts: Any) -> None:
    audit.record(action, by=Actor.user(viewer.user_id), target_type="snippet", target_id=snippet.pk, **facts)
