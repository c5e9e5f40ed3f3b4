"""Values that only one record of a kind may have (`has_unique_value`): each is claimed by its record, and PostgreSQL keeps claims apart.

Claims are written in the transaction of the value itself; who wants one that another transaction is about to take waits
for it. Texts are the same when filters say so (large and small letters are), without the blanks around them; empty
values are nobody's. What is put away keeps its values, claims none, and takes them up again when it comes back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from deskhand.crm.filters.folding import fold
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.crm.schema.queries import unique_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import attempt, current_account_id
from deskhand.kernel.errors import Invalid

Values = Mapping[int, Mapping[str, Any]]  # by record, by property; None clears
_WHOLE = 200  # characters of a key; of longer texts it ends with a digest, as an index holds no long ones


class NotUnique(Invalid):
    """The value of `field` is another record's: `holder_id`. `refused` are all such records of the set, each with its own."""

    def __init__(self, object_type: str, prop: Property, value: Any, holder_id: int | None) -> None:
        super().__init__(
            _("Another record has the value “%(value)s” in “%(property)s” already.")
            % {"value": str(value)[:_WHOLE], "property": _(prop.label)},
            field=prop.name, value=value, hint=_("Give another value, or change the other record first."),
        )  # fmt: skip
        self.object_type, self.holder_id = object_type, holder_id
        self.refused: Mapping[int, NotUnique] = {}


class _Claim(NamedTuple):
    prop: Property
    key: str
    record_id: int
    value: Any


def key_of(prop: Property, value: Any) -> str:
    """What two stored values that count as the same have in common; empty for what claims nothing."""
    if value is None:
        return ""
    if prop.kind is Kind.NUMBER:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            return ""
        text = "0" if not number else format(number.normalize(), "f") if number.is_finite() else ""
    else:
        text = fold(str(value).strip())
    return text if len(text) <= _WHOLE else f"{text[:_WHOLE]}:{sha256(text.encode()).hexdigest()}"


def follow(object_type: str, values: Values, *, are_new: bool = False) -> None:
    """Claim what these records are about to have, or have just got, and let go of what they had; other properties stay.

    Nothing is asked of the database where no such property is named. Raises NotUnique for the first that can't have its
    value, and then changes nothing; who calls it before writing anything has nothing to undo.
    """
    if named := _named(object_type, values):
        _claim(object_type, named, are_new)


def _claim(object_type: str, named: Sequence[tuple[int, Property, Any]], are_new: bool = False) -> None:
    claims = [_Claim(prop, key, record_id, value) for record_id, prop, value in named if (key := key_of(prop, value))]  # fmt: skip
    with attempt():
        if not are_new:
            columns = [prop.definition_id for _, prop, _ in named], [record for record, _, _ in named]
            sql.execute(_RELEASE, [current_account_id(), *columns])
        _take(object_type, claims)


def _named(object_type: str, values: Values) -> list[tuple[int, Property, Any]]:
    known = unique_of(object_type) if any(values.values()) else {}
    return [
        (record_id, known[name], value)
        for record_id, given in (values.items() if known else ())
        for name, value in given.items()
        if name in known
    ]


def claim_anew(object_type: str, prop: Property, values: Mapping[int, Any]) -> None:
    """Let these records, which the caller holds, claim what they have, and nothing else. Raises NotUnique, as `follow`."""
    _claim(object_type, [(record_id, prop, value) for record_id, value in values.items()])


def follow_some(object_type: str, values: Values) -> dict[int, NotUnique]:
    """As `follow`, but the records that can't have their values are left as they were, and returned with the reason."""
    refused: dict[int, NotUnique] = {}
    named = _named(object_type, values)
    while named:
        try:
            _claim(object_type, named)
        except NotUnique as refusal:
            refused |= refusal.refused  # a value that one of them would have let go may be missing now: again
            named = [one for one in named if one[0] not in refused]
        else:
            break
    return refused


def _take(object_type: str, claims: Sequence[_Claim]) -> None:
    """In the order of the keys, so that two sets never wait for each other in a circle."""
    if not claims:
        return
    wanted = sorted(claims, key=lambda one: (one.prop.definition_id, one.key, one.record_id))
    columns = [[c.prop.definition_id for c in wanted], [c.key for c in wanted], [c.record_id for c in wanted]]
    made = set(sql.rows(_CLAIM, [current_account_id(), *columns]))
    missing = [c for c in wanted if (c.prop.definition_id, c.record_id) not in made]
    if not missing:
        return
    known = held([(c.prop.definition_id, c.key) for c in missing])
    refused = {
        c.record_id: NotUnique(object_type, c.prop, c.value, known.get((c.prop.definition_id, c.key)))
        for c in missing
    }
    first = refused[missing[0].record_id]
    first.refused = refused
    raise first


