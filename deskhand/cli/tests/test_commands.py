"""The commands as people run them: a data directory of their own, real processes."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from deskhand.cli.serve import Child
from deskhand.kernel.database import embedded, url
from deskhand.testing.product import lay_out
from deskhand.testing.servers import data_directory

Run = Callable[..., subprocess.CompletedProcess[str]]


def environment(data: Path) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "DESKHAND_"))
    }
    return {**kept, "DESKHAND_DATA": str(data)}


@pytest.fixture
def data() -> Iterator[Path]:
    with data_directory() as directory:
        yield directory


@pytest.fixture
def laid_out(data: Path) -> None:
    """The data of an installation that has been started before."""
    lay_out(data)


@pytest.fixture
def deskhand(data: Path) -> Run:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "deskhand", *words]
        return subprocess.run(command, env=environment(data), capture_output=True, text=True, check=False)

    return run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def query(data: Path, statement: str) -> list[tuple[object, ...]]:
    with embedded.running(data), psycopg.connect(url.embedded(data, role="postgres")) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_a_command_before_the_first_start_says_what_to_do(deskhand: Run) -> None:
    told = deskhand("account", "create", "--slug", "fjord", "--name", "Fjord")

    assert told.returncode != 0
    assert "`deskhand migrate` prepares them" in told.stderr
    assert "Traceback" not in told.stderr


def test_help_names_every_command_and_needs_no_database(deskhand: Run, data: Path) -> None:
    shown = deskhand("--help")

    assert shown.returncode == 0
    assert all(
        word in shown.stdout for word in ("serve", "worker", "mail-in", "migrate", "backup", "restore")
    )
    assert not list(data.iterdir())


def test_help_comes_without_loading_django() -> None:
    script = "import sys; from deskhand.cli import main; main._parser({n: m for n in main.COMMANDS if (m := main._module(n))}); print('django' in sys.modules)"

    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert shown.stdout == "False\n"


@pytest.mark.parametrize(
    ("setting", "value"),
    [("DATABASE_POOL", "many"), ("DATABASE_URL", "mysql://here"), ("DESKHAND_DEBUG", "perhaps")],
)
def test_a_wrong_setting_stops_the_start_with_its_name_and_what_is_allowed(
    data: Path, setting: str, value: str
) -> None:
    command = [sys.executable, "-m", "deskhand", "web"]
    wrong = {**environment(data), setting: value}

    refused = subprocess.run(command, env=wrong, capture_output=True, text=True, check=False)

    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith(f"deskhand: {setting} is ")
    assert "must be" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_port_in_use_is_named_with_the_option_that_chooses_another(deskhand: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        refused = deskhand("serve", "--port", str(port), "--smtp-port", "0", "--lmtp-port", "0")

    assert refused.returncode == 1
    assert f"--port is {port}" in refused.stderr
    assert "choose another with --port NUMBER" in refused.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("laid_out")
def test_a_backup_restored_elsewhere_holds_what_may_have_been_sent(deskhand: Run, data: Path) -> None:
    query(data, "INSERT INTO accounts_account (slug, name, zone, locale, plan, features, created_at)"
                " VALUES ('navy', 'Navy', 'UTC', 'en', 'everything', '{}', now())")  # fmt: skip
    query(data, "INSERT INTO delivery_outboxentry (account_id, transport, state, due_at, lease_until, sent_at,"
                " idempotency_key, message_id, recipients, payload)"
                " SELECT (SELECT id FROM accounts_account), 'mail', state, now(),"
                " CASE state WHEN 'SENDING' THEN now() END, CASE state WHEN 'SENT' THEN now() END,"
                " state, '<' || state || '@navy.example>', ARRAY['grace@navy.example'], '{}'"
                " FROM unnest(ARRAY['WAITING', 'SENDING', 'SENT', 'FAILED']) AS state")  # fmt: skip
    (data / "files").mkdir()
    (data / "files" / "letter").write_text("Dear Grace")
    backup = data / "backup.tar"
    assert deskhand("backup", str(backup)).returncode == 0
    key = (data / "secrets" / "encryption_key").read_text()

    elsewhere = data / "elsewhere"
    refused = deskhand("restore", str(backup))
    restored = deskhand("restore", str(backup), "--data", str(elsewhere))

    assert "not empty" in refused.stderr
    assert restored.returncode == 0, restored.stderr
    assert "2 unsent mails are held" in restored.stdout
    states = query(elsewhere, "SELECT idempotency_key, state FROM delivery_outboxentry ORDER BY 1")
    assert states == [("FAILED", "FAILED"), ("SENDING", "HELD"), ("SENT", "SENT"), ("WAITING", "HELD")]
    assert (elsewhere / "files" / "letter").read_text() == "Dear Grace"
    assert (elsewhere / "secrets" / "encryption_key").read_text() == key
    assert backup.stat().st_mode & 0o077 == 0
    assert deskhand("check", "--data", str(elsewhere)).stdout.startswith("deskhand.W006: ")

    released = deskhand("outbox", "release", "--data", str(elsewhere))
    assert released.returncode == 0, released.stderr

    assert released.stdout == "navy: 2 released\nThe fence is down: automations send again.\n"
    assert deskhand("check", "--data", str(elsewhere)).stdout == "All is well.\n"


@pytest.mark.slow
@pytest.mark.usefixtures("laid_out")
def test_a_restore_killed_before_its_fence_stands_sends_nothing_again(deskhand: Run, data: Path) -> None:
    """F20: whoever starts next raises it."""
    query(data, "INSERT INTO delivery_outboxentry (account_id, transport, state, due_at,"
                " idempotency_key, message_id, recipients, payload)"
                " VALUES (1, 'mail', 'WAITING', now(), 'a', '<a@navy.example>', ARRAY['grace@navy.example'], '{}')")  # fmt: skip
    backup, elsewhere = data / "backup.tar", data / "elsewhere"
    assert deskhand("backup", str(backup)).returncode == 0
    killed = (
        "import os; from deskhand.cli import main, restore; restore._raise_fence = lambda: os._exit(9);"
        f" main.main(['restore', {str(backup)!r}, '--data', {str(elsewhere)!r}])"
    )
    assert subprocess.run([sys.executable, "-c", killed], env=environment(data), check=False).returncode == 9
    states = "SELECT state, attempts FROM delivery_outboxentry"
    assert query(elsewhere, states) == [("WAITING", 0)]

    worker = subprocess.Popen(
        [sys.executable, "-m", "deskhand", "worker", "--data", str(elsewhere)],
        env={**environment(data), "SMTP_URL": "sink:"},
        stderr=subprocess.DEVNULL,
    )
    try:
        give_up_at = time.monotonic() + 180
        while query(elsewhere, states) == [("WAITING", 0)]:
            assert time.monotonic() < give_up_at
            time.sleep(0.2)
    finally:
        worker.terminate()
        worker.wait(60)

    assert query(elsewhere, states) == [("HELD", 0)]
    assert "A fence stands since" in deskhand("outbox", "list", "--data", str(elsewhere)).stdout


@pytest.mark.slow
def test_a_file_that_is_no_backup_changes_nothing(deskhand: Run, data: Path) -> None:
    wrong = data / "letter.tar"
    wrong.write_text("Dear Grace")

    refused = deskhand("restore", str(wrong))

    assert refused.returncode == 1
    assert f"{wrong} is not a backup" in refused.stderr


class Serving:
    """`deskhand serve` as a process."""

    def __init__(self, data: Path) -> None:
        self.port = free_port()
        options = [
            f"--port={self.port}",
            f"--smtp-port={free_port()}",
            f"--lmtp-port={free_port()}",
            "--no-open",
        ]
        command = [sys.executable, "-m", "deskhand", "serve", *options]
        self.output = (data / "serve.log").open("w+")
        self.process = subprocess.Popen(
            command, env=environment(data), stdout=self.output, stderr=subprocess.STDOUT, text=True
        )

    def said(self) -> str:
        self.output.flush()
        return Path(self.output.name).read_text()

    def wait_until_said(self, words: str) -> None:
        give_up_at = time.monotonic() + 90
        while words not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < give_up_at, self.said()
            time.sleep(0.05)

    def answer(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", "/account/login/")
        return connection.getresponse().status

    def children(self, word: str) -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(parent) == self.process.pid and word.encode() in words:
                found.append(int(folder.name))
        return found


@pytest.fixture
def serve(data: Path) -> Iterator[Callable[[], Serving]]:
    started: list[Serving] = []

    def start() -> Serving:
        started.append(Serving(data))
        return started[-1]

    yield start
    for serving in started:
        if serving.process.poll() is None:
            serving.process.terminate()
            serving.process.wait(60)
        serving.output.close()


@pytest.mark.slow
def test_serve_answers_and_stops_cleanly_on_ctrl_c(serve: Callable[[], Serving], data: Path) -> None:
    serving = serve()
    serving.wait_until_said("Deskhand is ready")
    assert serving.answer() == 200

    (worker,) = serving.children("worker")
    os.kill(worker, signal.SIGUSR1)
    serving.wait_until_said("Current thread")
    assert serving.children("worker") == [worker]
    serving.process.send_signal(signal.SIGINT)

    assert serving.process.wait(60) == 0
    assert "does not stop" not in serving.said()
    assert "Stopped." in serving.said()
    assert "Traceback" not in serving.said()
    assert not (data / "postgres" / "cluster" / "postmaster.pid").exists()


def test_a_child_that_does_not_stop_says_where_it_hangs_before_it_is_killed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = "import faulthandler, signal, time\ndef dreaming():\n    print('up', flush=True)\n    time.sleep(60)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nfaulthandler.register(signal.SIGUSR1)\ndreaming()"
    child = Child(["worker"])
    child.process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.process.stdout is not None
    child.process.stdout.readline()

    child.ask_to_stop()
    child.wait(time.monotonic())

    assert child.process.returncode == -signal.SIGKILL
    printed = capfd.readouterr()
    assert "The worker process does not stop" in printed.out + printed.err
    assert "in dreaming" in printed.err


@pytest.mark.faults
@pytest.mark.usefixtures("laid_out")
def test_serve_brings_back_whatever_is_killed(serve: Callable[[], Serving], data: Path) -> None:
    serving = serve()
    serving.wait_until_said("Deskhand is ready")

    for pid in (*serving.children("web"), *serving.children("worker")):
        os.kill(pid, signal.SIGKILL)
    serving.wait_until_said("The worker process ended (SIGKILL)")
    os.kill(int((data / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    serving.wait_until_said("PostgreSQL ended unexpectedly")

    give_up_at = time.monotonic() + 60
    while not (serving.children("web") and serving.children("worker")):
        assert time.monotonic() < give_up_at
        time.sleep(0.1)
    while True:
        try:
            assert serving.answer() == 200
            break
        except OSError:
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
