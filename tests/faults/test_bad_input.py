"""What people get wrong, and what machines do to us: a clear message where somebody looks, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import httpx
import pytest

from deskhand.bench import faults
from deskhand.delivery import retries
from deskhand.testing.product import Product, free_port, wait_until
from tests.faults.sending import send
from tests.flows.office import PASSWORD
from tests.mailstack import stack
from tests.mailstack.fixtures import office_behind
from tests.mailstack.stack import Mailbox, MailStack

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

ROOT = Path(__file__).resolve().parents[2]
DESK = "support@desk.test"
LINE = b"x" * 98 + b"\r\n"
ASTRID = "astrid@fjallbo.example"


# ── a start that can't be ────────────────────────────────────────────────────────────────────────────────────────────


NOWHERE = "postgresql://desk:hunter2@127.0.0.1:1/desk"  # where no database answers


@pytest.fixture(scope="module")
def idle() -> Iterator[Product]:
    """An installation that does not run."""
    with Product() as made:
        yield made


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("DESKHAND_DEBUG", "perhaps", "true or false"),
        ("MAIL_MAX_BYTES", "lots", "a whole number from 1024 to"),
        ("DATABASE_POOL", "-1", "a whole number from 0 to 500"),
        ("MAIL_CONNECTIONS", "1", "a whole number from 3 to 100"),
        ("MAIL_RETRY_SECONDS", "soon", "a whole number from 1 to 3600"),
        ("SITE_URL", "desk.example", "an address that starts with https:// or http://"),
        ("TRUSTED_PROXIES", "router", "IP addresses or networks such as 10.0.0.0/8"),
        ("ALLOW_PRIVATE_HOSTS", "10.0.0.0/99", "host names, addresses or networks"),
        ("SIGN_IN_WITH", "pigeon", "any of totp, passkeys, oidc"),
        ("MAIL_FROM", "the desk", "an e-mail address"),
        ("FILES_ROOT", "/dev/null/files", "a directory that can be written"),
        ("DESKHAND_DATA", "/dev/null/data", "a directory that can be read and written"),
        ("SECRET_KEY_FILE", "/nowhere/key", "a readable file"),
        ("DATABASE_LISTEN_URL", "mysql://…", "an address such as postgresql://"),
    ],
)
def test_a_wrong_setting_stops_the_start(idle: Product, name: str, value: str, allowed: str) -> None:
    refused = idle.run("web", **{"DATABASE_URL": NOWHERE, name: value})

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"deskhand: {name} is '{value}'; it must be {allowed}")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_URL", "smtp://desk:hunter2@mail.example:99999"),
        ("DATABASE_URL", "postgresql://desk:hunter2@data.example:many/desk"),
    ],
)
def test_a_wrong_address_is_named_without_its_password(idle: Product, name: str, value: str) -> None:
    refused = idle.run("web", **{"DATABASE_URL": NOWHERE, name: value})

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"deskhand: {name} is '{value.partition(':')[0]}://…'; it must be ")
    assert "hunter2" not in refused.stderr


def test_a_choice_that_lacks_what_it_needs_says_what(idle: Product) -> None:
    refused = idle.run("web", DATABASE_URL=NOWHERE, SIGN_IN_WITH="oidc")

    assert refused.returncode == 1
    assert "OIDC_CLIENT_ID is ''; it must be what the provider calls Deskhand" in refused.stderr


def test_an_installation_with_a_wrong_setting_is_not_started_at_all(idle: Product) -> None:
    process = idle.serve(MAIL_MAX_BYTES="lots")
    try:
        assert process.wait(60) == 1
    finally:
        process.kill()

    said = idle.said()
    assert "MAIL_MAX_BYTES is 'lots'; it must be a whole number" in said
    assert said.splitlines()[-1] == "deskhand: `deskhand migrate` failed; see above. Nothing was started."
    assert "Traceback" not in said
    for port in (idle.web_port, idle.smtp_port, idle.lmtp_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("command", ["migrate", "outbox list"])
def test_a_database_that_does_not_answer_is_no_riddle(idle: Product, command: str) -> None:
    refused = idle.run(*command.split(), DATABASE_URL=NOWHERE)

    assert refused.returncode == 1
    assert "Connection refused" in refused.stderr
    assert "Is DATABASE_URL right, and is the server running?" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "hunter2" not in refused.stderr


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("serve", "--port"), ("serve", "--smtp-port"), ("serve", "--lmtp-port"),
        ("web", "--port"), ("mail-in", "--smtp-port"), ("mail-in", "--lmtp-port"),
    ],
)  # fmt: skip
def test_a_port_in_use_stops_the_start_with_the_option_for_another(
    idle: Product, command: str, option: str
) -> None:
    free = {"serve": ["--port", "--smtp-port", "--lmtp-port"], "web": ["--port"]}
    chosen = {name: free_port() for name in free.get(command, ["--smtp-port", "--lmtp-port"])}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        chosen[option] = taken.getsockname()[1]
        words = [f"{name}={port}" for name, port in chosen.items()]
        refused = idle.run(command, *words, DATABASE_URL=NOWHERE)

    assert refused.returncode == 1
    assert f"{option} is {chosen[option]}; it must be a free port on 127.0.0.1" in refused.stderr
    assert f"choose another with {option} NUMBER" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_two_doors_on_one_port_are_told_apart(idle: Product) -> None:
    port = free_port()

    refused = idle.run("serve", f"--port={port}", f"--smtp-port={port}")

    assert refused.returncode == 1
    assert f"--smtp-port is {port}; it must be another port than --port's" in refused.stderr


# ── a full disk ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module", autouse=True)
def full_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str] | str]:
    """The story of `full_disk.py`, which takes its time while the other tests run; or why it can't be told here."""
    apart = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        apart += ["--user", "--map-current-user", "--keep-caps"]
    with tempfile.TemporaryDirectory(prefix="dh") as folder:
        os.chmod(folder, 0o711)
        disk = Path(folder) / "disk"
        disk.mkdir()
        trial = [*apart, "mount", "-t", "tmpfs", "tmpfs", str(disk)]
        if subprocess.run(trial, capture_output=True, check=False).returncode:
            yield "this machine lets nobody mount a disk in a namespace of their own"
            return
        telling = subprocess.Popen(
            [*apart, sys.executable, "-m", "tests.faults.full_disk", str(disk)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield telling
        finally:
            telling.terminate()
            telling.communicate()


# ── bad mail, and servers that are away ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def product(mail_stack: MailStack) -> Iterator[Product]:
    """Takes mail from Postfix; the server it sends through is away."""
    away = f"smtp://127.0.0.1:{free_port()}"
    with office_behind(
        mail_stack, SMTP_URL=away, MAIL_RETRY_SECONDS="1", ALLOW_PRIVATE_HOSTS="127.0.0.1"
    ) as made:
        yield made


@dataclass(frozen=True)
class Stumbling:
    """Mail that breaks us is on its way; to be tried three times takes a while."""

    file: Path
    ingesting: subprocess.Popen[str]


@pytest.fixture(scope="module")
def stumbling(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stumbling]:
    with product.connected() as database:  # whatever is wrong, it is wrong for these mails
        database.execute(
            "create function stumble() returns trigger language plpgsql as"
            " $$ begin raise exception 'This mail is too much for me'; end $$"
        )
        database.execute(
            "create trigger stumble before insert on desk_message for each row"
            " when (new.subject like 'Too much%') execute function stumble()"
        )
    for subject, text in (("Too much", "Kept."), ("Good among bad", "Hello.")):
        raw = mail(subject, text).as_bytes(policy=SMTP)
        assert send(product.smtp_port, ASTRID, DESK, raw).startswith("250")
    file = tmp_path_factory.mktemp("mails") / "much.eml"
    file.write_bytes(bytes(mail("Too much from a file", "Kept to the last byte.")))
    ingesting = subprocess.Popen(
        [sys.executable, "-m", "deskhand", "ingest", str(file), "--channel", DESK],
        env=product.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Stumbling(file, ingesting)
    finally:
        ingesting.terminate()
        ingesting.communicate()


@pytest.fixture(scope="module")
def refused_box(product: Product, mail_stack: MailStack) -> Mailbox:
    """A mailbox with mail in it, whose password we have wrong."""
    box = mail_stack.mailbox("team@boxes.test")
    box.put(bytes(mail("From the mailbox", "Left here before you knew the password.")))
    read_mailbox(product, box.address, mail_stack.imap_port, "not-this-one")
    return box


BROKEN = {
    "nothing": b"",
    "noise": bytes(range(256)) * 20,
    "no headers": b"Hello?\r\nIs anybody there?\r\n",
    "no end": b'Subject: no end\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>half a sent',
    "bad base64": b"Subject: bad base64\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%% not base64 at all ====\r\n",
    "deep": b"Subject: deep\r\n" + b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(400)
    ),
}  # fmt: skip


#: Fit for the way in: SMTP wants whole lines, LMTP takes what the server in front has taken.
BY_SMTP = ("no headers", "no end", "bad base64", "deep")


@pytest.mark.mail
@pytest.mark.usefixtures("stumbling", "refused_box")  # they take a while
def test_a_broken_mail_becomes_a_ticket_that_keeps_what_came(product: Product) -> None:
    """R2, P1: taken as it is, and what can be read of it is shown."""
    for number, (name, raw) in enumerate(BROKEN.items()):
        lmtp = name not in BY_SMTP
        port = product.lmtp_port if lmtp else product.smtp_port
        assert send(port, f"broken{number}@fjallbo.example", DESK, raw, lmtp=lmtp).startswith("250")
    ours = "envelope_from like 'broken%@fjallbo.example'"
    filed = f"select count(*) from email_inboundmail where {ours} and state <> 'WAITING'"
    wait_until(lambda: product.value(filed) == len(BROKEN), "the broken mails to be filed")

    found = dict(product.rows(f"select envelope_from, outcome from email_inboundmail where {ours}"))
    assert found == {f"broken{number}@fjallbo.example": "created" for number in range(len(BROKEN))}
    kept = {bytes(raw).rstrip() for (raw,) in product.rows(f"select raw from email_inboundmail where {ours}")}
    assert {raw.rstrip() for raw in BROKEN.values()} == kept
    assert "half a sent" in shown(product, "no end")


@pytest.mark.timeout(300)
@pytest.mark.mail
def test_mail_waits_for_a_server_that_is_away_and_says_why(product: Product, mail_stack: MailStack) -> None:
    """O2: in the list of what waits, in the check, and beside the message; it leaves when the server is back."""
    patient = "patient@fjallbo.example"
    message = mail("Is anybody there?", "Please answer.", sender=patient)
    mail_stack.send(message, sender=patient, to=[DESK])
    entry = "select state, attempts from delivery_outboxentry where recipients[1] = %s"
    wait_until(lambda: any(tries > 1 for _, tries in product.rows(entry, patient)), "a second try to send")

    server = product.environment["SMTP_URL"].removeprefix("smtp://")
    listed = product.run("outbox", "list").stdout
    found = re.search(rf"(?:WAITING|SENDING)  {patient}  Will be tried again: {server}: .*refused.*", listed)
    assert found, listed
    assert re.search(r"\(\d+ tries, next at [-0-9]+ [:0-9]+ UTC\)$", found[0])
    assert "deskhand.W009: " in product.run("check").stdout
    page = shown(product, "Is anybody there?")
    assert "The mail server does not answer." in page
    assert f"Will be tried again: {server}: " in page

    with faults.world(int(server.rpartition(":")[2])) as sink:
        # A try may have begun before the server came, so two pauses may be ahead.
        tries = product.value("select attempts from delivery_outboxentry where recipients[1] = %s", patient)
        pauses = sum(retries.wait_after(tries + more, 1.0, 1.0) for more in (0, 1))
        try:
            wait_until(lambda: product.rows(entry, patient)[0][0] == "SENT", "the mail to leave", pauses + 30)
        except TimeoutError as error:
            error.add_note(product.run("outbox", "list").stdout)
            raise
    assert [copy.customer for copy in sink.copies].count(patient) == 1
    assert "The mail server does not answer." not in shown(product, "Is anybody there?")


@pytest.mark.mail
def test_a_broken_file_is_taken_in_with_a_line_that_says_what_became_of_it(
    product: Product, tmp_path: Path
) -> None:
    file = tmp_path / "broken.eml"
    file.write_bytes(BROKEN["noise"] + b"!")

    done = product.run("ingest", str(file), "--channel", DESK)

    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout)
    assert (line["outcome"], line["bytes"]) == ("created", len(BROKEN["noise"]) + 1)
    assert line["why"]


@pytest.mark.mail
def test_thirty_megabytes_come_back_to_the_sender_with_the_limit(
    product: Product, mail_stack: MailStack
) -> None:
    """R8: the mail server in front tells them; we keep nothing of it."""
    large = mail("Photos of the damage", "See the files.")
    large.add_attachment(os.urandom(30_000_000), maintype="image", subtype="jpeg", filename="damage.jpg")
    mail_stack.send(large, sender="large@fjallbo.example", to=[DESK])

    (returned,) = mail_stack.mailbox("large@fjallbo.example").wait_for(1)
    words = " ".join(text_of(returned).split())
    assert f"exceeds size limit {25 * 1024 * 1024}" in words
    assert DESK in words
    stored = "select count(*) from email_inboundmail where envelope_from = 'large@fjallbo.example'"
    assert product.value(stored) == 0


@pytest.mark.mail
@pytest.mark.parametrize("declare", [True, False])
def test_thirty_megabytes_are_refused_with_the_limit(product: Product, declare: bool) -> None:
    """R8: before they travel, where the sender says how large they are."""
    told = send(product.smtp_port, ASTRID, DESK, b"Subject: large\r\n\r\n" + LINE * 300_000, declare=declare)

    assert told.startswith("552 5.3.4 ")
    assert str(25 * 1024 * 1024) in told


@pytest.mark.mail
def test_thirty_megabytes_from_a_file_become_a_ticket_with_a_notice(product: Product, tmp_path: Path) -> None:
    """R15: where nobody can be told, the head is taken."""
    large = mail("Photos from the archive", "See the files.")
    large.add_attachment(b"\xff" * 30_000_000, maintype="image", subtype="jpeg", filename="damage.jpg")
    file = tmp_path / "large.eml"
    file.write_bytes(bytes(large))

    line = json.loads(product.run("ingest", str(file), "--channel", DESK).stdout)

    assert (line["outcome"], line["bytes"]) == ("created", file.stat().st_size)
    assert "too large: only its headers were taken" in line["why"]
    assert "larger than what is taken here" in shown(product, "Photos from the archive")


@pytest.mark.mail
def test_mail_to_nobody_comes_back_at_once_and_the_other_recipient_gets_it(
    product: Product, mail_stack: MailStack
) -> None:
    """R4, R6."""
    message = mail("For two", "One of you does not exist.")
    mail_stack.send(message, sender="two@fjallbo.example", to=["nobody@desk.test", DESK])

    (returned,) = mail_stack.mailbox("two@fjallbo.example").wait_for(1)
    words = " ".join(text_of(returned).split())
    assert "nobody@desk.test" in words
    assert "550 5.1.1 No such address here" in words
    assert DESK not in words
    assert "One of you does not exist." in shown(product, "For two")


@pytest.mark.mail
def test_mail_that_breaks_us_is_kept_with_its_reason_and_filed_when_it_can_be(
    product: Product, stumbling: Stumbling
) -> None:
    """R15: by SMTP and from a file, while good mail goes on."""
    line = json.loads(stumbling.ingesting.communicate(timeout=90)[0])
    assert (line["outcome"], line["ticket"]) == ("quarantined", None)
    assert "This mail is too much for me" in line["why"]
    assert "Hello." in shown(product, "Good among bad")
    wait_until(
        lambda: len(product.run("quarantine", "list").stdout.splitlines()) == 2, "both to be put aside"
    )
    listed = product.run("quarantine", "list").stdout.splitlines()
    assert all(f"-> {DESK}" in one and "This mail is too much for me" in one for one in listed)
    assert "deskhand.W008: 2 mails could not be filed" in product.run("check").stdout
    assert product.run("quarantine", "show", str(line["mail"])).stdout.encode() == stumbling.file.read_bytes()

    with product.connected() as database:
        database.execute("drop function stumble cascade")
    assert product.run("quarantine", "again").stdout == "2 will be tried again.\n"
    assert "Kept to the last byte." in shown(product, "Too much from a file")
    assert "Kept." in shown(product, "Too much")
    assert product.run("quarantine", "list").stdout == ""


@pytest.mark.mail
def test_a_wrong_password_of_a_mailbox_is_told_and_its_mail_comes_when_it_is_right(
    product: Product, mail_stack: MailStack, refused_box: Mailbox
) -> None:
    """R16: told where the admin looks, tried again rarely, and said once in the log."""
    box = refused_box
    state = "select state, last_error from email_emailaccount"
    wait_until(lambda: product.rows(state)[0][0] == "REFUSED", "the mailbox to be refused")
    told = product.run("check").stdout
    assert f"deskhand.W007: The mailbox of {box.address} is not read: " in told
    assert (
        f"127.0.0.1:{mail_stack.imap_port} refuses the user name or password of {box.address}"
        in product.rows(state)[0][1]
    )
    assert "not-this-one" not in told
    pause = "select extract(epoch from retry_at - last_error_at)::float from email_emailaccount"
    assert product.value(pause) >= 600
    assert product.said().count("mailbox not read") == 1

    read_mailbox(product, box.address, mail_stack.imap_port, stack.PASSWORD)
    wait_until(lambda: product.rows(state)[0] == ("OK", ""), "the mailbox to be read")
    assert "Left here before you knew the password." in shown(product, "From the mailbox")
    assert "deskhand.W007" not in product.run("check").stdout


def read_mailbox(product: Product, *settings: object) -> None:
    product.python(f"from tests.faults.mailbox import read_mailbox; read_mailbox(*{settings!r})")


def mail(subject: str, text: str, sender: str = ASTRID) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = f"Astrid Lindqvist <{sender}>", DESK, subject
    made["Message-ID"] = f"<{abs(hash(subject))}@fjallbo.example>"
    made.set_content(text)
    return made


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def shown(product: Product, subject: str) -> str:
    """The page of the ticket, as an agent gets it."""
    found = "select id from crm_ticket where subject = %s"
    wait_until(lambda: bool(product.rows(found, subject)), f"ticket {subject!r}")
    with agent(product) as client:
        page = client.get(f"/inbox/all-open/{product.value(found, subject)}")
    assert page.status_code == 200
    return page.text


@contextlib.contextmanager
def agent(product: Product) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=product.address, follow_redirects=True) as client:
        form = client.get("/account/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token is not None
        fields = {"csrfmiddlewaretoken": token[1], "login": "ada@desk.test", "password": PASSWORD}
        signed_in = client.post("/account/login/", data=fields, headers={"Referer": product.address})
        assert "/inbox/" in str(signed_in.url)
        yield client


# ── a full disk, told to its end ─────────────────────────────────────────────────────────────────────────────────────


def test_a_full_disk_loses_no_mail_and_says_so(full_disk: subprocess.Popen[str] | str) -> None:
    """R3, F7, I1, I8: senders are asked to come again, nobody is told a wrong yes, PostgreSQL itself gives up and
    comes back, and all is well when there is space."""
    if isinstance(full_disk, str):
        pytest.skip(full_disk)
    output, errors = full_disk.communicate(timeout=170)
    assert full_disk.returncode == 0, errors
    story = json.loads(output)
    told, stored, said = story["told"], story["stored"], story["said"]

    assert {answer[:3] for answer in told["before"]} == {"250"}
    assert set(told["full"]) == {"452 4.3.1 Our disk is full; please try again later"}
    assert told["down"][:2] == "45"
    assert {answer[:3] for answer in told["after"]} == {"250"}
    assert len(stored) == len(told["before"]) + len(told["after"])
    assert set(stored.values()) == {1}
    assert story["recovered"] < 30
    assert "deskhand.W003" in story["check"]
    assert "0 MB left" in story["check"]
    assert story["page"][0] == 503
    assert "database does not answer" in story["page"][1]
    assert "No space" not in story["page"][1]
    assert "The disk of" in story["backup"]
    assert "Traceback" not in story["backup"]
    assert said.count(" MB left. When it is full, mail is refused for the time being") == 1
    assert said.count("is full; PostgreSQL can't start until there is space") == 1
    assert "PostgreSQL runs again." in said
    assert "has space again" in said
