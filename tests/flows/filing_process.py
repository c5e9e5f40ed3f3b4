"""One of many that file mail at once: `python -m tests.flows.filing_process DATABASE file|check-then-update [TICKET]`.

Says "ready", begins when a line comes in, and ends when no mail waits any more.
"""

from __future__ import annotations

import random
import sys
import time

import django
from django.conf import settings


def main(database: str, work: str, *rest: str) -> None:
    settings.DATABASES["default"]["NAME"] = database
    settings.DATABASES["default"]["OPTIONS"].pop("pool", None)
    django.setup()
    if work == "file":
        file_mail()
    else:
        check_then_update(int(rest[0]), int(rest[1]))


def file_mail() -> None:
    from deskhand import wiring
    from deskhand.channels.email import guarded
    from deskhand.channels.email.inbound import InboundClaimer
    from deskhand.channels.email.models import InboundMail

    wiring.connect()
    claimer, chance = InboundClaimer(), random.Random()
    say_and_wait("ready")
    while InboundMail.objects.filter(state="WAITING").exists():
        if not claimer.run_once(chance.randint(1, 60)):
            time.sleep(0.05)
    guarded.pool.close()


def check_then_update(account_id: int, ticket_id: int) -> None:
    """What a router without a lock does: look who has least, then give it to them."""
    from django.db.models import Count

    from deskhand.accounts.models import Membership
    from deskhand.crm.records.models import Ticket
    from deskhand.kernel.database.scope import account_scope

    with account_scope(account_id):
        owned = dict(
            Ticket.objects.exclude(owner_id=None).values_list("owner_id").annotate(n=Count("id")).order_by()
        )
        users = Membership.objects.order_by("user_id").values_list("user_id", flat=True)
        least = min(users, key=lambda user_id: owned.get(user_id, 0))
    say_and_wait("ready")
    with account_scope(account_id):
        Ticket.objects.filter(pk=ticket_id).update(owner_id=least)


def say_and_wait(word: str) -> None:
    print(word, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
