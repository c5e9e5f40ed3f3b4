"""Definitions of properties, and the groups that they are shown in."""

from deskhand.api.properties import grouping, resource

__all__ = ["grouping", "resource"]
