"""Give links to other records labels, or take them away (R-TRIG-5; table of §11)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.automation import kinds
from deskhand.automation.actions import others
from deskhand.automation.actions.forms import Around, Input, Option, Setting
from deskhand.automation.actions.types import (
    Action,
    Doing,
    Done,
    Group,
    by_workflow,
    failed,
    here,
    in_words,
    object_type_of,
    skipped,
)
from deskhand.automation.engine.loops import Tell, Touches
from deskhand.crm.records import associations, labeling
from deskhand.crm.records.associations import Link, Why
from deskhand.crm.records.labeling import Labeling
from deskhand.crm.schema import association_labels
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole

ADD, REPLACE = "add", "replace"
THESE, ALL = "these", "all"


class _Labels(Action):
    """Of all links of the record to records of a kind, or of those that bear a label."""

    group, tone = Group.RECORD, "teal"
    changes = is_left = True  # branches after it may ask for the label
    how: ClassVar[str]  # the setting that says what becomes of them

    def form(self, around: Around, settings: Mapping[str, Any]) -> Sequence[Setting]:
        to = str(settings.get("to") or "")
        first = (here(around), to_setting(around, labeled=True))
        if not association_labels.own_of(around.object_type, to):
            return first
        return (*first, *self._details(around.object_type, to, settings))

    def problems(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        to = str(settings.get("to") or "")
        if to and not association_labels.own_of(object_type_of(settings), to):
            return [("to", no_labels())]
        return super().problems(settings)

    def touches(self, object_type: str, settings: Mapping[str, Any]) -> Touches:
        return touched(object_type, settings, "relabeled")

    def run(self, batch: Sequence[Doing]) -> list[Done]:
        answers: dict[int, Done] = {}
        for part in by_workflow(batch):
            for group in alike(part, "to", "labels", "label", self.how):
                answers |= self._changed(group)
        return [answers[doing.enrollment_id] for doing in batch]

    @abstractmethod
    def _details(self, object_type: str, to: str, settings: Mapping[str, Any]) -> Sequence[Setting]: ...

    @abstractmethod
    def _labeling(self, doing: Doing) -> Labeling: ...

    def _changed(self, group: Sequence[Doing]) -> dict[int, Done]:
        first, to = group[0], str(group[0].settings["to"])
        linked = others.of(group, to, only_first=False, label=others.label_of(first.settings))
        links: dict[Link, Why] = {
            (doing.object_type, doing.record_id, to, other): Why(doing.cause, doing.depth + 1)
            for doing in group
            for other in linked[doing.record_id]
        }
        try:
            changed = labeling.relabel_many(links, self._labeling(first), by=first.by, at=first.now)
        except Invalid as refusal:
            return {doing.enrollment_id: failed(refusal.message) for doing in group}
        done = {link[1] for link in changed}
        said = in_words(self, first.settings, first.object_type)
        return {doing.enrollment_id: _answer(doing, to, linked, done, said) for doing in group}


class UpdateAssociationLabels(_Labels):
    kind = "update_association_labels"
    label = gettext_lazy("Set labels of links")
    about = gettext_lazy(
        "Say what linked records are to the record: add labels, or put them in place of others."
    )
    icon, how = "tag", "how"

    def _details(self, object_type: str, to: str, settings: Mapping[str, Any]) -> Sequence[Setting]:
        ways = (Option(ADD, _("Add to those that are there")), Option(REPLACE, _("Put in place of those that are there")))  # fmt: skip
        return (
            *others.label_setting(object_type, to),
            Setting("how", _("What to do"), Input.CHOICE, options=ways, default=ADD),
            *labels_setting(object_type, to, _("New labels"), required=True),
        )

    def summary(self, settings: Mapping[str, Any]) -> str:
        names = _names(settings)
        if settings.get("how") == REPLACE:
            return _("%(kind)s: only %(labels)s") % names
        return _("%(kind)s: add %(labels)s") % names

    def _labeling(self, doing: Doing) -> Labeling:
        return Labeling(add=frozenset(chosen(doing)), replaces=doing.settings.get("how") == REPLACE)


class RemoveAssociationLabels(_Labels):
    kind = "remove_association_labels"
    label = gettext_lazy("Remove labels of links")
    about = gettext_lazy("Take labels from the links to records of a kind. The records stay linked.")
    icon, how = "tag", "what"

    def _details(self, object_type: str, to: str, settings: Mapping[str, Any]) -> Sequence[Setting]:
        ways = (Option(THESE, _("These labels")), Option(ALL, _("All labels")))
        what = Setting("what", _("What to remove"), Input.CHOICE, options=ways, default=THESE, redraws=True)
        if settings.get("what") == ALL:
            return (what,)
        return (what, *labels_setting(object_type, to, _("Labels"), required=True))

    def summary(self, settings: Mapping[str, Any]) -> str:
        if settings.get("what") == ALL:
            return _("%(kind)s: remove all labels") % _names(settings)
        return _("%(kind)s: remove %(labels)s") % _names(settings)

    def _labeling(self, doing: Doing) -> Labeling:
        if doing.settings.get("what") == ALL:
            return Labeling(replaces=True)
        return Labeling(remove=frozenset(chosen(doing)))


def _answer(doing: Doing, to: str, linked: Mapping[int, Sequence[int]], changed: set[int], said: str) -> Done:
    if not linked[doing.record_id]:
        return skipped(
            _("No %(kind)s is linked.") % {"kind": others.said(doing.object_type, to, doing.settings)}
        )
    return Done(message=said if doing.record_id in changed else _("The labels were so already."))


def _names(settings: Mapping[str, Any]) -> dict[str, str]:
    to = str(settings.get("to") or "")
    return {
        "kind": others.said(object_type_of(settings), to, settings),
        "labels": labels_said(settings),
    }


# ── what the actions on links share ──────────────────────────────────────────────────────────────────────────────────


def to_setting(around: Around, *, labeled: bool = False) -> Setting:
    """The kind of the other records; only those with labels of their own if there are any, and where to make one if not."""
    found = kinds.linkable(around.object_type)
    having = (
        [kind for kind in found if association_labels.own_of(around.object_type, kind)] if labeled else []
    )
    options = tuple(Option(kind, kinds.label(kind)) for kind in having or found)
    setting = Setting("to", _("Kind of record"), Input.CHOICE, required=True, options=options, redraws=True)
    if having or not labeled:
        return setting
    return replace(
        setting, help=no_labels(), links=((_("Labels of links"), "object-labels", around.object_type),)
    )


def no_labels() -> str:
    return _("There are no labels between these kinds of records. Make one in the settings.")


def labels_setting(object_type: str, to: str, label: str, *, required: bool = False) -> tuple[Setting, ...]:
    """The account's own labels between the two kinds; nothing where there are none."""
    found = association_labels.own_of(object_type, to)
    options = tuple(Option(str(one.type_id), one.label) for one in found)
    return (Setting("labels", label, Input.MANY, required=required, options=options),) if options else ()


