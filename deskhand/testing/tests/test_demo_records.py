"""Deals, projects and a kind of its own in the demo company."""

from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.models import CustomObject, Deal, Project
from deskhand.crm.schema import object_types
from deskhand.kernel import clock
from deskhand.testing.demo import records


def test_they_are_made_once_and_stand_in_their_statuses(world):
    people = [world.ada.pk, world.grace.pk]
    records.make(people, clock.now())
    records.make(people, clock.now())

    [own] = object_types.all_of_them().values()
    found = (Deal.objects.count(), Project.objects.count(), CustomObject.objects.count())
    assert found == (len(records.DEALS), len(records.PROJECTS), len(records.RENTALS))
    assert {stage.label for stage in listing_stages(own.key)} == {
        label for label, _state, _tone in records.STATUSES
    }
    assert Deal.objects.filter(is_closed=True).count() == 3


def listing_stages(key):
    return pipelines_of(key).default.stages
