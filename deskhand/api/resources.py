"""All operations: whoever imports this has them in `operations.table`."""

from deskhand.api import (
    account_info,
    associations,
    callbacks,
    conversations,
    engagements,
    forms,
    older,
    people,
    pipelines,
    properties,
    routing,
    schemas,
    token_info,
    trials,
    views,
)
from deskhand.api.objects import batches, merging, resource, searching
from deskhand.api.webhooks import resource as webhooks

__all__ = [
    "account_info",
    "associations",
    "batches",
    "callbacks",
    "conversations",
    "engagements",
    "forms",
    "merging",
    "older",
    "people",
    "pipelines",
    "properties",
    "resource",
    "routing",
    "schemas",
    "searching",
    "token_info",
    "trials",
    "views",
    "webhooks",
]
