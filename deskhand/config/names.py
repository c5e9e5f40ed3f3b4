"""Ids are of one installation; a configuration names things by what stays the same elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import F

from deskhand.accounts.models import Membership, Team
from deskhand.automation import secrets, triggers
from deskhand.automation.models import MailTemplate, Workflow
from deskhand.config import stand_ins
from deskhand.config.things import Thing
from deskhand.crm.pipelines.models import Pipeline, Stage
from deskhand.crm.records import task_queues
from deskhand.crm.records.models import SubscriptionType
from deskhand.crm.schema import activities, association_labels, object_types
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import segments
from deskhand.desk.models import ChannelAccount, Inbox
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.routing import skill_sets
from deskhand.routing.models import Skill

#: What a property's values are, by the column that it is stored in.
_COLUMNS = {
    "stage_id": Thing.STAGE,
    "pipeline_id": Thing.PIPELINE,
    "owner_id": Thing.USER,
    "assigned_team_ids": Thing.TEAM,
    "channel_account_id": Thing.CHANNEL,
    "inbox_id": Thing.INBOX,
}
#: What is told apart among those of one kind of record.
_BY_KIND = {Thing.STAGE, Thing.PIPELINE, Thing.WORKFLOW}

#: What an event tells that is no property of the record.
_FACTS = {
    triggers.BY_USER: Thing.USER,
    "assignee_id": Thing.USER,
    "mentioned": Thing.USER,
    "channel_account_id": Thing.CHANNEL,
}


class Names:
    """Both ways between ids and names in the open account. Read once; `forget` what was changed since.

    What a document names and can't make itself (`stand_ins.MADE_ELSEWHERE`) gets a stand-in where it is missing, so that one
    way through tells all that is `lacking`; who lets that be must undo it.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[Thing, str], dict[int, str]] = {}
        #: Where each is named first.
        self.lacking: dict[tuple[Thing, str], str] = {}

    def forget(self) -> None:
        self._names.clear()

    # ── kinds of records ─────────────────────────────────────────────────────────────────────────────────────────────

    def type_out(self, object_type: str) -> str:
        """An own kind of record is named by its name, a built-in one as it is."""
        found = object_types.all_of_them().get(object_type)
        return found.name if found else object_type

    def type_back(self, name: str, path: str) -> str:
        """Activities, too, are called the same everywhere. Raises Invalid for a kind that there is not."""
        if name in BUILT_IN or activities.find(name) is not None:
            return name
        for key, own in object_types.all_of_them().items():
            if own.name == name:
                return key
        raise Invalid(
            f"{path}: there are no records of type “{name}”.", field=path, value=name, hint="Name it in object_types."
        )  # fmt: skip

    def is_own(self, name: str) -> bool:
        return any(own.name == name for own in object_types.all_of_them().values())

    # ── things ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def out(self, thing: Thing, found: Any, object_type: str = "") -> str:
        """The name of an id; one that is gone says so, and can't be read back."""
        return self._of(thing, object_type).get(int(found), f"gone: {found}")

    def back(self, thing: Thing, name: Any, path: str, object_type: str = "") -> int:
        """Raises Invalid, naming the path, when nothing or more than one thing has the name."""
        known = self._of(thing, object_type)
        wanted = bare(thing, name)
        found = [pk for pk, known_name in known.items() if bare(thing, known_name) == wanted]
        if not found and thing in stand_ins.MADE_ELSEWHERE:
            return self._stand_in(thing, wanted, path)
        if len(found) != 1:
            raise _refusal(thing, name, path, len(found))
        return found[0]

    def need_secrets(self, needed: Iterable[str], path: str) -> None:
        """Workflows name secrets themselves; those that are not kept here get stand-ins."""
        for name in secrets.missing(current_account_id(), set(needed)):
            self._stand_in(Thing.SECRET, name, path)

    def _stand_in(self, thing: Thing, name: str, path: str) -> int:
        """Raises Invalid, naming the path, for what can't be made elsewhere either."""
        try:
            made = stand_ins.MADE_ELSEWHERE[thing](current_account_id(), name)
        except Invalid as refusal:
            raise Invalid(
                f"{path}: {refusal.message}", field=path, value=name, hint=refusal.hint
            ) from refusal
        self.lacking[thing, name] = path
        self._names.pop((thing, ""), None)
        return made

    def of_property(self, object_type: str, name: str) -> Thing | None:
        """What the values of a property name, if they are ids; also of what an event tells of one (`triggers`)."""
        prop = properties_of(object_type).get(triggers.property_of(name))
        if prop is None:
            return _FACTS.get(name)
        if prop.column in _COLUMNS:
            return _COLUMNS[prop.column]
        if prop.is_of_people:
            return Thing.USER
        return Thing.USER if prop.kind is Kind.REF and not prop.column and not prop.read_only else None

    def _of(self, thing: Thing, object_type: str) -> Mapping[int, str]:
        key = (thing, object_type if thing in _BY_KIND else "")
        if key not in self._names:
            self._names[key] = self._labels() if thing is Thing.LABEL else _read(thing, object_type)
        return self._names[key]

    def _labels(self) -> dict[int, str]:
        """Of one with the same number both ways, the way that it was made."""
        found: dict[int, str] = {}
        for label in association_labels.every_own():
            name = f"{self.type_out(label.from_type)}/{self.type_out(label.to_type)}/{label.name}"
            found.setdefault(label.type_id, name)
        return found


