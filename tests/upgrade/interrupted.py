"""An installation with runs in every kind of waiting, killed in the midst of it, and what it comes to afterwards.

`python -m tests.upgrade` keeps one as `tests/stored/installation.tar.xz`: what the next release must read.
"""

from __future__ import annotations

import contextlib
import json
import lzma
import os
import signal
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from psycopg.sql import SQL, Identifier

from deskhand.delivery.tests.peers import Peer, smtp_peer
from deskhand.kernel.database import embedded
from deskhand.testing.product import Product, free_port, lay_out, wait_until
from deskhand.testing.sites import Site, calling_site
from tests.upgrade.works import BUSY_STEPS, CAPTAINS, HANGING, STUMBLING

STORED = Path(__file__).resolve().parents[1] / "stored" / "installation.tar.xz"
#: Where the stored one's other systems are; the whole of 127.0.0.0/8 is this machine.
HOST, HOOK_PORT, ERP_PORT = "127.31.7.9", 20111, 20112
LATER = timedelta(hours=2)  # more than any pause, delay or lease of its runs
PATIENCE = 90.0  # seconds
BLOCKED = json.dumps({"outputFields": {"hs_execution_state": "BLOCK"}})
BOOKED = {"outputFields": {"booked": "yes"}}


@dataclass
class Around:
    """The other systems: one that is called and is not there, one that answers later, and a mail server."""

    hook: Site
    erp: Site
    mail: Peer

    @property
    def is_there(self) -> dict[str, str]:
        return {"SMTP_URL": f"smtp://127.0.0.1:{self.mail.port}?starttls=never"}


@contextlib.contextmanager
def world(hook_port: int = 0, erp_port: int = 0) -> Iterator[Around]:
    with calling_site(HOST, hook_port) as hook, calling_site(HOST, erp_port) as erp, smtp_peer() as mail:
        hook.says(503)
        erp.says((200, {}, BLOCKED))
        yield Around(hook, erp, mail)


def installation() -> Product:
    """One whose mail server is away, until it is started with another."""
    away = f"smtp://127.0.0.1:{free_port()}?starttls=never"
    return Product(ALLOW_PRIVATE_HOSTS=HOST, SMTP_URL=away)


# ── before ───────────────────────────────────────────────────────────────────────────────────────────────────────────

#: Where each run stands, and what is half done, once all wait; the last two are held up until the kill.
WAITING = """
select w.name, count(*) filter (where e.state = 'DUE' and e.waits_for = '' and e.attempts = 0),
    count(*) filter (where e.waits_for = 'ticket.moved'), count(*) filter (where e.waits_for = 'call'),
    count(*) filter (where e.state = 'QUEUED'), count(*) filter (where e.state = 'HELD'), count(*) filter (where e.attempts > 0)
from automation_enrollment e join automation_workflow w on w.id = e.workflow_id where e.state <> 'ENDED' group by 1
"""
WAIT = {
    "Delay": (1, 0, 0, 0, 0, 0),
    "Event": (0, 1, 0, 0, 0, 0),
    "Queue": (1, 0, 0, 1, 0, 0),
    "Stumble": (0, 0, 0, 0, 0, 1),
    "Hook": (0, 0, 1, 0, 0, 0),
    "Erp": (0, 0, 1, 0, 0, 0),
    "Pause": (0, 0, 0, 0, 1, 0),
}
#: What was tried to be sent: two in vain, and the call that is answered later.
SENDS = Counter([("mail", "WAITING"), ("webhook", "WAITING"), ("webhook", "SENT")])
OBSTACLES = f"""
create function stumble() returns trigger language plpgsql as $$ begin raise exception 'stumbled'; end $$;
create function hang() returns trigger language plpgsql as $$ begin perform pg_sleep(600); return new; end $$;
create trigger stumble before insert on crm_task for each row when (new.title = '{STUMBLING}') execute function stumble();
create trigger hang before insert on crm_task for each row when (new.title = '{HANGING}') execute function hang();
create trigger hang before update on automation_baseline for each row when (new.is_done) execute function hang();
"""
HANG = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
#: Of the long run 20 steps are committed and not one more; of the slow job the first page.
HALF_DONE = f"""
select (select count(*) from crm_task where title = 'Step 20'), (select count(*) from crm_task where title = '{HANGING}'),
    (select count(*) from procrastinate_jobs where status = 'doing')
"""
CLEARED = "drop function stumble() cascade; drop function hang() cascade;"


