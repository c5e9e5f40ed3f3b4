"""PyPI's hubspot-api-client against a running server: its base address and its token are all that is changed (api.md §5)."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

hubspot = pytest.importorskip("hubspot")

from hubspot.crm import contacts, objects, tickets  # noqa: E402
from hubspot.crm.associations import v4 as associations  # noqa: E402
from hubspot.crm.pipelines import PipelineInput, PipelinePatchInput, PipelineStageInput  # noqa: E402
from hubspot.crm.properties import OptionInput, PropertyCreate, PropertyGroupCreate, PropertyUpdate  # noqa: E402
from hubspot.crm.tickets import Filter, FilterGroup, PublicObjectSearchRequest  # noqa: E402


@pytest.fixture
def client(served: Any) -> Any:
    return hubspot.HubSpot(access_token=served.token, host=served.address, base_url=served.address)


def make_ticket(client: Any, subject: str, **properties: str) -> Any:
    return client.crm.tickets.basic_api.create(
        tickets.SimplePublicObjectInputForCreate(
            properties={"subject": subject, "hs_pipeline": "0", "hs_pipeline_stage": "1"} | properties,
            associations=[],
        )
    )


def make_contact(client: Any, email: str, **properties: str) -> Any:
    return client.crm.contacts.basic_api.create(
        contacts.SimplePublicObjectInputForCreate(properties={"email": email} | properties, associations=[])
    )


def search(client: Any, *filters: Filter, **more: Any) -> list[str]:
    request = PublicObjectSearchRequest(
        filter_groups=[FilterGroup(filters=list(filters))],
        properties=["subject"],
        sorts=["subject"],
        limit=100,
        after="0",
        **more,
    )
    found = client.crm.tickets.search_api.do_search(request)
    assert found.total == len(found.results)
    return [one.properties["subject"] for one in found.results]


def test_a_ticket_from_its_first_day_to_the_archive(client):
    """api.md §1.5, §2.1: made, read with history and links, changed, listed, archived."""
    contact = make_contact(client, "jane@customer.example", firstname="Jane")
    made = client.crm.tickets.basic_api.create(
        tickets.SimplePublicObjectInputForCreate(
            properties={"subject": "Broken", "hs_pipeline": "0", "hs_pipeline_stage": "1"},
            associations=[
                tickets.PublicAssociationsForObject(
                    to=tickets.PublicObjectId(id=contact.id),
                    types=[
                        tickets.AssociationSpec(
                            association_category="HUBSPOT_DEFINED", association_type_id=16
                        )
                    ],
                )
            ],
        )
    )
    assert made.properties["subject"] == "Broken"
    assert made.created_at.tzinfo

    client.crm.tickets.basic_api.update(
        made.id, tickets.SimplePublicObjectInput(properties={"hs_pipeline_stage": "2"})
    )
    read = client.crm.tickets.basic_api.get_by_id(
        made.id,
        properties=["subject", "hs_pipeline_stage"],
        properties_with_history=["hs_pipeline_stage"],
        associations=["contacts", "companies"],
    )
    assert read.properties["hs_pipeline_stage"] == "2"
    assert [one.value for one in read.properties_with_history["hs_pipeline_stage"]] == ["2", "1"]
    assert [(one.id, one.type) for one in read.associations["contacts"].results] == [
        (contact.id, "ticket_to_contact")
    ]

    for n in range(3):
        make_ticket(client, f"More {n}")
    first = client.crm.tickets.basic_api.get_page(limit=3)
    second = client.crm.tickets.basic_api.get_page(limit=3, after=first.paging.next.after)
    assert [len(first.results), len(second.results), second.paging] == [3, 1, None]

    client.crm.tickets.basic_api.archive(made.id)
    with pytest.raises(tickets.ApiException) as gone:
        client.crm.tickets.basic_api.get_by_id(made.id)
    assert gone.value.status == 404
    assert [one.id for one in client.crm.tickets.basic_api.get_page(archived=True).results] == [made.id]


def test_batches_say_what_could_not_be_done(client):
    """api.md §1.8: a whole batch, and one of which a part fails (207)."""
    new = [
        tickets.SimplePublicObjectBatchInputForCreate(
            properties={"subject": f"Batch {n}", "hs_pipeline_stage": "1"}, associations=[]
        )
        for n in range(25)
    ]
    made = client.crm.tickets.batch_api.create(
        tickets.BatchInputSimplePublicObjectBatchInputForCreate(inputs=new)
    )
    assert made.status == "COMPLETE"
    assert len(made.results) == 25

    ids = [made.results[0].id, "999999"]
    read = client.crm.tickets.batch_api.read(
        tickets.BatchReadInputSimplePublicObjectId(
            properties=["subject"],
            properties_with_history=[],
            inputs=[tickets.SimplePublicObjectId(id=one) for one in ids],
        )
    )
    assert len(read.results) == 1
    assert read.num_errors == 1
    assert (read.errors[0].category, read.errors[0].context["ids"]) == ("OBJECT_NOT_FOUND", ["999999"])

    changed = client.crm.tickets.batch_api.update(
        tickets.BatchInputSimplePublicObjectBatchInput(
            inputs=[
                tickets.SimplePublicObjectBatchInput(id=one, properties={"subject": "Changed"}) for one in ids
            ]
        )
    )
    assert [one.properties["subject"] for one in changed.results] == ["Changed"]
    assert changed.num_errors == 1

    upserted = client.crm.contacts.batch_api.upsert(
        contacts.BatchInputSimplePublicObjectBatchInputUpsert(
            inputs=[
                contacts.SimplePublicObjectBatchInputUpsert(
                    id_property="email",
                    id="new@customer.example",
                    properties={"firstname": "New"},
                )
            ]
        )
    )
    assert [one.new for one in upserted.results] == [True]

    client.crm.tickets.batch_api.archive(
        tickets.BatchInputSimplePublicObjectId(
            inputs=[tickets.SimplePublicObjectId(id=one.id) for one in made.results]
        )
    )
    assert client.crm.tickets.get_all() == []


def test_search_with_every_operator(client):
    """api.md §1.7."""
    for n, priority in enumerate(("LOW", "MEDIUM", "HIGH")):
        make_ticket(client, f"Parcel {n}", hs_ticket_priority=priority, content=f"words of number{n}")
    make_ticket(client, "Letter")
    everything = ["Letter", "Parcel 0", "Parcel 1", "Parcel 2"]

    def by(name: str, operator: str, **more: Any) -> list[str]:
        return search(client, Filter(property_name=name, operator=operator, **more))

    assert by("subject", "EQ", value="Letter") == ["Letter"]
    assert by("subject", "NEQ", value="Letter") == everything[1:]
    assert by("hs_ticket_priority", "IN", values=["LOW", "HIGH"]) == ["Parcel 0", "Parcel 2"]
    assert by("hs_ticket_priority", "NOT_IN", values=["LOW", "HIGH"]) in (
        ["Letter", "Parcel 1"],
        ["Parcel 1"],
    )
    assert by("hs_ticket_priority", "HAS_PROPERTY") == everything[1:]
    assert by("hs_ticket_priority", "NOT_HAS_PROPERTY") == ["Letter"]
    assert by("subject", "CONTAINS_TOKEN", value="parcel") == everything[1:]
    assert by("subject", "CONTAINS_TOKEN", value="let*") == ["Letter"]
    assert by("subject", "NOT_CONTAINS_TOKEN", value="parcel") == ["Letter"]
    assert by("createdate", "GT", value="1000") == everything
    assert by("createdate", "GTE", value="2020-01-01T00:00:00Z") == everything
    assert by("createdate", "LT", value="1000") == []
    assert by("createdate", "LTE", value="4102444800000") == everything
    assert by("createdate", "BETWEEN", value="1000", high_value="4102444800000") == everything
    low = Filter(property_name="hs_ticket_priority", operator="EQ", value="LOW")
    assert search(client, low, Filter(property_name="subject", operator="EQ", value="Letter")) == []
    assert search(client, query="number1") in (["Parcel 1"], [])


def test_links_with_labels(client):
    """api.md §2.5: a label is made, put on a link, read, taken off; the default link; links by batch."""
    contact, ticket = make_contact(client, "jane@customer.example"), make_ticket(client, "Broken")
    api = client.crm.associations.v4
    label = api.schema.definitions_api.create(
        "tickets",
        "contacts",
        associations.schema.PublicAssociationDefinitionCreateRequest(label="Payer", name="payer"),
    ).results
    api.basic_api.create(
        "tickets",
        ticket.id,
        "contacts",
        contact.id,
        association_spec=[
            associations.AssociationSpec(
                association_category="USER_DEFINED", association_type_id=label[0].type_id
            )
        ],
    )
    linked = api.basic_api.get_page("tickets", ticket.id, "contacts").results
    assert [str(one.to_object_id) for one in linked] == [contact.id]
    assert "Payer" in [one.label for one in linked[0].association_types]

    api.basic_api.archive("tickets", ticket.id, "contacts", contact.id)
    assert api.basic_api.get_page("tickets", ticket.id, "contacts").results == []
    assert api.basic_api.create_default("tickets", ticket.id, "contacts", contact.id).status == "COMPLETE"


def test_pipelines_and_their_stages(client):
    """api.md §2.2."""
    api = client.crm.pipelines
    made = api.pipelines_api.create(
        "tickets",
        PipelineInput(
            label="Returns",
            display_order=3,
            stages=[
                PipelineStageInput(label="Announced", display_order=0, metadata={"ticketState": "OPEN"}),
                PipelineStageInput(label="Refunded", display_order=1, metadata={"ticketState": "CLOSED"}),
            ],
        ),
    )
    assert [stage.label for stage in made.stages] == ["Announced", "Refunded"]
    api.pipelines_api.update("tickets", made.id, PipelinePatchInput(label="Sent back"))
    stage = api.pipeline_stages_api.create(
        "tickets",
        made.id,
        PipelineStageInput(label="Inspected", display_order=1, metadata={"ticketState": "OPEN"}),
    )
    read = api.pipelines_api.get_by_id("tickets", made.id)
    assert read.label == "Sent back"
    assert stage.id in [one.id for one in read.stages]
    assert api.pipeline_audits_api.get_audit("tickets", made.id).results
    api.pipeline_stages_api.archive("tickets", made.id, stage.id)
    api.pipelines_api.archive("tickets", made.id)
    assert made.id not in [one.id for one in api.pipelines_api.get_all("tickets").results]


def test_properties_of_their_own(client):
    """api.md §2.3."""
    groups, api = client.crm.properties.groups_api, client.crm.properties.core_api
    groups.create("tickets", PropertyGroupCreate(name="shop", label="Shop", display_order=5))
    made = api.create(
        "tickets",
        PropertyCreate(
            name="size",
            label="Size",
            type="enumeration",
            field_type="select",
            group_name="shop",
            options=[
                OptionInput(label=one.title(), value=one, display_order=n, hidden=False)
                for n, one in enumerate(("small", "large"))
            ],
        ),
    )
    assert [one.value for one in made.options] == ["small", "large"]
    assert make_ticket(client, "Shoes", size="large").properties["size"] == "large"
    assert api.update("tickets", "size", PropertyUpdate(label="Size of it")).label == "Size of it"
    assert "size" in [one.name for one in api.get_all("tickets").results]
    api.archive("tickets", "size")
    assert "size" not in [one.name for one in api.get_all("tickets").results]


def test_owners(client, served):
    """api.md §2.4: an owner's number goes into the owner of a ticket."""
    page = client.crm.owners.owners_api.get_page(limit=100)
    [owner] = [one for one in page.results if one.email == served.world.ada.email]
    ticket = make_ticket(client, "Mine", hubspot_owner_id=owner.id)
    assert ticket.properties["hubspot_owner_id"] == owner.id
    assert client.crm.owners.owners_api.get_by_id(int(owner.id)).user_id == owner.user_id


