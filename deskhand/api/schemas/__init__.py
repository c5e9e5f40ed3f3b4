"""Kinds of records, the account's own above all."""

from deskhand.api.schemas import associations, resource

__all__ = ["associations", "resource"]
