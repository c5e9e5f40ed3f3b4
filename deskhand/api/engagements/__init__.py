"""What was done, said or is to be done around records: tasks."""

from deskhand.api.engagements import batches, definitions, resource

__all__ = ["batches", "definitions", "resource"]
