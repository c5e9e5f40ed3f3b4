"""Starts and stops the two servers, writes mail through one and reads mailboxes at the other.

Mail to a domain of the desk goes to the desk's LMTP port; all other mail lands in a Dovecot mailbox of that name, which
exists as soon as it is named. Everybody's password is PASSWORD. Nothing leaves the machine.
"""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import hmac
import imaplib
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path

DESK_DOMAINS = ("desk.test", "demo.example", "nordlys.example")
PASSWORD = "secret"
TOKEN_KEY = b"only-for-tests-0123456789abcdef-0123"  # signs access tokens for XOAUTH2
OWNER = "mail"  # Debian's user who owns the mailboxes
PATIENCE = 20.0  # seconds

PACKAGES = "postfix dovecot-core dovecot-imapd dovecot-lmtpd"

_DOVECOT = """\
base_dir = {place}/run
state_dir = {place}/state
log_path = {place}/log/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{place}/tls/cert.pem
ssl_key = <{place}/tls/key.pem
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login xoauth2
mail_location = maildir:~/Maildir
mail_uid = {owner}
mail_gid = {owner}
first_valid_uid = 1
first_valid_gid = 1
recipient_delimiter = +
lmtp_save_to_detail_mailbox = no
quota_full_tempfail = yes
passdb {{
  driver = static
  mechanisms = plain login
  args = password={password}
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {place}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={place}/mail/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
# A wrong password is answered at once, however often it was wrong before.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

_OAUTH2 = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={place}/keys/
username_attribute = email
"""

_POSTFIX = """\
compatibility_level = 3.6
queue_directory = {place}/spool
data_directory = {place}/postfix-data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {place}/log/postfix.log
maillog_file_prefixes = {place}/log
myhostname = mx.mailstack.test
mydestination =
local_recipient_maps =
local_transport = error:there is no local delivery
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_client_connection_rate_limit = 0
smtp_host_lookup = native
smtp_dns_support_level = disabled
smtputf8_enable = yes
message_size_limit = 60000000
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
transport_maps = texthash:{place}/postfix/transport
# What is deferred is tried again within the patience of a test.
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
maximal_queue_lifetime = 10m
bounce_queue_lifetime = 10m
alias_maps =
alias_database =
"""

# name, type, private, unprivileged, chroot, wakeup, processes, program
_SERVICES = """\
127.0.0.1:{smtp} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
showq unix n - n - - showq
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
pickup unix n - n 60 1 pickup
postlog unix-dgram n - n - 1 postlogd
"""


def why_not_here() -> str:
    """Return why the servers can't run on this machine, with the way out; nothing if they can."""
    missing = [
        name
        for name in ("postfix", "dovecot")
        if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    ]
    if missing:
        return f"{' and '.join(missing)} not installed: apt-get install --no-install-recommends {PACKAGES}"
    if os.geteuid() != 0:
        return "Postfix needs root to start"
    return ""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class MailStack:
    """The running servers. `desk_lmtp_port` is where the desk must listen; nobody does until a test starts it."""

    def __init__(self, *, desk_domains: Collection[str] = DESK_DOMAINS) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="dhmail"))
        self.smtp_port, self.imap_port, self.imaps_port, self._lmtp_port, self.desk_lmtp_port = (
            free_port() for _ in range(5)
        )
        self._desk_domains = desk_domains

    # --- starting and stopping --------------------------------------------------------------------------------

    def start(self) -> MailStack:
        self._write_files()
        _run("dovecot", "-c", str(self.place / "dovecot.conf"))
        _run("postfix", "-c", str(self.place / "postfix"), "start")
        for port in (self.smtp_port, self.imap_port, self.imaps_port, self._lmtp_port):
            wait_until(lambda port=port: _is_open(port), f"port {port} to open")
        return self

    def stop(self) -> None:
        self._stop_postfix()
        self._stop_dovecot()
        shutil.rmtree(self.place, ignore_errors=True)

    def _stop_postfix(self) -> None:
        pid = _pid(self.place / "spool" / "pid" / "master.pid")
        if pid:
            subprocess.run(
                ["postfix", "-c", str(self.place / "postfix"), "stop"], capture_output=True, check=False
            )
            wait_until(lambda: not _is_running(pid), "Postfix to end")

    def _stop_dovecot(self) -> None:
        pid = _pid(self.place / "run" / "master.pid")
        if pid and _is_running(pid):
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not _is_running(pid), "Dovecot to end")
            # Those that let people sign in outlive it, and keep who came meanwhile waiting for seconds. Also one that
            # was begun while it ended: the whole group, which is called after the one that is gone.
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    @contextmanager
    def without_dovecot(self) -> Iterator[None]:
        """Dovecot is away meanwhile: its ports refuse."""
        self._stop_dovecot()
        try:
            yield
        finally:
            _run("dovecot", "-c", str(self.place / "dovecot.conf"))
            wait_until(lambda: _is_open(self.imap_port), "Dovecot to be back")

    def _write_files(self) -> None:
        place = self.place
        place.chmod(0o755)
        for name in (
            "postfix",
            "spool",
            "postfix-data",
            "run",
            "state",
            "mail",
            "log",
            "tls",
            "keys/default/HS256",
        ):
            (place / name).mkdir(parents=True)
        shutil.chown(place / "mail", OWNER, OWNER)
        shutil.chown(place / "postfix-data", "postfix")
        values = {
            "place": place,
            "owner": OWNER,
            "password": PASSWORD,
            "smtp": self.smtp_port,
            "imap": self.imap_port,
            "imaps": self.imaps_port,
            "lmtp": self._lmtp_port,
        }
        (place / "dovecot.conf").write_text(_DOVECOT.format(**values))
        (place / "oauth2.conf").write_text(_OAUTH2.format(**values))
        (place / "keys/default/HS256/default").write_text(base64.b64encode(TOKEN_KEY).decode())
        (place / "postfix" / "main.cf").write_text(_POSTFIX.format(**values))
        (place / "postfix" / "master.cf").write_text(_SERVICES.format(**values))
        (place / "postfix" / "transport").write_text(
            "".join(f"{domain} lmtp:inet:127.0.0.1:{self.desk_lmtp_port}\n" for domain in self._desk_domains)
        )
        self._make_certificate()

    def _make_certificate(self) -> None:
        _run(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(self.place / "tls/key.pem"), "-out", str(self.certificate)),
        )

    @property
    def certificate(self) -> Path:
        """Of IMAP over TLS; good for localhost and 127.0.0.1."""
        return self.place / "tls" / "cert.pem"

    # --- mail -------------------------------------------------------------------------------------------------

    def send(self, message: EmailMessage | bytes, *, sender: str, to: Collection[str]) -> None:
        """Hand a mail to Postfix."""
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=PATIENCE) as client:
            if isinstance(message, EmailMessage):
                client.send_message(message, sender, list(to))
            else:
                client.sendmail(sender, list(to), message)

    def queue_is_empty(self) -> bool:
        """Whether Postfix has settled everything."""
        answer = subprocess.run(
            ["postqueue", "-c", str(self.place / "postfix"), "-j"],
            capture_output=True,
            text=True,
            check=False,
        )
        return not answer.stdout.strip()

    def mailbox(self, address: str) -> Mailbox:
        return Mailbox(self, address)

    def renumber(self, address: str, folder: str = "") -> None:
        """Make Dovecot number a folder's mails anew, as after a restored backup (R11)."""
        maildir = self.place / "mail" / address / "Maildir" / folder
        for index in maildir.glob("dovecot*"):
            if index.is_file():
                index.unlink()

    def token(self, user: str, *, seconds: int = 60) -> str:
        """An access token for XOAUTH2; with negative seconds one that has ended."""
        now = int(time.time())
        claims = {
            "sub": user,
            "email": user,
            "iat": now - 600,
            "nbf": now - 600,
            "exp": now + seconds,
            "scope": "imap",
        }
        signed = b".".join(_part(part) for part in ({"alg": "HS256", "typ": "JWT", "kid": "default"}, claims))
        signature = hmac.new(TOKEN_KEY, signed, hashlib.sha256).digest()
        return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()

    def log(self) -> str:
        """What both servers noted, for a failing test."""
        return "\n".join(file.read_text(errors="replace") for file in sorted((self.place / "log").iterdir()))


