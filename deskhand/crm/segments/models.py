"""Segments: named sets of records of one kind, chosen by people or by a filter."""

from __future__ import annotations

from django.db import models


class SegmentKind(models.TextChoices):
    STATIC = "STATIC"  # people and workflows say who is in it
    FILTER = "FILTER"  # whoever meets its condition is in it


#: The kind of a rule that says who wears a tag (R-BOARD-3): a condition that is followed as those of segments are. Its name
#: is the tag's value; it has no members of its own, because its tickets say themselves that they wear the tag.
TAG_RULE = "TAG"


class Segment(models.Model):
    account_id = models.BigIntegerField()
    object_type = models.TextField()
    name = models.TextField()
    kind = models.TextField(choices=[*SegmentKind.choices, (TAG_RULE, "Rule of a tag")])
    condition = models.JSONField(default=dict)  # of FILTER and of rules
    owner_id = models.BigIntegerField(null=True)  # accounts.User: who made it
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()  # its name or its condition
    archived_at = models.DateTimeField(null=True)
    #: Members that are not archived; kept with every change of them.
    size = models.IntegerField(default=0)
    #: Raised whenever what it asks for changes: the sum over an account tells processes to read them anew.
    generation = models.BigIntegerField(default=1)
    filled_to = models.BigIntegerField(
        default=0
    )  # records up to this id have been looked at since it changed
    filled_at = models.DateTimeField(null=True)  # since when all have
    problem = models.TextField(default="")  # why its condition can't be asked any more

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "name"],
                name="segment_name_once",
                condition=models.Q(archived_at=None) & ~models.Q(kind=TAG_RULE),
            ),
            models.UniqueConstraint(
                fields=["account_id", "name"],
                name="tag_rule_once",
                condition=models.Q(archived_at=None, kind=TAG_RULE),
            ),
        ]
        indexes = [models.Index(fields=["account_id", "object_type", "kind"], name="segment_of_type")]


class SegmentMember(models.Model):
    """A record in a segment. Of a FILTER segment the rows follow from its condition within seconds."""

    account_id = models.BigIntegerField()
    segment = models.ForeignKey(Segment, models.CASCADE, related_name="members", db_index=False)
    object_type = models.TextField()  # the segment's: ids of different kinds of record may be equal
    record_id = models.BigIntegerField()
    since = models.DateTimeField()
    by_kind = models.TextField(default="system")
    by_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "segment", "record_id"], name="segment_member_once")
        ]
        indexes = [models.Index(fields=["account_id", "object_type", "record_id"], name="segments_of_record")]