def held(keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """{(definition, key): the record that has it}, of keys as `key_of` makes them. One query."""
    found = sql.rows(_HELD, [current_account_id(), [one for one, _key in keys], [key for _one, key in keys]])
    return {(property_id, key): record_id for property_id, key, record_id in found}


def holders(prop: Property, keys: Collection[str]) -> dict[str, int]:
    """{key: the record that has it}, of keys as `key_of` makes them. One query."""
    found = held([(prop.definition_id, key) for key in sorted(keys)])
    return {key: record_id for (_property_id, key), record_id in found.items()}


_RELEASE = """
delete from crm_uniquevalue where account_id = %s and (property_id, record_id) in (select * from unnest(%s::bigint[], %s::bigint[]))
"""
_CLAIM = """
insert into crm_uniquevalue (account_id, property_id, key, record_id)
select %s, x.* from unnest(%s::bigint[], %s::text[], %s::bigint[]) x
on conflict (account_id, property_id, key) do nothing returning property_id, record_id
"""
_HELD = """
select property_id, key, record_id from crm_uniquevalue
where account_id = %s and (property_id, key) in (select * from unnest(%s::bigint[], %s::text[]))
"""


# ── away and back ────────────────────────────────────────────────────────────────────────────────────────────────────


#: Lets others have the values of records that are put away, which keep them: for the records of `locked`, in the
#: statement that puts them away, so that it costs none where nothing is unique. Takes the account and the kind.
RELEASED = """released as (delete from crm_uniquevalue u using locked, crm_propertydefinition d
where u.account_id = %s and u.record_id = locked.id and d.id = u.property_id and d.account_id = u.account_id and d.object_type = %s)"""
#: Whether a kind of record has such properties. Takes the account and the kind.
IS_ANY = "exists (select from crm_propertydefinition d where d.account_id = %s and d.object_type = %s and d.has_unique_value)"


def release(object_type: str, record_ids: Sequence[int], *, only: int | None = None) -> None:
    """Let others have the values of these records, or those of one property."""
    ids = [
        prop.definition_id for prop in unique_of(object_type).values() if only in (None, prop.definition_id)
    ]
    if ids and record_ids:
        sql.execute(
            "delete from crm_uniquevalue where account_id = %s and property_id = any(%s) and record_id = any(%s)",
            [current_account_id(), ids, list(record_ids)],
        )


def claim_again(object_type: str, record_ids: Sequence[int]) -> None:
    """Claim what records that come back have. Raises NotUnique, as `follow`, where a value is another's by now."""
    if unique_of(object_type):
        follow(object_type, _values(object_type, record_ids))


def taken_meanwhile(object_type: str, record_ids: Sequence[int]) -> dict[int, dict[str, None]]:
    """What records that come back can't have any more, as changes that clear it."""
    lost: dict[int, dict[str, None]] = {}
    if not unique_of(object_type):
        return lost
    had = _named(object_type, _values(object_type, record_ids))
    wanted = [
        (record_id, prop.name, (prop.definition_id, key_of(prop, value))) for record_id, prop, value in had
    ]
    holding = held([key for _pk, _name, key in wanted])
    for record_id, name, key in wanted:
        if holding.get(key, record_id) != record_id:
            lost.setdefault(record_id, {})[name] = None
    return lost


def _values(object_type: str, record_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What they have in such properties, those included that are out of use."""
    names = list(unique_of(object_type))
    found = sql.rows(
        f"select t.id, x.name, t.properties -> x.name from {table_of(object_type)} t, unnest(%s::text[]) x(name)"
        f" where t.account_id = %s and t.id = any(%s) and {of_this_type(object_type)} and t.properties ? x.name order by t.id for no key update of t",
        [names, current_account_id(), list(record_ids)],
    )
    values: dict[int, dict[str, Any]] = {}
    for record_id, name, value in found:
        values.setdefault(record_id, {})[name] = sql.loads(value)
    return values
