"""Pipelines and stages of every kind of record that stands in them."""

from deskhand.api.pipelines import resource, stages

__all__ = ["resource", "stages"]
