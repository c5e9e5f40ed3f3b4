"""Configuration as YAML: written so that people can read and compare it, read strictly."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from deskhand.kernel.errors import Invalid

#: {section: items}. Values are what JSON has.
Document = dict[str, list[dict[str, Any]]]

FORMAT = 1
HEAD = "deskhand"
LARGEST = 20_000_000  # characters


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks; lists stand inside what they belong to."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


class _Loader(yaml.SafeLoader):
    """Refuses a name that stands twice in one place; of such a pair one would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _value in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _refusal(f"“{key}” is a name and must be quoted.", key_node.start_mark)
            if key in seen:
                raise _refusal(f"“{key}” stands there twice.", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


#: Days and moments stay texts, as in JSON; so do `on`, `no` and their like (YAML 1.2), which are names and values here.
_NO_LONGER = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NO_LONGER]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def write(document: Document) -> str:
    return yaml.dump(
        {HEAD: FORMAT, **document}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=False
    )  # fmt: skip


def inline(value: Any) -> str:
    """A value in one line, as a file could have it; “–” for none. A text is as it is."""
    match value:
        case None:
            return "–"
        case str():
            return value
        case [*items] if items and all(isinstance(one, str) for one in items):
            return ", ".join(items)
    text = exact(value)
    return text[1:-1] if isinstance(value, dict) and value else text


def exact(value: Any) -> str:
    """A value in one line that the file can't take for another: a text that looks like a number stands in quotes."""
    if isinstance(value, str) and "\n" in value:  # in the file they stand as blocks
        return json.dumps(value, ensure_ascii=False)
    text = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"), default_flow_style=True
    )  # fmt: skip
    return text.removesuffix("...\n").strip()


def read(text: str) -> dict[str, Any]:
    """The sections of a document. Raises Invalid with line and column for what can't be read."""
    if len(text) > LARGEST:
        raise Invalid(f"The file has more than {LARGEST:,} characters.", field="file")
    try:
        found = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as unreadable:
        raise _refusal(
            str(unreadable.problem or "this can't be read"), unreadable.problem_mark
        ) from unreadable
    except (yaml.YAMLError, ValueError, RecursionError) as unreadable:
        raise Invalid(f"The file can't be read as YAML: {unreadable}", field="file") from unreadable
    if not isinstance(found, dict) or found.get(HEAD) != FORMAT:
        raise Invalid(
            f"This is no configuration: it must begin with “{HEAD}: {FORMAT}”.",
            field=HEAD,
            hint="Write one with “deskhand config export”.",
        )
    return {name: value for name, value in found.items() if name != HEAD}


def _refusal(what: str, mark: yaml.Mark | None) -> Invalid:
    where = f"Line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return Invalid(f"{where}{what}", field="file")
