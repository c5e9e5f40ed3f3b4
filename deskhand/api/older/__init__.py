"""Records as connectors of old ask for them: values one by one with their history, over the same engine (api.md §2.11, §5)."""

from deskhand.api.older import companies, deals, tickets

__all__ = ["companies", "deals", "tickets"]
