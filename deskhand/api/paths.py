"""Addresses of the API: every spelling of one, with its version at any place, folds to the same (api.md §1.1)."""

from __future__ import annotations

import re
from typing import NamedTuple

_VERSION = re.compile(r"v\d|20\d\d-\d\d(-beta)?")
_DEEPEST = 4  # the version is one of the first segments
#: What an address of the API may begin with. Pages that begin so have no version in theirs.
_ROOTS = {
    "account-info", "api", "automation", "companies", "conversations", "crm", "crm-object-schemas", "crm-objects", "crm-pipelines", "deals",
    "engagements", "files", "form-integrations", "marketing", "oauth", "properties", "settings", "submissions",
    "visitor-identification", "webhooks",
}  # fmt: skip
_OURS = "api"  # has no version where it has none to tell apart
_OTHER_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {("crm", "schemas"): ("crm-object-schemas", "schemas")}
#: What is no record, but stands where records do, by its plural; records' own names are `kinds`'.
_BESIDE_RECORDS = {"task": "tasks", "tasks": "tasks", "0-27": "tasks"}
_OF_KINDS = (("crm", "objects"), ("crm", "properties"))


class Folded(NamedTuple):
    """An address without its version; `segments` are what is between the slashes."""

    segments: tuple[str, ...]
    version: str


def fold(path: str) -> Folded | None:
    """None for what is no address of the API."""
    segments = [segment for segment in path.split("/") if segment]
    if not segments or segments[0] not in _ROOTS:
        return None
    found = next((at for at, one in enumerate(segments[:_DEEPEST]) if _VERSION.fullmatch(one)), None)
    if found is None:
        return Folded(tuple(segments), "") if segments[0] == _OURS else None
    version = segments.pop(found)
    if tuple(segments[:2]) in _OF_KINDS and len(segments) > 2:
        segments[2] = _BESIDE_RECORDS.get(segments[2].lower(), segments[2])
    begins = _OTHER_NAMES.get(tuple(segments[:2]))
    return Folded((*(begins or segments[:2]), *segments[2:]), version)
