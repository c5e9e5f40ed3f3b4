"""Callbacks of other systems; that runs go on by them is tested where steps are (automation/tests/test_integrations.py)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

ONE, SEVERAL = "/automation/v4/actions/callbacks/x/complete", "/automation/v4/actions/callbacks/complete"


def post(path: str, body: Any) -> Any:
    return Client().post(path, body, content_type="application/json")


@pytest.mark.parametrize("path", [ONE, ONE.replace("v4/actions", "actions/2026-03"), f"{ONE}/"])
def test_it_asks_for_no_token_and_tells_nothing_of_an_id_that_nobody_waits_for(path: str, db: None) -> None:
    """R-WFA-4, api.md §3.6"""
    answer = post(path, {"outputFields": {}, "typedOutputs": {}})

    assert (answer.status_code, answer.json()["category"]) == (404, "OBJECT_NOT_FOUND")
    assert post(SEVERAL, {"inputs": [{"callbackId": "x", "outputFields": {}}]}).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [(ONE, {"outputFields": []}), (ONE, []), (ONE, "{"), (SEVERAL, {}), (SEVERAL, {"inputs": []}), (SEVERAL, {"inputs": [{}]}),
     (SEVERAL, {"inputs": [{"callbackId": "x"}] * 101})],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(path: str, body: Any, db: None) -> None:
    assert post(path, body).status_code == 400


def test_what_is_larger_than_anybody_may_send_is_refused(db: None) -> None:
    assert post(ONE, "x" * (1024 * 1024 + 1)).status_code == 413


def test_an_id_with_signs_that_no_database_takes_is_nobody_s(db: None) -> None:
    assert post(ONE.replace("/x/", "/%00/"), {}).status_code == 404
    assert post(SEVERAL, {"inputs": [{"callbackId": "\0"}]}).status_code == 404
