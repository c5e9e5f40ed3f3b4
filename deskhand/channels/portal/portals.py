"""Verbs on the portal of an account: setting it up, and finding it for who opens its address."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import audit, plans
from deskhand.accounts.models import Account
from deskhand.accounts.plans import Feature
from deskhand.channels.portal import colors
from deskhand.channels.portal.models import Portal, Reach
from deskhand.crm.filters.as_json import from_json, to_json
from deskhand.crm.filters.types import EVERYTHING, Condition, link_types, linked_kinds
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import StageValue
from deskhand.crm.segments.segments import Use, asked_for
from deskhand.desk.models import ChannelAccount
from deskhand.desk.replies import default_channel_if_any
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import one_line

NAME = 80  # characters
LABEL = 60


@dataclass(frozen=True)
class Settings:
    """All that is set up in one form; the condition has a page of its own."""

    is_on: bool
    name: str = ""
    accent: str = ""
    accent_dark: str = ""
    takes_strangers: bool = True
    reach: str = Reach.OWN
    channel_account_id: int | None = None
    stages: Mapping[str, Mapping[str, Any]] | None = None  # as in the model


def of_account(account_id: int) -> Portal:
    """The account's portal, or one that is off and not stored yet. Needs the account's scope."""
    return Portal.objects.filter(account_id=account_id).first() or Portal(account_id=account_id)


def is_open(account: Account, portal: Portal) -> bool:
    """Whether customers find it (R-POR-8). Without an address no request and no answer would find its way."""
    return portal.is_on and plans.has_feature(account, Feature.PORTAL)


def name_of(account: Account, portal: Portal) -> str:
    return portal.name or account.name


def channel_of(portal: Portal) -> ChannelAccount | None:
    """Where new requests go: what was chosen while it is connected, else the default address (R-POR-5)."""
    chosen = ChannelAccount.objects.select_related("inbox").filter(
        account_id=portal.account_id, pk=portal.channel_account_id or 0, archived_at=None
    )
    return chosen.first() or default_channel_if_any(portal.account_id)


def channels(account_id: int) -> list[ChannelAccount]:
    """What may be chosen: the connected addresses, by name."""
    found = ChannelAccount.objects.select_related("inbox").filter(
        account_id=account_id, channel="email", archived_at=None
    )
    return list(found.order_by("name", "id"))


def condition_of(portal: Portal) -> Condition:
    return from_json(portal.condition, "condition") if portal.condition else EVERYTHING


def status_words(portal: Portal, stage: StageValue | None, *, is_closed: bool) -> str:
    """What customers read of a status (R-POR-10)."""
    if stage is None or is_hidden(portal, stage):
        return _("Closed") if is_closed else _("Open")
    return portal.stages.get(str(stage.id), {}).get("label") or _(stage.label)


def is_hidden(portal: Portal, stage: StageValue) -> bool:
    return bool(portal.stages.get(str(stage.id), {}).get("is_hidden"))


# ── verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def change(given: Settings, *, by: Actor) -> Portal:
    """Safe to repeat. Raises Invalid, naming the field."""
    account_id = current_account_id()
    Portal.objects.get_or_create(account_id=account_id)
    portal = Portal.objects.select_for_update().get(account_id=account_id)
    wanted = _checked(account_id, given)
    before = {name: getattr(portal, name) for name in wanted if getattr(portal, name) != wanted[name]}
    for name in before:
        setattr(portal, name, wanted[name])
    if before:
        portal.save(update_fields=list(before))
        _record(portal, by, before)
    return portal


def change_condition(condition: Condition, *, by: Actor) -> Portal:
    """Whom it means, besides: who meets the filters sees their company's requests (R-POR-3)."""
    account_id = current_account_id()
    Portal.objects.get_or_create(account_id=account_id)
    portal = Portal.objects.select_for_update().get(account_id=account_id)
    before, stored = portal.condition, to_json(condition) if condition != EVERYTHING else {}
    if stored != before:
        portal.condition = stored
        portal.save(update_fields=["condition"])
        _record(portal, by, {"condition": before})
    return portal


def _record(portal: Portal, by: Actor, before: Mapping[str, Any]) -> None:
    after = {name: getattr(portal, name) for name in before}
    audit.record(
        "portal.updated", by=by, target_type="portal", target_id=portal.pk, before=before, after=after
    )


