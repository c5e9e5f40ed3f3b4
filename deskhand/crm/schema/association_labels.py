"""Association labels: words for what one record is to another, such as "Manager" (R-TRIG-5).

A definition has one word for both ways, or a pair of them ("Manager" and "Employee"). A label as seen from one side says
what the farther record is to the nearer one. Beside the account's own, "Primary" is the product's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from deskhand.accounts import audit
from deskhand.crm.schema import object_types
from deskhand.crm.schema.defaults import ASSOCIATION_TYPES, FIRST_OWN_TYPE, PRIMARY_TYPES
from deskhand.crm.schema.models import AssociationLabel
from deskhand.crm.schema.properties import suggested_name
from deskhand.events.types import Actor
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id, current_scope
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line

LIMIT = 50  # definitions between two kinds
LABEL_LIMIT, NAME_LIMIT = 100, 100
USER_DEFINED, INTEGRATOR_DEFINED, PRODUCT_DEFINED = "USER_DEFINED", "INTEGRATOR_DEFINED", "HUBSPOT_DEFINED"
PRIMARY = gettext_noop("Primary")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_NOTE = "crm.association_labels"


@dataclass(frozen=True, slots=True)
class Label:
    """One direction of a definition. `label` is in the account's words; the product's own is translated where it is shown."""

    type_id: int
    inverse_id: int
    from_type: str
    to_type: str
    category: str
    name: str
    label: str

    @property
    def is_own(self) -> bool:
        """Whether the account made it; links don't bear the others, a column of the record says them."""
        return self.category != PRODUCT_DEFINED

    @property
    def is_paired(self) -> bool:
        return self.inverse_id != self.type_id


def may_link(from_type: str, to_type: str) -> bool:
    """Whether records of these kinds can be linked at all."""
    free = {"project", *object_types.all_of_them()}
    known = {from_type, to_type} <= set(object_types.every())
    return known and ((from_type, to_type) in ASSOCIATION_TYPES or bool({from_type, to_type} & free))


def labels_of(from_type: str, to_type: str) -> tuple[Label, ...]:
    """What a record of the second kind may be to one of the first, the primary one first, the account's own by age."""
    return tuple(label for label in _all() if (label.from_type, label.to_type) == (from_type, to_type))


def own_of(from_type: str, to_type: str) -> tuple[Label, ...]:
    """Those of them that links bear."""
    return tuple(label for label in labels_of(from_type, to_type) if label.is_own)


def every_own() -> list[Label]:
    """All that the account has, both ways of each, by age."""
    return [label for label in _all() if label.is_own]


def label_for(from_type: str, to_type: str, type_id: int) -> Label | None:
    return next((label for label in labels_of(from_type, to_type) if label.type_id == type_id), None)


def find(from_type: str, to_type: str, type_id: int) -> Label:
    """One of the account's own. Raises NotFound."""
    found = label_for(from_type, to_type, type_id)
    if found is None or not found.is_own:
        raise NotFound(_("There is no such label."))
    return found


def inverse_of(label: Label) -> Label:
    """The same seen from the other side."""
    return find(label.to_type, label.from_type, label.inverse_id)


def require(from_type: str, to_type: str, type_ids: Collection[int]) -> None:
    """Hold the account's own labels of these numbers, so that nobody deletes them meanwhile. Raises Invalid."""
    if not type_ids:
        return
    held = sql.rows(
        "select type_id from crm_associationlabel where account_id = %s and from_type = %s and to_type = %s and type_id = any(%s)"
        " order by id for key share",
        [current_account_id(), from_type, to_type, sorted(type_ids)],
    )
    if missing := sorted({*type_ids} - {found[0] for found in held}):
        raise Invalid(
            _("There is no label %(id)s from %(from_type)s to %(to_type)s.")
            % {"id": missing[0], "from_type": from_type, "to_type": to_type},
            field="labels",
            value=missing[0],
            hint=_("Choose one of the labels of these two kinds of records."),
        )


# ── verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def ensure(
    from_type: str, to_type: str, name: str, label: str, inverse_label: str, *, by: Actor
) -> Label | None:
    """The account's label of this name, or of these words; made where there is none. None where there are too many."""
    found = _known(from_type, to_type, name, label)
    if found is None:
        _lock()  # somebody else may have made it
        found = _known(from_type, to_type, name, label)
    if found is not None:
        return found
    try:
        return create(from_type, to_type, label, inverse_label, name=name, category=INTEGRATOR_DEFINED, by=by)
    except Invalid:
        return None