def interrupt(product: Product, around: Around) -> None:
    """Let an empty installation come to where everything waits or is half done, and kill all of it at once."""
    lay_out(product.data)
    product.start()
    with product.connected() as database:
        database.execute(OBSTACLES)
    works(product, f"begin({around.hook.url + '/hook'!r}, {around.erp.url + '/erp'!r})")
    wait_until(lambda: _standing(product) == WAIT, "each run to wait in its own way", PATIENCE)
    wait_until(lambda: _sends(product) == SENDS, "what can't be sent to wait", PATIENCE)
    works(product, "press_on()")
    wait_until(lambda: product.value(HANG) == 2, "the slow job and the long run to be half done", PATIENCE)
    kill(product)
    with embedded.running(product.data):
        with product.connected() as database:
            database.execute(CLEARED)
        assert product.rows(HALF_DONE) == [(1, 0, 1)]


def works(product: Product, call: str) -> None:
    product.python(f"from tests.upgrade.works import begin, go_on, press_on; {call}")


def _standing(product: Product) -> dict[str, tuple[int, ...]]:
    return {name: tuple(counts) for name, *counts in product.rows(WAITING) if name != "Mail"}


def _sends(product: Product) -> Counter[tuple[str, str]]:
    found = "select transport, state from delivery_outboxentry where attempts > 0"
    return Counter(product.rows(found))


