"""Names of object types in every spelling (api.md §1.2), and the scopes that their operations ask for."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.api import refusals
from deskhand.api.operations import Call, Needs
from deskhand.crm.schema import object_types

#: {kind: its names in addresses, plural first, and its number}
_BUILT_IN: Mapping[str, tuple[str, ...]] = {
    "contact": ("contacts", "contact", "0-1"),
    "company": ("companies", "company", "0-2"),
    "deal": ("deals", "deal", "0-3"),
    "ticket": ("tickets", "ticket", "0-5"),
    "project": ("projects", "project", "0-970"),
}
_BY_NAME = {name: kind for kind, names in _BUILT_IN.items() for name in names}


def named(text: str) -> str:
    """The kind of record that an address means. Needs the account's scope. Raises Refusal."""
    found = _BY_NAME.get(text.lower()) or _own(text)
    if found is None:
        raise refusals.bad(f"Unable to infer object type from: {text}", context={"type": [text]})
    return found


def _own(text: str) -> str | None:
    """One of the account's own, by its number or its name, which may stand behind "p_" or "p<account>_"."""
    begins, _, rest = text.partition("_")
    name = (
        rest
        if (rest and begins[:1] in ("p", "P") and begins[1:].isdigit()) or begins.lower() == "p"
        else text
    )
    for own in object_types.all_of_them().values():
        if text == own.key or name.lower() == own.name.lower():
            return own.key
    return None


def plural(kind: str) -> str:
    """As links between records are listed: "contacts", or the number of one of the account's own."""
    return _BUILT_IN[kind][0] if kind in _BUILT_IN else kind


def name(kind: str) -> str:
    """As types of links call it: "contact"; one of the account's own by its name."""
    return kind if kind in _BUILT_IN else object_types.find(kind).name


def every() -> list[str]:
    """All kinds of the open account."""
    return [*_BUILT_IN, *object_types.all_of_them()]


def number(kind: str) -> str:
    return _BUILT_IN[kind][-1] if kind in _BUILT_IN else kind


def _scopes(what: str, text: str, do: str) -> set[str]:
    kind = _BY_NAME.get(text.lower())
    if kind == "ticket":
        return {"tickets"}
    return {f"crm.{what}.{_BUILT_IN[kind][0] if kind else 'custom'}.{do}"}


def to_read_pipelines(part: str = "objectType") -> Needs:
    """Who may read such records may read where they stand."""
    names = ("objects", "read"), ("objects", "write"), ("schemas", "read"), ("schemas", "write")
    return lambda parts: set().union(*(_scopes(what, parts[part], do) for what, do in names))


def to_write_pipelines(part: str = "objectType") -> Needs:
    return lambda parts: _scopes("schemas", parts[part], "write")


def to_read(part: str = "objectType") -> Needs:
    """Who may write may read, too."""
    return lambda parts: _scopes("objects", parts[part], "read") | _scopes("objects", parts[part], "write")


def to_write(part: str = "objectType") -> Needs:
    return lambda parts: _scopes("objects", parts[part], "write")


def require_also(call: Call, part: str, do: str) -> None:
    """What a link leads to asks for a scope of its own. `do` is "read" or "write". Raises Refusal."""
    require_kind(call, call.parts[part], do)


def require_kind(call: Call, kind: str, do: str) -> None:
    """The same for a kind, by one of its names."""
    needed = (to_write if do == "write" else to_read)("kind")({"kind": kind})
    if call.token.scopes.isdisjoint(needed):
        raise refusals.unscoped(needed)


def to_shape(part: str, do: str) -> Needs:
    """To read or write what a kind of record is like; who reads its records may know it, too."""
    if do == "write":
        return lambda parts: _scopes("schemas", parts[part], "write")
    return lambda parts: {
        scope
        for what in ("schemas", "objects")
        for do in ("read", "write")
        for scope in _scopes(what, parts[part], do)
    }


def require_seen(viewer: Viewer, kind: str) -> None:
    """Raises Forbidden for a kind of record of which the viewer sees none, and whose properties they may not edit."""
    if not policy.reaches_any(viewer, kind):
        policy.require(viewer, Action.EDIT_PROPERTIES)
