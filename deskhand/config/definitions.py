"""A workflow's definition with names in place of ids, and back. The walk knows where ids stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from deskhand.automation import standings, tokens, triggers
from deskhand.automation.actions.others import AS
from deskhand.config.names import BUILT_IN, Names, bare
from deskhand.config.things import Thing
from deskhand.crm.filters import as_json
from deskhand.crm.filters.types import Condition
from deskhand.crm.schema import clock_names
from deskhand.crm.schema.defaults import FIRST_OWN_TYPE
from deskhand.crm.schema.types import Kind
from deskhand.kernel.text import whole

#: Settings of actions that hold ids, whatever the action, and what an id is there.
SETTINGS: dict[str, tuple[Thing, type]] = {
    "template": (Thing.MAIL, str),
    "users": (Thing.USER, int),
    "teams": (Thing.TEAM, int),
    "assignee": (Thing.USER, str),
    "owner": (Thing.USER, str),
    "workflow": (Thing.WORKFLOW, str),
    "segment": (Thing.SEGMENT, str),
    "subscription": (Thing.SUBSCRIPTION, str),
    "stage": (Thing.STAGE, str),
    "queue": (Thing.QUEUE, str),
    "label": (Thing.LABEL, str),
    "labels": (Thing.LABEL, str),
}
#: Settings whose choices are numbers of minutes, which are the same everywhere.
AMOUNTS = {"remind"}
#: Settings that hold a kind of record; elsewhere they hold other words, which stay.
_KINDS = ("record_type", "on", "target", "object_type", "to")
#: What stands in place of an id.
_WORDS = {"", "all", "owner", "nobody", "contact_owner"}
_MEMBERS = {**dict.fromkeys(standings.ALL, Thing.WORKFLOW), "segment": Thing.SEGMENT}
#: Of leaving: segments that are kept out, and workflows whose records are taken over.
_NAMED = {"segments": Thing.SEGMENT, "workflows": Thing.WORKFLOW}
#: A clock that a text names, with a status's id or, in brackets, its name: `ticket.hs_v2_date_entered_<open>`.
_CLOCK = re.compile(rf"(?:\b(\w+)\.)?\b({'|'.join(clock_names.SORTS)})_(?:([0-9]+)\b|<([^<>{{}}]*)>)")


def out(definition: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """With names."""
    object_type = str(definition["object_type"])
    return {**_outwards(names).of(definition, object_type, ""), "object_type": names.type_out(object_type)}


def back(definition: Mapping[str, Any], names: Names, path: str) -> dict[str, Any]:
    """With ids. Raises Invalid, naming the path, for a name that there is not."""
    object_type = names.type_back(str(definition.get("object_type")), f"{path}.object_type")
    return {**_backwards(names).of(definition, object_type, path), "object_type": object_type}


def condition_out(condition: Mapping[str, Any], object_type: str, names: Names) -> Any:
    """A condition alone, with names; `object_type` is the kind's own id."""
    return _outwards(names).of(condition, object_type, "")


def condition_back(condition: Mapping[str, Any], object_type: str, names: Names, path: str) -> Condition:
    """The condition that is written with names. Raises Invalid."""
    return as_json.from_json(_backwards(names).of(condition, object_type, path), path)


def condition_compared(condition: Mapping[str, Any], object_type: str, names: Names) -> Any:
    return _bared(names).of(condition, object_type, "")


def text_out(text: str, names: Names) -> str:
    """A text whose tokens name statuses by what they are called."""
    return _outwards(names).text(text, "", "")


def text_back(text: str, names: Names, path: str) -> str:
    """The text with ids in its tokens. Raises Invalid, naming the path."""
    return _backwards(names).text(text, "", path)


def compared(definition: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """The names without what stands there for the reader only."""
    object_type = names.type_back(str(definition.get("object_type")), "definition.object_type")
    found: dict[str, Any] = _bared(names).of(definition, object_type, "")
    return found


def _outwards(names: Names) -> _Walk:
    return _Walk(names, lambda thing, value, path, of: _name(names, thing, value, of), lambda one, _path: names.type_out(one), False)  # fmt: skip


def _backwards(names: Names) -> _Walk:
    return _Walk(
        names, lambda thing, value, path, of: _id(names, thing, value, path, of), names.type_back, True
    )


def _bared(names: Names) -> _Walk:
    return _Walk(
        names, lambda thing, value, _path, _of: bare(thing, value) if isinstance(value, str) else value, lambda one, _path: one, True
    )  # fmt: skip


def _name(names: Names, thing: Thing, value: Any, object_type: str) -> Any:
    """What is no id stays: the owner, a built-in mail."""
    is_id = isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit())
    if not is_id or isinstance(value, bool) or _is_product_label(thing, value):
        return value
    return names.out(thing, value, object_type)