class Mailbox:
    """Somebody's mailbox at Dovecot, read by IMAP."""

    def __init__(self, stack: MailStack, address: str) -> None:
        self._stack = stack
        self.address = address

    def mails(self, folder: str = "INBOX") -> list[EmailMessage]:
        """Return all mails of a folder, oldest first, without marking them read."""
        with self._signed_in() as client:
            if client.select(f'"{folder}"', readonly=True)[0] != "OK":
                return []
            _, found = client.uid("FETCH", "1:*", "(BODY.PEEK[])")
            raws = [item[1] for item in found if isinstance(item, tuple)]
        mails = [email.message_from_bytes(raw, policy=email.policy.default) for raw in raws]
        return [mail for mail in mails if isinstance(mail, EmailMessage)]

    def wait_for(
        self, count: int = 1, *, subject: str = "", folder: str = "INBOX", patience: float = PATIENCE
    ) -> list[EmailMessage]:
        """Return the mails once at least `count` have `subject` in theirs. Raises AssertionError."""
        found: list[EmailMessage] = []

        def are_there() -> bool:
            found[:] = [mail for mail in self.mails(folder) if subject in str(mail["Subject"])]
            return len(found) >= count

        wait_until(are_there, f"{count} mails {subject!r} for {self.address}", patience=patience)
        return found

    def put(self, raw: bytes, folder: str = "INBOX") -> None:
        """Lay a mail into a folder, as another program would."""
        with self._signed_in() as client:
            status, answer = client.append(f'"{folder}"', "", None, raw)
        assert status == "OK", answer

    def delete_all(self, folder: str = "INBOX") -> None:
        with self._signed_in() as client:
            client.select(f'"{folder}"')
            client.uid("STORE", "1:*", "+FLAGS", r"(\Deleted)")
            client.expunge()

    def flags(self, folder: str = "INBOX") -> list[str]:
        with self._signed_in() as client:
            client.select(f'"{folder}"', readonly=True)
            _, found = client.uid("FETCH", "1:*", "(FLAGS)")
        return [bytes(item).decode() for item in found if item]

    @contextmanager
    def _signed_in(self) -> Iterator[imaplib.IMAP4]:
        client = imaplib.IMAP4("127.0.0.1", self._stack.imap_port, timeout=PATIENCE)
        client.login(self.address, PASSWORD)
        try:
            yield client
        finally:
            client.logout()


def wait_until(is_so: Callable[[], bool], what: str, *, patience: float = PATIENCE) -> None:
    """Look every 50 ms. Raises AssertionError naming `what` was waited for."""
    until = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < until, f"Waited {patience:.0f} s in vain for {what}"
        time.sleep(0.05)


def _part(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def _run(*command: str) -> None:
    environment = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}
    with tempfile.TemporaryFile() as output:  # a pipe would be held open by the servers that are left running
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, check=False
        )
        output.seek(0)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {output.read().decode(errors='replace')}")


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _pid(path: Path) -> int:
    return int(path.read_text()) if path.exists() else 0


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
