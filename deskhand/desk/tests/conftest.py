"""What people have to do is counted right after each test here that plugs everything together."""

from deskhand.testing.counting import counted

__all__ = ["counted"]
