"""What the child of `kernel/sandbox.py` runs: it walls itself in, then runs the given code. No line of it sees our process.

Handed over as text to a bare interpreter, so it imports nothing of ours. The order counts: what the walls forbid must be
done before they stand. Raises nothing: what it has to say goes as JSON to the descriptor that its argument names.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import resource
import signal
import struct
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from typing import Any

#: Loaded before the walls stand; what else belongs to Python's own library can be imported where the files can be read.
LOADED = (
    "base64 binascii bisect calendar cmath codecs collections copy csv dataclasses datetime decimal difflib email.utils enum fractions functools hashlib"
    " heapq hmac html io ipaddress itertools locale math numbers operator pprint random re secrets statistics string textwrap time traceback types typing unicodedata"
    " urllib.parse uuid encodings.idna xml.etree.ElementTree zlib zoneinfo"
)
NOBODY = 65534

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050001, 0x80000000  # REFUSE: EPERM

#: The calls that computing needs, and reading Python's own library. No socket, no process, no signal to others, no new file.
CALLS = {
    "x86_64": (0xC000003E, [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 23, 24, 25, 28, 32, 33, 35, 39, 60, 63, 72, 79, 89, 96,
        98, 99, 100, 102, 104, 107, 108, 110, 131, 186, 201, 202, 204, 217, 219, 228, 229, 230, 231, 257, 262, 267, 269, 270, 271, 273,
        292, 318, 332, 334, 439,
    ]),
    "aarch64": (0xC00000B7, [
        17, 23, 24, 25, 29, 48, 56, 57, 61, 62, 63, 64, 65, 66, 67, 72, 73, 78, 79, 80, 93, 94, 98, 99, 101, 113, 114, 115, 123, 124, 128,
        132, 134, 135, 139, 153, 160, 165, 169, 172, 173, 174, 175, 176, 177, 178, 179, 214, 215, 216, 222, 226, 233, 278, 291, 293, 439,
    ]),
}  # fmt: skip

libc = ctypes.CDLL(None, use_errno=True)
for name in ("prctl", "unshare", "syscall"):
    getattr(libc, name).restype = ctypes.c_long


class WontHold(Exception):
    """A wall can't be put up here."""


def prctl(option: int, value: int, more: int = 0) -> None:
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_void_p(more), 0, 0):
        raise WontHold(f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def limit(limits: Mapping[str, Any]) -> None:
    for what, most in (
        (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NPROC, 0), (resource.RLIMIT_NOFILE, 24),
        (resource.RLIMIT_MEMLOCK, 0), (resource.RLIMIT_MSGQUEUE, 0), (resource.RLIMIT_CPU, math.ceil(limits["seconds"])),
        (resource.RLIMIT_AS, limits["memory"]),
    ):  # fmt: skip
        resource.setrlimit(what, (most, most + (what == resource.RLIMIT_CPU)))
    signal.setitimer(signal.ITIMER_REAL, limits["seconds"])


def become_nobody() -> None:
    """A network of its own that leads nowhere, where the kernel allows it, and no rights, where there are some."""
    is_root = os.geteuid() == 0
    libc.unshare(CLONE_NEWNET | CLONE_NEWIPC if is_root else CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC)
    if is_root:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def library() -> list[int]:
    """Where Python's own library is, and the names of time zones; opened while we may."""
    import zoneinfo

    paths = sysconfig.get_paths()
    found = {
        paths["stdlib"],
        paths["platstdlib"],
        *zoneinfo.TZPATH,
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
    }
    return [os.open(one, os.O_PATH | os.O_CLOEXEC) for one in found if os.path.isdir(one)]


def landlock(readable: Sequence[int]) -> None:
    """Reading and listing below these folders; no other file, whatever its owner allows."""
    version = libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, 1)
    if version < 1:
        raise WontHold("Landlock is missing: it needs Linux 5.13, switched on")
    rights = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)  # how many kinds of access to files it knows
    handled = struct.pack("Q", (1 << rights) - 1)
    ruleset = libc.syscall(LANDLOCK_CREATE_RULESET, handled, len(handled), 0)
    if ruleset < 0:
        raise WontHold(f"Landlock: {os.strerror(ctypes.get_errno())}")
    for folder in readable:
        rule = struct.pack("=Qi", 1 << 2 | 1 << 3, folder)  # read a file, list a folder
        if libc.syscall(LANDLOCK_ADD_RULE, ruleset, 1, rule, 0):
            raise WontHold(f"Landlock: {os.strerror(ctypes.get_errno())}")
        os.close(folder)
    if libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0):
        raise WontHold(f"Landlock: {os.strerror(ctypes.get_errno())}")
    os.close(ruleset)


def seccomp() -> None:
    machine = os.uname().machine
    if machine not in CALLS:
        raise WontHold(f"system calls can't be told apart on {machine}")
    architecture, calls = CALLS[machine]
    program = [
        (0x20, 0, 0, 4), (0x15, 1, 0, architecture), (0x06, 0, 0, KILL), (0x20, 0, 0, 0),
        *((0x15, len(calls) - place, 0, number) for place, number in enumerate(calls)),
        (0x06, 0, 0, REFUSE), (0x06, 0, 0, ALLOW),
    ]  # fmt: skip
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    prctl(PR_SET_SECCOMP, 2, ctypes.addressof(head))


def wall_in(limits: Mapping[str, Any], parent: int) -> None:
    readable = library()
    become_nobody()
    limit(limits)
    prctl(PR_SET_DUMPABLE, 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    landlock(readable)
    seccomp()


def run(given: Mapping[str, Any]) -> Any:
    space: dict[str, Any] = {"__name__": "code"}
    exec(compile(given["code"], "code", "exec", dont_inherit=True), space)
    main = space.get("main")
    if not callable(main):
        raise NameError("there is no function main(event)")
    return main(given["event"])


def told_of(failure: BaseException) -> dict[str, Any]:
    """What went wrong, and at which line of the code."""
    line = failure.lineno or 0 if isinstance(failure, SyntaxError) else 0
    place = failure.__traceback__
    while place is not None:
        if place.tb_frame.f_code.co_filename == "code":
            line = place.tb_lineno
        place = place.tb_next
    words = ""
    with contextlib.suppress(Exception):
        words = str(failure)
    return {"failed": {"type": type(failure).__name__, "message": words[:1000], "line": line}}


def work(given: Mapping[str, Any]) -> dict[str, Any]:
    for name in LOADED.split():
        __import__(name)
    try:
        wall_in(given["limits"], given["parent"])
    except (WontHold, OSError, ValueError) as reason:
        return {"open": str(reason)}
    os.environ.update(given["secrets"])
    sys.path[:] = [one for one in sys.path if one]
    try:
        result = {"returned": run(given)}
        json.dumps(result)
        return result
    except MemoryError:
        return {"memory": True}
    except BaseException as failure:  # noqa: BLE001 the edge of the child: foreign code raises what it likes
        return told_of(failure)


if __name__ == "__main__":
    out = int(sys.argv[1])
    answer = json.dumps(work(json.loads(sys.stdin.buffer.read())), ensure_ascii=True).encode()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    while answer:
        answer = answer[os.write(out, answer) :]
    os._exit(0)
