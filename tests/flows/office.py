"""Sets up a small office in an installation: `Product.python("from tests.flows.office import open_office; …")`."""

from __future__ import annotations

from collections.abc import Sequence

from deskhand import wiring
from deskhand.accounts import accounts, users
from deskhand.automation import lanes, workflows
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.desk import inboxes
from deskhand.events.types import SYSTEM
from deskhand.kernel.database.scope import account_scope
from deskhand.routing import availability, rules
from deskhand.routing.types import Option, Status

PASSWORD = "correct horse battery"


def open_office(address: str = "support@desk.test", agents: Sequence[str] = ("Ada Lovelace",)) -> None:
    """An account `desk` with a mail channel that routes to its agents, and mails from its lanes."""
    wiring.connect()
    account = accounts.create(slug="desk", name="Fjällbo")
    with account_scope(account.pk):
        ids = [_agent(account.pk, name) for name in agents]
        channel = inboxes.add_channel_account(
            inboxes.ensure_defaults(account.pk), channel="email", name="Fjällbo Support", address=address
        )
        rules.set_rule(account.pk, channel.pk, Option.USERS_AND_TEAMS, user_ids=ids, by=SYSTEM)
        stages = pipelines_of("ticket").default.stages
        for stage, template in ((stages[0], "ticket_received"), (stages[-1], "ticket_closed")):
            lane = lanes.add_step("ticket", stage.id, "send_email", {"template": template}, by=ids[0])
            workflows.switch(lane, True)


def _agent(account_id: int, name: str) -> int:
    email = f"{name.split()[0].lower()}@desk.test"
    user = users.create(email=email, name=name, password=PASSWORD)
    users.add_to_account(account_id, user.pk, is_super_admin=True, by=SYSTEM)
    availability.set_by_hand(account_id, user.pk, Status.AVAILABLE, by=SYSTEM)
    return user.pk