def kill(product: Product) -> None:
    """SIGKILL for `serve` and all that it started, the database included."""
    assert product.process is not None
    for pid in (product.process.pid, *product.children()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    product.process.wait()
    product.process = None


# ── the upgrade, and afterwards ──────────────────────────────────────────────────────────────────────────────────────

MOMENTS = """
select table_name, array_agg(column_name::text order by ordinal_position) from information_schema.columns c
join pg_class k on k.oid = format('%I.%I', table_schema, table_name)::regclass
where table_schema = 'public' and data_type = 'timestamp with time zone' and is_generated = 'NEVER'
    and k.relkind = 'r' and not k.relispartition group by 1 order by 1
"""


def let_pass(product: Product, time_passed: timedelta) -> None:
    """As if it had stood still for so long: each stored moment lies that much further back. The log's months stay.

    The database must run, and nothing else.
    """
    with product.connected() as database:
        database.execute("set session_replication_role = replica")  # no trigger hears of it
        for table, columns in database.execute(MOMENTS).fetchall():
            moved = SQL(", ").join(SQL("{0} = {0} - %(by)s").format(Identifier(name)) for name in columns)
            database.execute(SQL("update {} set ").format(Identifier(table)) + moved, {"by": time_passed})


def upgrade(product: Product) -> None:
    """What an upgrade runs; a second time it finds nothing to do."""
    for _time in range(2):
        done = product.run("migrate")
        assert done.returncode == 0, done.stderr


def finish(product: Product, around: Around) -> None:
    """Start it with everything there, do what people do, and wait until all runs are through."""
    around.hook.says((200, {}, "{}"))
    product.start(**around.is_there)
    works(product, "go_on()")
    for (token,) in product.rows(
        "select token from automation_stepcall where state = 'WAITING' and token <> ''"
    ):
        address = f"{product.address}/automation/v4/actions/callbacks/{token}/complete"
        for _time in range(2):  # who calls back may do so twice
            assert httpx.post(address, json=BOOKED, timeout=PATIENCE).status_code == 204
    wait_until(lambda: _open_jobs(product) == 0, "the slow job to be done", PATIENCE)
    wait_until(lambda: _inside(product) == 0, "all runs to be through", PATIENCE)
    wait_until(lambda: _unsent(product) == 0, "all to be sent", PATIENCE)


def _open_jobs(product: Product) -> int:
    return int(product.value("select count(*) from procrastinate_jobs where status in ('todo', 'doing')"))


def _inside(product: Product) -> int:
    """How many are inside. Who was queued waits once more, and need not."""
    with product.connected() as database:
        database.execute(QUEUED_WAIT)
    return int(product.value("select count(*) from automation_enrollment where state <> 'ENDED'"))


QUEUED_WAIT = """
update automation_enrollment set due_at = now() where id in (
    select e.id from automation_enrollment e join automation_workflow w on w.id = e.workflow_id
    where w.name = 'Queue' and e.state = 'DUE' and e.due_at > now() for update of e skip locked)
"""


def _unsent(product: Product) -> int:
    return int(product.value("select count(*) from delivery_outboxentry where state <> 'SENT'"))


TASKS = """
select coalesce(t.subject, c.email), k.title from crm_task k
left join crm_ticket t on k.object_type = 'ticket' and t.id = k.record_id
left join crm_contact c on k.object_type = 'contact' and c.id = k.record_id
"""
LINES = """
select w.name, l.step_id, l.status from automation_steplog l join automation_workflow w on w.id = l.workflow_id
where l.status in ('SUCCEEDED', 'FAILED', 'SKIPPED')
"""
KEYS = """
select o.idempotency_key from delivery_outboxentry o join automation_stepcall c on c.key = o.idempotency_key where c.token = ''
"""
ENDS = "select w.name, e.end_reason from automation_enrollment e join automation_workflow w on w.id = e.workflow_id"

#: The steps of each workflow that succeed, once in each run; and those of them that leave no task.
STEPS = {
    "Delay": (1, 3), "Event": (1, 2, 3), "Queue": (1, 3), "Stumble": (1, 2, 3), "Hook": (1, 2, 3, 4), "Erp": (1, 2, 3, 4),
    "Mail": (1, 2, 3), "Pause": (1, 2), "Crew": (1,), "Busy": tuple(range(1, BUSY_STEPS + 1)),
}  # fmt: skip
OTHERS = {("Event", 2), ("Hook", 2), ("Hook", 3), ("Erp", 2), ("Erp", 3), ("Mail", 2)}
#: The records that go through each workflow.
RECORDS = {**{name: (name,) for name in STEPS}, "Queue": ("Queue", "Queue"), "Crew": CAPTAINS}


def tasks() -> Counter[tuple[str, str]]:
    """Those that each record shall have in the end."""
    return Counter(
        (record, STUMBLING if (name, step) == ("Stumble", 2) else f"Step {step}")
        for name, records in RECORDS.items()
        for record in records
        for step in STEPS[name]
        if (name, step) not in OTHERS
    )


def missing_or_too_much(product: Product, around: Around) -> list[str]:
    """What is not there exactly once; empty if the promise was kept."""
    runs = Counter({name: len(records) for name, records in RECORDS.items()})
    lines = {(name, str(step), "SUCCEEDED"): runs[name] for name, steps in STEPS.items() for step in steps}
    sent = {("mail",): 1, ("webhook",): 2}
    counts: dict[str, tuple[Counter[Any], Counter[Any]]] = {
        "tasks": (Counter(product.rows(TASKS)), tasks()),
        "lines of the log": (Counter(product.rows(LINES)), Counter(lines)),
        "ends of runs": (
            Counter(product.rows(ENDS)),
            Counter({(name, "completed"): count for name, count in runs.items()}),
        ),
        "outbox": (Counter(product.rows("select transport from delivery_outboxentry")), Counter(sent)),
        "copies of mail": (Counter(around.mail.copies.values()), Counter([1])),
        "keys of calls": (
            Counter({asked.headers["idempotency-key"] for asked in around.hook.asked}),
            Counter(key for (key,) in product.rows(KEYS)),
        ),
    }
    return [
        f"{what}: {dict(there - due)} too much, {dict(due - there)} missing"
        for what, (there, due) in counts.items()
        if there != due
    ]


# ── the one that is kept ─────────────────────────────────────────────────────────────────────────────────────────────


def keep(file: Path) -> None:
    """Make one, kill it, and write its backup to the file."""
    with world(HOOK_PORT, ERP_PORT) as around, installation() as product:
        interrupt(product, around)
        backup = product.folder / "backup.tar"
        done = product.run("backup", str(backup))
        if done.returncode:
            raise RuntimeError(done.stderr)
        file.write_bytes(lzma.compress(backup.read_bytes(), preset=9))  # a restore reads it as it is
    print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


def bring_back(product: Product, file: Path) -> datetime:
    """Restore it; returns when it was made."""
    done = product.run("restore", str(file))
    assert done.returncode == 0, done.stderr
    with tarfile.open(file) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        return datetime.fromisoformat(json.load(manifest)["made_at"])


def lower_fence(product: Product) -> None:
    """Say that nothing of it has left since."""
    done = product.run("outbox", "release")
    assert done.returncode == 0, done.stderr
