"""Who works in the account: owners of records, users, their roles and teams."""

from deskhand.api.people import owners, users

__all__ = ["owners", "users"]
