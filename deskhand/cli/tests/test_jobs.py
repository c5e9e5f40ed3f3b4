"""Slow jobs that were given up: seen by the check, listed with their reason, and given another round."""

import argparse

import pytest

from deskhand.cli import check, jobs
from deskhand.kernel import jobs as slow_jobs
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.models import JobFailure


@pytest.fixture
def given_up(db) -> int:
    """A job of account 7 that failed for good."""
    with account_scope(7):
        slow_jobs.enqueue("tests.import", {"file": "cars.csv"})
        [(job_id,)] = sql.rows("select id from procrastinate_jobs")
        JobFailure.objects.create(
            account_id=7,
            job_id=job_id,
            tries=5,
            error="ValueError: no\nsuch file",
            failed_at="2026-11-21T07:00Z",
        )
    sql.execute("update procrastinate_jobs set status = 'failed'")
    return job_id


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    jobs.add_parser(parser.add_subparsers())
    return jobs.run(parser.parse_args(["jobs", *words]))


@pytest.mark.django_db
def test_all_is_well_without_any():
    assert check._jobs() == []


def test_the_check_names_them_and_the_way_out(given_up):
    [problem] = check._jobs()

    assert problem.id == "deskhand.W010"
    assert "1 slow job was given up: tests.import." in problem.msg
    assert "deskhand jobs again" in problem.hint


def test_the_list_says_why(given_up, capsys):
    assert run("list") == 0

    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{given_up}  2026-11-21 07:00  account 7  tests.import")
    assert line.endswith("5 tries  ValueError: no such file")


@pytest.mark.parametrize("chosen", [True, False])
def test_they_are_given_another_round(given_up, chosen, capsys):
    assert run("again", *([str(given_up)] if chosen else [])) == 0

    assert sql.rows("select status::text from procrastinate_jobs") == [("todo",)]
    assert "1 will be tried again." in capsys.readouterr().out
    assert check._jobs() == []


def test_a_wrong_number_is_named(given_up, capsys):
    assert run("again", "999999") == 1

    assert "999999: not given up" in capsys.readouterr().err