BUILT_IN = {"ticket", "contact", "company", "deal", "project"}


def _read(thing: Thing, object_type: str) -> dict[int, str]:
    account = {"account_id": current_account_id()}
    match thing:
        case Thing.USER:
            members = Membership.objects.filter(**account).values_list("user_id", "user__email")
            return dict(members)
        case Thing.TEAM:
            return dict(Team.objects.filter(**account).values_list("pk", "name"))
        case Thing.STAGE:
            stages = Stage.objects.filter(**account, object_type=object_type, pipeline__archived_at=None)
            return {pk: _labelled(key, label) for pk, key, label in stages.values_list("pk", "key", "label")}
        case Thing.PIPELINE:
            found = Pipeline.objects.filter(**account, object_type=object_type, archived_at=None)
            return {pk: _labelled(key, label) for pk, key, label in found.values_list("pk", "key", "label")}
        case Thing.MAIL:
            mails = MailTemplate.objects.filter(**account, archived_at=None).values_list("pk", "key", "name")
            return {pk: key or name for pk, key, name in mails}
        case Thing.WORKFLOW:
            flows = list(
                Workflow.objects.filter(**account, object_type=object_type, archived_at=None)
                .order_by(F("origin_stage_id").asc(nulls_first=True), "created_at", "pk")
                .values_list("pk", "name")
            )
            return dict(zip((pk for pk, _name in flows), numbered(name for _pk, name in flows), strict=True))
        case Thing.CHANNEL:
            channels = ChannelAccount.objects.filter(**account, archived_at=None)
            return dict(channels.values_list("pk", "address"))
        case Thing.INBOX:
            inboxes = Inbox.objects.filter(**account, archived_at=None)
            return dict(inboxes.values_list("pk", "name"))
        case Thing.SEGMENT:
            return dict(segments.segments().values_list("pk", "name"))
        case Thing.LABEL:
            return {}  # their names hold those of kinds of records
        case Thing.SUBSCRIPTION:
            kinds = SubscriptionType.objects.filter(**account, archived_at=None)
            return dict(kinds.values_list("pk", "name"))
        case Thing.QUEUE:
            return {queue.pk: queue.name for queue in task_queues.queues()}
        case Thing.SKILL:
            known = Skill.objects.filter(**account).values_list("pk", "category__name", "name")
            return {pk: f"{category}/{name}" for pk, category, name in known}
        case Thing.SKILL_RULES:
            return {one.pk: one.name for one in skill_sets.sets(current_account_id())}
        case Thing.SECRET:
            return {one.id: one.name for one in secrets.known(current_account_id())}


def numbered(names: Iterable[str]) -> list[str]:
    """The names; the second of the same name is “name #2”."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return found


def _labelled(key: str, label: str) -> str:
    return f"{key} ({label})"


def bare(thing: Thing, name: Any) -> str:
    """Without what stands there for the reader."""
    text = str(name).strip()
    if thing in (Thing.STAGE, Thing.PIPELINE):
        return text.partition(" (")[0]
    return text.casefold() if thing in (Thing.USER, Thing.CHANNEL) else text


def _refusal(thing: Thing, name: Any, path: str, count: int) -> Invalid:
    what = f"there are {count} {thing.value}s" if count else f"there is no {thing.value}"
    return Invalid(f"{path}: {what} “{name}”.", field=path, value=name)
