"""Definitions that an account adds to the built-in ones of `defaults.py`."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from deskhand.crm.schema.defaults import FIRST_OWN_TYPE


class ObjectType(models.Model):
    """A kind of record made by the account ("2-123" in the API)."""

    account_id = models.BigIntegerField()
    name = models.TextField()
    singular = models.TextField()
    plural = models.TextField()
    settings = models.JSONField(default=dict)
    archived_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "name"], name="object_type_name_once")]


class PropertyDefinition(models.Model):
    """A property that the account made, or its changes to a built-in one (same name)."""

    account_id = models.BigIntegerField()
    object_type = models.TextField()
    name = models.TextField()
    label = models.TextField()
    kind = models.TextField()  # string, number, date, datetime, enumeration, bool
    field_type = models.TextField()
    group = models.TextField(default="")
    description = models.TextField(default="")
    options = models.JSONField(default=list)  # [{"value", "label", "display_order", "hidden", "description"}]
    display_order = models.IntegerField(default=-1)  # -1: behind those that have a place
    has_unique_value = models.BooleanField(default=False)  # only one record may have a value (decision 0016)
    claimed_to = models.BigIntegerField(default=0)  # records up to this id have claimed theirs
    claimed_at = models.DateTimeField(null=True)  # since when all have, and records are found by it
    twins = models.IntegerField(default=0)  # values of several records, for which this was given up
    is_filterable = models.BooleanField(default=False)  # its values also stand in the side table
    filled_to = models.BigIntegerField(default=0)  # records up to this id have theirs there
    filled_at = models.DateTimeField(null=True)  # since when all have, and filters use it
    archived_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "object_type", "name"], name="property_name_once"),
        ]


class PropertyGroup(models.Model):
    """A group that the account puts its properties in; `PropertyDefinition.group` is its name."""

    account_id = models.BigIntegerField()
    object_type = models.TextField()
    name = models.TextField()
    label = models.TextField()
    display_order = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "object_type", "name"], name="property_group_once"),
        ]


class SidebarLayout(models.Model):
    """Which properties stand beside a record; without one the product's own layout holds."""

    account_id = models.BigIntegerField()
    object_type = models.TextField()
    sections = models.JSONField(default=list)  # [{"label", "properties": [name]}]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "object_type"], name="sidebar_layout_once"),
        ]


class AssociationLabel(models.Model):
    """What a record of `to_type` may be to one of `from_type`, in a word of the account: one direction of a definition.

    Between two kinds there is a row each way. A single label has one number for both, a pair has two; `inverse_id` is the
    number of the way back. `name` is for programs and stays.
    """

    account_id = models.BigIntegerField()
    type_id = models.IntegerField()
    inverse_id = models.IntegerField()
    from_type = models.TextField()
    to_type = models.TextField()
    category = models.TextField(default="USER_DEFINED")
    name = models.TextField()
    label = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "from_type", "to_type", "type_id"], name="association_label_once"
            ),
            models.UniqueConstraint(
                fields=["account_id", "from_type", "to_type", "name"], name="association_label_name_once"
            ),
            models.CheckConstraint(
                condition=Q(category__in=["USER_DEFINED", "INTEGRATOR_DEFINED"]),
                name="association_label_category",
            ),
            # Numbers below are the product's own, and HubSpot's, so that a number alone says what is meant.
            models.CheckConstraint(
                condition=Q(type_id__gt=FIRST_OWN_TYPE, inverse_id__gt=FIRST_OWN_TYPE),
                name="association_label_number",
            ),
        ]