def _is_product_label(thing: Thing, value: Any) -> bool:
    """Whether it is the number of one of the product's own labels, which is the same everywhere."""
    number = whole(str(value)) if thing is Thing.LABEL else None
    return number is not None and number <= FIRST_OWN_TYPE


def _id(names: Names, thing: Thing, value: Any, path: str, object_type: str) -> Any:
    if (
        not isinstance(value, str)
        or (thing is Thing.USER and "@" not in value)
        or _is_product_label(thing, value)
    ):
        return value
    return names.back(thing, value, path, object_type)


class _Walk:
    """One way through a definition. `turn` gives a value's other side, `turn_type` a kind of record's."""

    def __init__(
        self,
        names: Names,
        turn: Callable[[Thing, Any, str, str], Any],
        turn_type: Callable[[str, str], str],
        is_back: bool,
    ) -> None:
        self.names, self.turn, self.turn_type, self.is_back = names, turn, turn_type, is_back

    def of(self, value: Any, object_type: str, path: str) -> Any:
        if isinstance(value, str):
            return self.text(value, object_type, path)
        if isinstance(value, list):
            return [self.of(one, object_type, f"{path}[{place}]") for place, one in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if "operator" in value:
            return self._filter(value, object_type, path)
        if "associated" in value:
            return self._associated(value, object_type, path)
        inside = {name: self.of(one, object_type, f"{path}.{name}") for name, one in value.items()}
        if value.get("member_of") in _MEMBERS:
            thing = _MEMBERS[value["member_of"]]
            return {
                **inside,
                "ids": [self.turn(thing, one, f"{path}.ids", object_type) for one in value["ids"]],
            }
        if value.get("type") == "action":
            return {
                **inside,
                "settings": self._settings(value.get("settings") or {}, object_type, f"{path}.settings"),
            }
        if named := [name for name in _NAMED if isinstance(value.get(name), list)]:
            return inside | {
                name: [self.turn(_NAMED[name], one, f"{path}.{name}", object_type) for one in value[name]]
                for name in named
            }
        if value.get("type") == "value_equals" and isinstance(value.get("of"), str):
            return {
                **inside,
                "cases": [self._case(one, value["of"], object_type, path) for one in inside["cases"]],
            }
        if isinstance(value.get("kind"), str) and "." in value["kind"]:
            kind, _dot, rest = value["kind"].partition(".")
            return {
                **inside,
                "kind": f"{self.turn_type(kind, path)}.{rest}" if self._is_own(kind) else value["kind"],
            }
        return inside

    def _is_own(self, kind: str) -> bool:
        """Whether events of this kind are about an own kind of record; others are about built-in ones and threads."""
        return kind.startswith("2-") or (self.is_back and self.names.is_own(kind))

    def _clock(self, name: str, object_type: str, path: str) -> str:
        """The name of a property, with the other side of the status in it if it is a clock (R-PROP-3)."""
        begins, stage = clock_names.split(name)
        return f"{begins}_{self.turn(Thing.STAGE, stage, path, object_type)}" if begins else name

    def text(self, text: str, object_type: str, path: str) -> str:
        """The name of a property, or a text with those of clocks in its tokens; any other text as it is."""
        if not tokens.has_tokens(text):
            return self._clock(text, object_type, path)

        def turned(found: re.Match[str]) -> str:
            word, begins, stage_id, name = found.groups()
            kind = self._spoken_of(word, object_type)
            if not kind or (stage_id is None) != self.is_back:
                return found[0]
            stage = self.turn(Thing.STAGE, name if self.is_back else stage_id, path, kind)
            token = str(stage) if self.is_back else f"<{bare(Thing.STAGE, stage)}>"
            return f"{word}.{begins}_{token}" if word else f"{begins}_{token}"

        return _CLOCK.sub(turned, text)

    def _spoken_of(self, word: str | None, object_type: str) -> str:
        """The kind of record that a token is about."""
        if not word or word == tokens.word_of(object_type):
            return object_type
        if word in BUILT_IN:
            return word
        return self.names.type_back(word, "") if self.names.is_own(word) else object_type

    def _filter(self, value: Mapping[str, Any], object_type: str, path: str) -> dict[str, Any]:
        if value.get("property") == triggers.TO_TYPE:
            kinds = [self.turn_type(str(one), f"{path}.values") for one in value.get("values", ())]
            return {**value, "values": kinds} if kinds else dict(value)
        thing = self.names.of_property(object_type, str(value.get("property")))
        if thing is None:
            name = self._clock(str(value.get("property")), object_type, f"{path}.property")
            return {**value, "property": name}
        if "values" not in value:
            return dict(value)
        as_text = value.get("kind") in (Kind.ENUM, Kind.MULTI)
        turned = [self.turn(thing, one, f"{path}.values", object_type) for one in value["values"]]
        return {**value, "values": [str(one) if as_text else one for one in turned]}

    def _associated(self, value: Mapping[str, Any], object_type: str, path: str) -> dict[str, Any]:
        """Inside, properties are of the other kind of record; ids say which one that is here."""
        to = str(value["associated"])
        turned = self.turn_type(to, f"{path}.associated")
        here = turned if self.is_back else to
        named = self._link_type(value, path)
        return {
            **value,
            **named,
            "associated": turned,
            "where": self.of(value["where"], here, f"{path}.where"),
        }

    def _link_type(self, value: Mapping[str, Any], path: str) -> dict[str, Any]:
        number = value.get("type_id")
        return {} if number is None else {"type_id": self.turn(Thing.LABEL, number, f"{path}.type_id", "")}

    def _case(self, case: Mapping[str, Any], property: str, object_type: str, path: str) -> dict[str, Any]:
        thing = self.names.of_property(object_type, property)
        value = (
            case["value"]
            if thing is None
            else str(self.turn(thing, case["value"], f"{path}.cases", object_type))
        )
        return {**case, "value": value}

    def _settings(self, settings: Mapping[str, Any], object_type: str, path: str) -> dict[str, Any]:
        here = self._kind(settings, object_type)
        found = {
            name: self._setting(name, value, settings, here, f"{path}.{name}")
            for name, value in settings.items()
        }
        for name in _KINDS:
            if isinstance(found.get(name), str) and self._is_own(found[name]):
                found[name] = self.turn_type(found[name], f"{path}.{name}")
        return found

    def _kind(self, settings: Mapping[str, Any], object_type: str) -> str:
        """The kind of record that the action is about; its properties are meant."""
        for name in _KINDS:
            kind = settings.get(name)
            if isinstance(kind, str) and (kind in BUILT_IN or self._is_own(kind)):
                return self.names.type_back(kind, name) if self.is_back else kind
        return object_type

    def _setting(self, name: str, value: Any, settings: Mapping[str, Any], here: str, path: str) -> Any:
        if name in SETTINGS:
            thing, as_type = SETTINGS[name]
            return self._each(thing, value, path, here, as_type)
        if name == "associate" and isinstance(value, list):
            return [self._linked(str(one), path) for one in value]
        if name == "value" or name.startswith("value_"):
            asked = str(settings.get("property")) if name == "value" else name.removeprefix("value_")
            of_value = self.names.of_property(here, asked)
            if of_value is not None:
                return self._each(of_value, value, path, here, int)
        if name == "from" and isinstance(value, str):
            word, dot, own = value.partition(".")
            return f"{word}{dot}{self._clock(own, here, path)}"
        return self.of(value, here, path)

    def _linked(self, value: str, path: str) -> str:
        """A kind of linked records, with the label of their links if there is one: "contact:12" (actions/others.py)."""
        kind, colon, label = value.partition(AS)
        turned = self.turn_type(kind, path) if self._is_own(kind) else kind
        return f"{turned}{colon}{self.turn(Thing.LABEL, label, path, '')}" if label else f"{turned}{colon}"

    def _each(self, thing: Thing, value: Any, path: str, object_type: str, as_type: type) -> Any:
        if isinstance(value, list):
            return [self._each(thing, one, path, object_type, as_type) for one in value]
        if value is None or isinstance(value, bool) or value in _WORDS:
            return value
        turned = self.turn(thing, value, path, object_type)
        return as_type(turned) if self.is_back and isinstance(turned, int) else turned
