"""All operations: whoever imports this has them in `operations.table`."""

from deskhand.api import callbacks
from deskhand.api.objects import batches, resource

__all__ = ["batches", "callbacks", "resource"]
