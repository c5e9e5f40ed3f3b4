"""PyPI's hubspot-sdk, which writes addresses with dates for versions (api.md §5)."""

from __future__ import annotations

from typing import Any

import pytest

hubspot_sdk = pytest.importorskip("hubspot_sdk")


@pytest.fixture
def client(served: Any) -> Any:
    with hubspot_sdk.HubSpot(access_token=served.token, base_url=served.address) as made:
        yield made


def test_tickets_by_addresses_with_dates(client):
    """api.md §1.1, §2.1, §1.7: made, read, changed, searched, in batches, put away."""
    api = client.crm.objects.tickets
    made = api.create(properties={"subject": "Broken", "hs_pipeline_stage": "1"}, associations=[])
    other = api.create(properties={"subject": "Broken, too", "hs_pipeline_stage": "1"}, associations=[])
    assert api.update(made.id, properties={"hs_pipeline_stage": "2"}).properties["hs_pipeline_stage"] == "2"
    read = api.get(
        made.id, properties=["subject", "hs_pipeline_stage"], properties_with_history=["hs_pipeline_stage"]
    )
    assert [one.value for one in read.properties_with_history["hs_pipeline_stage"]] == ["2", "1"]

    found = api.search(
        filter_groups=[
            {"filters": [{"propertyName": "subject", "operator": "CONTAINS_TOKEN", "value": "broken"}]}
        ],
        properties=["subject"],
        sorts=["subject"],
        limit=1,
        after="0",
    )
    assert (found.total, [one.id for one in found.results]) == (2, [made.id])

    assert {one.id for one in api.list(limit=1)} == {made.id, other.id}  # follows pages by itself
    batch = api.batch.get(
        inputs=[{"id": made.id}, {"id": "999999"}], properties=["subject"], properties_with_history=[]
    )
    assert [one.id for one in batch.results] == [made.id]

    api.delete(made.id)
    with pytest.raises(hubspot_sdk.NotFoundError):
        api.get(made.id)


def test_settings_by_addresses_with_dates(client, served):
    """api.md §2.2 to §2.4."""
    pipelines = client.crm.pipelines.list("tickets").results
    assert [stage.id for stage in pipelines[0].stages] == ["1", "2", "3", "4"]
    owners = list(client.crm.owners.list(limit=100))
    assert served.world.ada.email in [one.email for one in owners]
    names = [one.name for one in client.crm.properties.list("tickets").results]
    assert {"subject", "hs_pipeline_stage", "hubspot_owner_id"} <= set(names)


def test_a_wrong_token_is_told_as_such(served):
    """api.md §1.3."""
    with (
        hubspot_sdk.HubSpot(access_token="dhk_wrong", base_url=served.address) as stranger,
        pytest.raises(hubspot_sdk.AuthenticationError) as refused,
    ):
        stranger.crm.pipelines.list("tickets")
    assert refused.value.body["category"] == "INVALID_AUTHENTICATION"
