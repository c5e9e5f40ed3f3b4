"""Keep an installation of the code as it is, for the next release to upgrade."""

from __future__ import annotations

import os

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deskhand.settings")
    django.setup()

    from tests.upgrade import interrupted  # late: it knows tables

    interrupted.keep(interrupted.STORED)


if __name__ == "__main__":
    main()