def _known(from_type: str, to_type: str, name: str, word: str) -> Label | None:
    own = own_of(from_type, to_type)
    return next((one for one in own if one.name == name), None) or next(
        (one for one in own if one.label.casefold() == word.casefold()), None
    )


def create(
    from_type: str,
    to_type: str,
    label: str,
    inverse_label: str = "",
    *,
    name: str = "",
    category: str = USER_DEFINED,
    by: Actor,
) -> Label:
    """Make a label for what records of `to_type` are to those of `from_type`, or with `inverse_label` a pair of them.

    Raises Invalid, naming the field, for words and kinds that can't be taken; Conflict for a word that there is already.
    """
    if not may_link(from_type, to_type):
        raise Invalid(_("Records of these kinds can't be linked."), field="to_type", value=to_type)
    _lock()
    words = [_word("label", label)]
    if inverse_label.strip():
        words.append(_word("inverse_label", inverse_label))
    if len(words) == 2 and words[0].casefold() == words[1].casefold():
        words.pop()  # the same word both ways is a single one
    if _how_many(from_type, to_type) >= LIMIT:
        raise Invalid(
            _("There are at most %(count)s labels between two kinds of records.") % {"count": LIMIT},
            field="label",
            value=label,
            hint=_("Delete one that is no longer needed."),
        )
    _refuse_taken(from_type, to_type, words[0], "label")
    if len(words) == 2 or from_type != to_type:
        _refuse_taken(to_type, from_type, words[-1], "inverse_label" if len(words) == 2 else "label")
    own_name = _free_name(from_type, to_type, name, words[0])
    back_name = _free_name(to_type, from_type, "", words[-1], but=own_name if from_type == to_type else "")
    ids = sql.ids("crm_associationlabel", 2)
    type_id = FIRST_OWN_TYPE + ids[0]
    inverse_id = FIRST_OWN_TYPE + ids[1] if len(words) == 2 else type_id
    rows = [
        _row(ids[0], type_id, inverse_id, from_type, to_type, category, own_name, words[0]),
        _row(ids[1], inverse_id, type_id, to_type, from_type, category, back_name, words[-1]),
    ]
    if len(words) == 1 and from_type == to_type:
        rows.pop()
    AssociationLabel.objects.bulk_create(rows)
    _changed("created", ids[0], by, after=_told(rows))
    return find(from_type, to_type, type_id)


def rename(
    from_type: str, to_type: str, type_id: int, label: str, inverse_label: str = "", *, by: Actor
) -> Label:
    """Give it another word, or a pair two; its numbers and names stay, so whatever uses it goes on (R-PIPE-7).

    Raises Invalid, Conflict as `create`; NotFound.
    """
    _lock()
    found = find(from_type, to_type, type_id)
    words = {found.type_id: _word("label", label)}
    if found.is_paired:
        words[found.inverse_id] = _word("inverse_label", inverse_label or inverse_of(found).label)
    rows = _rows_of(found)
    before = _told(rows)
    for row in rows:
        if words[row.type_id].casefold() != row.label.casefold():
            field = "label" if row.type_id == type_id else "inverse_label"
            _refuse_taken(row.from_type, row.to_type, words[row.type_id], field, but=row.pk)
        row.label = words[row.type_id]
    AssociationLabel.objects.bulk_update(rows, ["label"])
    if before != _told(rows):
        _changed("renamed", rows[0].pk, by, before=before, after=_told(rows))
    return find(from_type, to_type, type_id)


def delete(from_type: str, to_type: str, type_id: int, *, links: int, by: Actor) -> None:
    """Take the definition away, both ways. No link may bear it any more: `records/labeling.py` has the verb that sees to it.

    `links` tells the audit how many did.
    """
    _lock()
    rows = _rows_of(find(from_type, to_type, type_id))
    AssociationLabel.objects.filter(pk__in=[row.pk for row in rows]).delete()
    _changed("deleted", rows[0].pk, by, before=_told(rows) | {"links": links})