def test_merging_two_contacts(client):
    """api.md §2.1: one is left, with what the other knew."""
    one = make_contact(client, "one@customer.example", firstname="One")
    two = make_contact(client, "two@customer.example", phone="+4512345678")
    merged = client.crm.contacts.basic_api.merge(
        contacts.PublicMergeInput(primary_object_id=one.id, object_id_to_merge=two.id)
    )
    read = client.crm.contacts.basic_api.get_by_id(merged.id, properties=["email", "phone"])
    assert (read.properties["email"], read.properties["phone"]) == ("one@customer.example", "+4512345678")


def test_what_is_wrong_is_said_so_that_programs_find_it(client):
    """api.md §1.10: the sentences that programs look for."""
    make_contact(client, "jane@customer.example")
    with pytest.raises(contacts.ApiException) as taken:
        make_contact(client, "jane@customer.example")
    assert taken.value.status == 409
    assert "Contact already exists. Existing ID: " in taken.value.body
    with pytest.raises(tickets.ApiException) as unknown:
        make_ticket(client, "Odd", nonsense="1")
    assert unknown.value.status == 400
    assert "PROPERTY_DOESNT_EXIST" in unknown.value.body


def test_generic_objects_are_the_same_records(client):
    """api.md §2.1: one engine for all kinds."""
    made = make_ticket(client, "Broken")
    assert client.crm.objects.basic_api.get_by_id("tickets", made.id).id == made.id
    assert client.crm.objects.basic_api.get_by_id("0-5", made.id).id == made.id
    with pytest.raises(objects.ApiException):
        client.crm.objects.basic_api.get_by_id("nonsense", made.id)
