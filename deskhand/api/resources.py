"""All operations: whoever imports this has them in `operations.table`."""

from deskhand.api import associations, callbacks, people, pipelines, properties
from deskhand.api.objects import batches, merging, resource, searching

__all__ = [
    "associations",
    "batches",
    "callbacks",
    "merging",
    "people",
    "pipelines",
    "properties",
    "resource",
    "searching",
]
