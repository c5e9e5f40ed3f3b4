"""Fixtures for every test. What must happen before the settings are read is in deskhand/testing/session.py."""

from deskhand.testing.fixtures import django_db_setup, noon, settle, wired, world

__all__ = ["django_db_setup", "noon", "settle", "wired", "world"]