def labels_said(settings: Mapping[str, Any]) -> str:
    object_type, to = object_type_of(settings), str(settings.get("to") or "")
    numbers = [str(one) for one in settings.get("labels") or ()]
    known = {str(one.type_id): one.label for one in association_labels.own_of(object_type, to)}
    return ", ".join(known.get(number, f"#{number}") for number in numbers)


def chosen(doing: Doing) -> list[int]:
    """Numbers of the labels in the settings."""
    numbers = (whole(str(one)) for one in doing.settings.get("labels") or ())
    return [number for number in numbers if number is not None]


def alike(part: Sequence[Doing], *names: str) -> list[list[Doing]]:
    """Those whose settings say the same."""
    groups: dict[tuple[str, ...], list[Doing]] = {}
    for doing in part:
        groups.setdefault(tuple(repr(doing.settings.get(name)) for name in names), []).append(doing)
    return list(groups.values())


def touched(object_type: str, settings: Mapping[str, Any], *done: str) -> Touches:
    """`done` is what becomes of links, as in the kinds of their events."""
    two = frozenset({object_type, str(settings.get("to") or "")})
    tells = frozenset(Tell(f"{kind}.{did}") for kind in associations.told_kinds(two) for did in done)
    return Touches(tells=tells, links=frozenset({two}))
