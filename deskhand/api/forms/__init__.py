from deskhand.api.forms import definitions, submissions

__all__ = ["definitions", "submissions"]
