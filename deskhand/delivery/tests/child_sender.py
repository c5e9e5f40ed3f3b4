"""A sending process to be killed: `python -m deskhand.delivery.tests.child_sender DATABASE PORT`."""

from __future__ import annotations

import os
import sys
import threading

import django
from django.conf import settings


def main(database: str, port: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deskhand.settings")
    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from deskhand.delivery import claims, sender
    from deskhand.delivery.relays import Relay
    from deskhand.delivery.transports.mail import MailTransport

    claims.LEASE_SECONDS, sender.RENEW_EVERY, sender.POLL = 1, 0.2, 0.1
    relay = Relay(host="127.0.0.1", port=port, starttls="never", seconds=5)
    one = sender.Sender(
        {"mail": MailTransport(lambda account, channel: relay)}, threads=4, jitter=lambda: 0.0
    )
    one.first_wait = 0.2
    one.run(threading.Event())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
