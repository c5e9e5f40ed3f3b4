"""Where apps are told what happens, and of what."""

from deskhand.api.webhooks import resource

__all__ = ["resource"]
