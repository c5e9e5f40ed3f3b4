"""Conversations (api.md §2.6)."""

from deskhand.api.conversations import accounts, actors, messages, threads

__all__ = ["accounts", "actors", "messages", "threads"]
