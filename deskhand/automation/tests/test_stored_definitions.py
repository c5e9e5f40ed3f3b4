"""Definitions as earlier releases stored them are read for ever: revisions never change, and runs follow them (R-EDIT-4).

`stored/` has a file for each format there was, with every part that a definition can have. A file is never changed: what
a release can no longer read as it stands needs a data migration, and this test the file as that leaves it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deskhand.automation.engine import as_json
from deskhand.automation.engine.advance import EnrollmentFacts, Finished, Sleep, advance, beginning
from deskhand.automation.engine.definition import Definition
from deskhand.automation.tests.engine_cases import NOW
from deskhand.crm.filters.evaluate import RecordFacts

STORED = Path(__file__).parent / "stored"
FILES = sorted(STORED.glob("format-*.json"))
CASES = [(file.name, name) for file in FILES for name in json.loads(file.read_text())]


def kept(file: str, name: str) -> dict[str, object]:
    return dict(json.loads((STORED / file).read_text())[name])


def test_each_format_that_was_stored_has_a_file():
    assert [file.name for file in FILES] == [f"format-{n}.json" for n in range(1, as_json.FORMAT + 1)]


@pytest.mark.parametrize(("file", "name"), CASES)
def test_what_an_earlier_release_stored_is_read_and_walked(file, name):
    definition = Definition.from_json(kept(file, name))

    assert len(definition.steps) == 11
    assert {**definition.to_json(), "format": kept(file, name)["format"]} == kept(file, name)
    outcome = advance(definition, beginning(definition), RecordFacts(), NOW, EnrollmentFacts(1))
    assert isinstance(
        outcome, Finished if name == "when_true" else Sleep
    )  # until Monday; who does not meet it leaves


def test_every_part_that_can_be_stored_is_in_the_file_of_the_newest_format():
    newest = (STORED / f"format-{as_json.FORMAT}.json").read_text()
    assert not [kind for kind in as_json._TYPES.values() if f'"type": "{kind}"' not in newest]
