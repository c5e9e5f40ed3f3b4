"""A process that fills the side table, to be killed: `python -m deskhand.crm.tests.child_filler DATABASE`."""

from __future__ import annotations

import os
import sys
import threading
import time

import django
from django.conf import settings


def main(database: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deskhand.settings")
    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from deskhand.crm.records import filterable
    from deskhand.crm.schema.properties import FILL
    from deskhand.kernel import jobs

    step = filterable._step
    filterable.STEP = 5

    def slowly(account_id: int, property_id: int) -> bool:
        has_more = step(account_id, property_id)
        print("step", flush=True)  # noqa: T201 the parent waits for it
        time.sleep(0.05)
        return has_more

    filterable._step = slowly
    jobs.handlers[FILL] = filterable.fill
    jobs.JobLoop(threading.Event()).run()


if __name__ == "__main__":
    main(sys.argv[1])
