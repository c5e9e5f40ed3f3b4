from deskhand.api.associations import batches, labels, resource

__all__ = ["batches", "labels", "resource"]
