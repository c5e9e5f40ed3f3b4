"""Fixtures for every test. What must happen before the settings are read is in deskhand/testing/session.py."""

pytest_plugins = ["deskhand.testing.fixtures"]
