"""Fixtures for the tests of every area."""

from deskhand.testing.fixtures import django_db_setup, noon, world

__all__ = ["django_db_setup", "noon", "world"]
