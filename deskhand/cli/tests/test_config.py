"""`deskhand config` as people type it."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import pytest

from deskhand.accounts.models import Team
from deskhand.automation import templates
from deskhand.cli import config
from deskhand.config import stand_ins
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.testing.world import make_world

pytestmark = pytest.mark.django_db


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    config.add_parser(parser.add_subparsers())
    return config.run(parser.parse_args(["config", *words]))


def teams_of(account_id: int) -> set[str]:
    with account_scope(account_id):
        return set(Team.objects.filter(account_id=account_id).values_list("name", flat=True))


def test_a_file_goes_out_is_changed_shown_and_applied(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    account, file = make_world().account.pk, tmp_path / "nordlys.yaml"
    assert run("export", str(file)) == 0
    assert run("plan", str(file)) == 0
    assert "Nothing to do" in capsys.readouterr().out
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("teams:\n", "teams:\n  - name: Night\n").replace("Support pipeline", "Help"),
        encoding="utf-8",
    )
    assert run("plan", str(file)) == 0
    said = capsys.readouterr().out
    assert "+ teams: Night" in said
    assert "label: Support pipeline → Help" in said
    assert "1 to create, 1 to change, 0 to delete." in said
    monkeypatch.setattr("builtins.input", lambda _question: "n")
    assert run("apply", str(file)) == 1
    assert "Night" not in teams_of(account)
    monkeypatch.setattr("builtins.input", lambda _question: "y")
    assert run("apply", str(file)) == 0
    assert "Night" in teams_of(account)
    assert run("apply", "--yes", str(file)) == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_a_file_that_can_not_be_read_or_written_is_named(tmp_path: Path) -> None:
    make_world()
    raw = tmp_path / "raw.yaml"
    raw.write_bytes(b"teams:\n  - name: N\xe6ste\n")

    for words, said in (
        (("plan", str(tmp_path / "none.yaml")), "none.yaml: No such file or directory."),
        (("apply", str(tmp_path)), "Is a directory."),
        (("plan", str(raw)), "raw.yaml is not a text in UTF-8: look at line 2."),
        (("export", str(tmp_path / "no" / "way.yaml")), "way.yaml: No such file or directory."),
    ):
        with pytest.raises(Invalid) as refused:
            run(*words)
        assert str(refused.value).endswith(said)


def test_a_file_may_begin_with_the_mark_of_its_encoding(tmp_path: Path, capsys: Any) -> None:
    make_world()
    file = tmp_path / "marked.yaml"
    file.write_bytes("deskhand: 1\nteams:\n  - name: Næste\n".encode("utf-8-sig"))

    assert run("plan", str(file)) == 0
    assert "+ teams: Næste" in capsys.readouterr().out


def test_what_is_new_or_goes_is_told_in_words(tmp_path: Path, capsys: Any) -> None:
    """A status is shown with all that it is, as a file has it; one that goes by its place alone."""
    make_world()
    file = tmp_path / "nordlys.yaml"
    assert run("export", str(file)) == 0
    text = file.read_text(encoding="utf-8")
    first = text.index("    statuses:\n") + len("    statuses:\n")
    given = "      - id: later\n        label: Later\n        state: OPEN\n        tone: blue\n"
    file.write_text(text[:first] + given + text[first:], encoding="utf-8")

    assert run("plan", str(file)) == 0

    lines = capsys.readouterr().out.splitlines()
    assert "    statuses[later]: new (label: Later, state: OPEN, tone: blue)" in lines
    assert not [line for line in lines if "{" in line or "'" in line]
    assert run("apply", "--yes", str(file)) == 0
    capsys.readouterr()
    file.write_text(text, encoding="utf-8")
    assert run("plan", str(file)) == 0
    assert "    statuses[later]: goes" in capsys.readouterr().out.splitlines()


def test_of_long_texts_that_part_is_shown_which_is_other(tmp_path: Path, capsys: Any) -> None:
    account, file = make_world().account.pk, tmp_path / "nordlys.yaml"
    with account_scope(account):
        templates.ensure_defaults(account)
    assert run("export", str(file)) == 0
    text = file.read_text(encoding="utf-8")
    assert text.count("We have closed your request") == 1
    file.write_text(
        text.replace("We have closed your request", "We have solved your request"), encoding="utf-8"
    )
    assert run("plan", str(file)) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("body:")]
    assert "We have closed your" in line.partition("→")[0]
    assert "We have solved your" in line.partition("→")[2]


def test_standard_input_and_output_will_do(capsys: Any, monkeypatch: Any) -> None:
    account = make_world().account.pk
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"deskhand: 1\nteams:\n  - name: Night\n")))
    assert run("apply", "--yes", "-") == 0
    assert "teams: Support is not in the file and stays" in capsys.readouterr().out
    assert teams_of(account) == {"Support", "Night"}
    assert run("export") == 0
    assert "name: Night" in capsys.readouterr().out


def test_one_of_several_accounts_is_named() -> None:
    make_world()
    make_world("fjallbo")
    with pytest.raises(Invalid, match="several accounts"):
        run("export")
    assert run("export", "--account", "fjallbo") == 0


NEEDS = """deskhand: 1
teams:
  - name: Night
    main_members: [trudy@nordlys.example, mallory@nordlys.example]
routing:
  - channel: night@nordlys.example
segments:
  - of: ticket
    name: At night
    kind: FILTER
    condition: {property: hs_inbox_id, kind: ref, operator: any_of, values: [Night desk]}
"""


def test_what_must_be_made_first_is_told_at_once_with_the_way(tmp_path: Path, capsys: Any) -> None:
    account, file = make_world().account.pk, tmp_path / "night.yaml"
    file.write_text(NEEDS, encoding="utf-8")
    assert run("plan", str(file)) == 1
    said = capsys.readouterr().out
    assert "+ teams: Night" in said
    assert "user trudy@nordlys.example (teams[0].main_members[0])" in said
    assert "deskhand user create --account nordlys --email mallory@nordlys.example --name NAME" in said
    assert "channel night@nordlys.example (routing[0].channel)" in said
    assert "inbox Night desk (segments" in said
    assert "Settings › Channels, with its first channel" in said
    assert {str(one) for one in stand_ins.MADE_ELSEWHERE} == config.WAYS.keys()
    assert run("apply", "--yes", str(file)) == 1
    assert "Night" not in teams_of(account)
