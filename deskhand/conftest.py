pytest_plugins: list[str] = []

from deskhand.testing.fixtures import noon, world  # noqa: E402, F401