def _checked(account_id: int, given: Settings) -> dict[str, Any]:
    name = one_line(given.name)
    if len(name) > NAME:
        raise Invalid(
            _("The name is too long."), field="name", value=name[:NAME],
            hint=_("It has at most %(count)s characters.") % {"count": NAME},
        )  # fmt: skip
    if given.reach not in set(Reach):
        raise Invalid(_("Choose whose requests customers see."), field="reach", value=str(given.reach)[:40])
    known = {one.pk for one in channels(account_id)}
    if given.channel_account_id is not None and given.channel_account_id not in known:
        raise Invalid(
            _("This address is not connected any more."), field="channel", value=given.channel_account_id,
            hint=_("Choose another address."),
        )  # fmt: skip
    if given.is_on and not known:
        raise Invalid(
            _("The portal needs a connected email address, from which answers leave."), field="is_on", value=True,
            hint=_("Connect one under Channels."),
        )  # fmt: skip
    return {
        "is_on": given.is_on, "name": name, "accent": _accent("accent", given.accent),
        "accent_dark": _accent("accent_dark", given.accent_dark), "takes_strangers": given.takes_strangers,
        "reach": given.reach, "channel_account_id": given.channel_account_id, "stages": _stages(given.stages or {}),
    }  # fmt: skip


def _accent(field: str, typed: str) -> str:
    color = typed.strip().lower()
    if not color:
        return ""
    if not color.startswith("#"):
        color = f"#{color}"
    if not colors.is_color(color):
        raise Invalid(
            _("“%(color)s” is not a colour.") % {"color": typed[:20]}, field=field, value=typed[:20],
            hint=_("Write it like #1a5fb4."),
        )  # fmt: skip
    is_dark = field == "accent_dark"
    found = colors.weakest(color, is_dark=is_dark)
    if found < colors.ENOUGH:
        raise Invalid(
            _("%(color)s can't be read well enough: its contrast is %(found)s, and it takes %(enough)s.")
            % {"color": color, "found": floor(found * 10) / 10, "enough": colors.ENOUGH},
            field=field, value=color,
            hint=_("Choose a lighter one.") if is_dark else _("Choose a darker one."),
        )  # fmt: skip
    return color


def _stages(given: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What differs from the statuses themselves; of statuses that are gone nothing is kept."""
    found: dict[str, dict[str, Any]] = {}
    for pipeline in pipelines_of("ticket").pipelines:
        for stage in pipeline.stages:
            said = given.get(str(stage.id), {})
            label, is_hidden = one_line(str(said.get("label", ""))), bool(said.get("is_hidden"))
            if len(label) > LABEL:
                raise Invalid(
                    _("The words for “%(status)s” are too long.") % {"status": _(stage.label)}, field=f"stage-{stage.id}",
                    value=label[:LABEL], hint=_("They have at most %(count)s characters.") % {"count": LABEL},
                )  # fmt: skip
            if label or is_hidden:
                found[str(stage.id)] = {"label": label, "is_hidden": is_hidden}
    return found


def let_go_of_stages(account_id: int, stage_ids: Collection[int]) -> None:
    """What customers read of a deleted status is forgotten (R-PIPE-10)."""
    portal = Portal.objects.select_for_update().filter(account_id=account_id).first()
    gone = {str(stage_id) for stage_id in stage_ids}
    if portal is not None and gone & portal.stages.keys():
        portal.stages = {stage: said for stage, said in portal.stages.items() if stage not in gone}
        portal.save(update_fields=["stages"])


def asking_for_segments(account_id: int, segment_ids: Sequence[int]) -> dict[int, list[Use]]:
    """{segment: the portal, where it is asked who sees their company's requests}."""
    return _asking(asked_for(condition_of(of_account(account_id))), segment_ids)


def asking_for_labels(account_id: int, numbers: Sequence[int]) -> dict[int, list[Use]]:
    """The same of association labels."""
    return _asking(link_types(condition_of(of_account(account_id))), numbers)


def asking_for_kind(account_id: int, object_type: str) -> list[Use]:
    """The same of a kind of linked records."""
    named = linked_kinds(condition_of(of_account(account_id)))
    return [_use()] if object_type in named else []


def _asking(named: set[int], ids: Sequence[int]) -> dict[int, list[Use]]:
    return {one: [_use()] for one in named.intersection(ids)}


def _use() -> Use:
    return Use("portal", 0, _("Customer portal"))