def _row(
    pk: int, type_id: int, inverse_id: int, from_type: str, to_type: str, category: str, name: str, label: str
) -> AssociationLabel:
    return AssociationLabel(
        pk=pk, account_id=current_account_id(), type_id=type_id, inverse_id=inverse_id, from_type=from_type, to_type=to_type,
        category=category, name=name, label=label,
    )  # fmt: skip


def _word(field: str, label: str) -> str:
    word = one_line(label)
    if not 0 < len(word) <= LABEL_LIMIT:
        raise Invalid(
            _("A label has 1 to %(count)s characters.") % {"count": LABEL_LIMIT},
            field=field,
            value=label[:LABEL_LIMIT],
        )
    return word


def _refuse_taken(from_type: str, to_type: str, word: str, field: str, but: int = 0) -> None:
    same = AssociationLabel.objects.filter(
        account_id=current_account_id(), from_type=from_type, to_type=to_type, label__iexact=word
    ).exclude(pk=but)
    is_primary = (from_type, to_type) in PRIMARY_TYPES and word.casefold() in (
        PRIMARY.casefold(),
        _(PRIMARY).casefold(),
    )
    if is_primary or same.exists():
        raise Invalid(
            _("There is a label “%(label)s” between these kinds of records already.") % {"label": word},
            field=field,
            value=word,
            hint=_("Give it a word of its own."),
        )


def _free_name(from_type: str, to_type: str, asked: str, word: str, but: str = "") -> str:
    """The name that programs use. Raises Invalid for one that was asked for and can't be had."""
    taken = {label.name for label in own_of(from_type, to_type)} | {but}
    if asked:
        if not _NAME.fullmatch(asked):
            raise Invalid(
                _("A label's name has small letters, digits and underscores, and begins with a letter."),
                field="name",
                value=asked,
            )
        if asked in taken:
            raise Conflict(_("There is a label named %(name)s already.") % {"name": asked})
        return asked
    name = first = suggested_name(word)[: NAME_LIMIT - 10] or "label"
    count = 2
    while name in taken:
        name, count = f"{first}_{count}", count + 1
    return name


def _how_many(from_type: str, to_type: str) -> int:
    """Definitions; the two rows of a pair within one kind are one."""
    return len({frozenset((label.type_id, label.inverse_id)) for label in own_of(from_type, to_type)})


def _rows_of(label: Label) -> list[AssociationLabel]:
    both = AssociationLabel.objects.filter(
        account_id=current_account_id(), type_id__in=(label.type_id, label.inverse_id)
    )
    return list(both.select_for_update().order_by("pk"))


def _lock() -> None:
    """One at a time changes an account's labels, and reads what the one before wrote."""
    sql.execute(
        "select pg_advisory_xact_lock(hashtextextended('deskhand.association_labels', %s))",
        [current_account_id()],
    )
    current_scope().notes.pop(_NOTE, None)


def _told(rows: Sequence[AssociationLabel]) -> dict[str, object]:
    return {
        "from_type": rows[0].from_type,
        "to_type": rows[0].to_type,
        "label": " / ".join(dict.fromkeys(row.label for row in rows)),
    }


def _changed(
    did: str,
    pk: int,
    by: Actor,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    audit.record(f"association_label.{did}", by=by, target_type="association_label", target_id=pk, before=before, after=after)  # fmt: skip
    current_scope().notes.pop(_NOTE, None)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _all() -> list[Label]:
    """All of the open account; read once per transaction."""
    notes = current_scope().notes
    found = notes.get(_NOTE)
    if not isinstance(found, list):
        found = notes[_NOTE] = [*_primary(), *_read()]
    return found


def _primary() -> list[Label]:
    return [
        Label(
            primary.type_id, PRIMARY_TYPES[to_type, from_type].type_id, from_type, to_type, PRODUCT_DEFINED, "primary", PRIMARY
        )
        for (from_type, to_type), primary in PRIMARY_TYPES.items()
    ]  # fmt: skip


def _read() -> list[Label]:
    fields = ("type_id", "inverse_id", "from_type", "to_type", "category", "name", "label")
    rows = AssociationLabel.objects.filter(account_id=current_account_id()).order_by("pk")
    return [Label(*row) for row in rows.values_list(*fields)]
