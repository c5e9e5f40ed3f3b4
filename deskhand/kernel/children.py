"""A pool of guarded child processes for work on what strangers send: parsing, sanitizing.

    pool process ──spawns──▶ nursery (imports once, no threads) ──forks──▶ child, child, …
         └────────────────── one socket to each child ──────────────────────┘

A child has limits of time, memory, output, open files; it can write no file. It is replaced when it breaks
one, and after a number of items. What it answers is unpickled with a list of allowed classes: a child that
was taken over can't run code in the pool's process. Everything dies with the pool's process.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import json
import os
import pickle
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import EnumType
from importlib import import_module
from pathlib import Path
from typing import Any

MEGABYTE = 1024 * 1024
_LENGTH = struct.Struct(">BQ")
_OK, _FAILED = 0, 1
_STARTUP_SECONDS = 30
_ORPHAN_CHECK_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
_BUILTIN_RESULTS = frozenset({("datetime", "datetime"), ("datetime", "timezone"), ("datetime", "timedelta")})


class ChildFailed(Exception):
    """The child gave no answer. `reason`: "timeout", "memory", "output", "died: …", or the error's own words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_STRANGER = "unknown"  # what a nursery says of a child that another one forked, which is dead by now


class _Lost(ChildFailed):
    """The nursery died, and all children with it: not the item's fault."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one item may take. Memory is above what the idle child has."""

    memory_mb: int = 400
    output_mb: int = 128
    items: int = 5000  # after so many a child is replaced: memory of C libraries never shrinks


@dataclass(slots=True)
class _Child:
    pid: int
    pipe: socket.socket
    items: int = 0


@dataclass(slots=True)
class _Task:
    index: int
    child: _Child
    deadline: float


class ChildPool:
    """Runs functions, named as "module:function", in guarded children. Safe to use from several threads.

    `preload` names the modules that are imported before a child is forked; `results` the classes that may
    come back besides plain values. The pool starts at its first call; in a forked copy of its process it
    starts anew.
    """

    def __init__(
        self,
        size: int = 2,
        *,
        preload: Sequence[str] = (),
        results: Iterable[type] = (),
        limits: Limits = Limits(),
    ) -> None:
        self._size = size
        self._preload = tuple(preload)
        self._allowed = _BUILTIN_RESULTS | {(kind.__module__, kind.__qualname__) for kind in results}
        self._limits = limits
        self._reset()

    def _reset(self) -> None:
        self._owner = os.getpid()
        self._nursery: _Nursery | None = None
        self._idle: deque[_Child] = deque()
        self._alive = 0
        self._changed = threading.Condition()

    def call(self, target: str, *args: Any, timeout: float = 5.0) -> Any:
        """Run one call and return its result. `timeout` is in seconds of wall time, in the child.

        Raises ChildFailed if it took too long, too much, or raised.
        """
        try:
            return self._call_once(target, args, timeout)
        except _Lost:
            return self._call_once(target, args, timeout)

    def _call_once(self, target: str, args: tuple[Any, ...], timeout: float) -> Any:
        child = self._take()
        try:
            answer = self._converse(child, target, args, timeout)
        except BaseException:  # also a signal in the middle: the child's state is unknown
            self._replace(child)
            raise
        self._give_back(child)
        return self._opened(answer)

    def map_calls(
        self, target: str, items: Sequence[tuple[Any, ...]], *, timeout: float = 5.0
    ) -> list[Any | ChildFailed]:
        """Run one call per tuple of arguments, on all children that are free.

        Returns, in order, each result, or the ChildFailed in its place. `timeout` is per item.
        """
        answers: list[Any | ChildFailed] = [None] * len(items)
        waiting = deque(range(len(items)))
        with contextlib.ExitStack() as cleanup:
            selector = cleanup.enter_context(selectors.DefaultSelector())
            running: dict[int, _Task] = {}
            cleanup.callback(self._abandon, running)
            while waiting or running:
                self._start_waiting(selector, running, waiting, target, items, timeout, answers)
                self._collect(selector, running, answers)
        for index, answer in enumerate(answers):
            if isinstance(answer, _Lost):
                answers[index] = self._again(target, items[index], timeout)
        return answers

    def _again(self, target: str, args: tuple[Any, ...], timeout: float) -> Any | ChildFailed:
        try:
            return self._call_once(target, args, timeout)
        except ChildFailed as failure:
            return failure

    def close(self) -> None:
        """End all children. The pool may be used again; it starts anew."""
        if self._owner == os.getpid() and self._nursery is not None:
            nursery = self._nursery
            with self._changed:
                for child in self._idle:
                    child.pipe.close()
                nursery.close()
        self._reset()

    # -- children

    def _take(self, *, wait: bool = True) -> _Child:
        if self._owner != os.getpid():
            self._reset()
        with self._changed:
            while not self._idle:
                if self._alive < self._size:
                    return self._new_child()
                if not wait:
                    raise BlockingIOError
                self._changed.wait()
            return self._idle.pop()

    def _new_child(self) -> _Child:
        """Fork one. A nursery found dead is replaced; a new one that can't fork is the machine's fault."""
        try:
            child = self._nursery.fork() if self._nursery is not None else None
        except (OSError, EOFError):
            self._forget_nursery()
            child = None
        if child is None:
            child = self._first_child()
        self._alive += 1
        return child

    def _first_child(self) -> _Child:
        self._nursery = _Nursery(self._preload, self._limits)
        try:
            return self._nursery.fork()
        except (OSError, EOFError) as failure:
            self._forget_nursery()
            raise ChildFailed(f"no child could be started: {failure}") from failure

    def _give_back(self, child: _Child) -> None:
        child.items += 1
        if child.items >= self._limits.items:
            self._replace(child)
            return
        with self._changed:
            self._idle.append(child)
            self._changed.notify()

    def _replace(self, child: _Child) -> None:
        """End a child; the next one is forked when it is needed."""
        child.pipe.close()
        with self._changed:
            self._alive -= 1
            if self._nursery is not None:
                self._nursery.end(child.pid)
            self._changed.notify()

    # -- conversation

    def _converse(self, child: _Child, target: str, args: tuple[Any, ...], timeout: float) -> bytes:
        deadline = time.monotonic() + timeout + 0.2
        try:
            child.pipe.settimeout(timeout + 1)
            _send(child.pipe, _OK, pickle.dumps((target, args, timeout), protocol=5))
            return _answer(child.pipe, deadline, self._limits.output_mb * MEGABYTE)
        except TimeoutError as failure:
            raise ChildFailed("timeout") from failure
        except (OSError, EOFError) as failure:
            raise self._why_died(child) from failure

    def _why_died(self, child: _Child) -> ChildFailed:
        with self._changed:
            ended = self._nursery.end(child.pid) if self._nursery else ""
            if not ended:
                self._forget_nursery()
            if ended in ("", _STRANGER):
                return _Lost("the nursery died")
        return ChildFailed("timeout" if ended == "SIGALRM" else f"died: {ended}")

    def _forget_nursery(self) -> None:
        """Drop a dead nursery and its idle children. Those at work are missed by who waits for them."""
        for child in self._idle:
            child.pipe.close()
        self._alive -= len(self._idle)
        self._idle.clear()
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None

    def _opened(self, answer: bytes) -> Any:
        try:
            return _Unpickler(io.BytesIO(answer), self._allowed).load()
        except Exception as failure:
            raise ChildFailed(f"answer can't be read: {failure}") from failure

    def _start_waiting(
        self,
        selector: selectors.BaseSelector,
        running: dict[int, _Task],
        waiting: deque[int],
        target: str,
        items: Sequence[tuple[Any, ...]],
        timeout: float,
        answers: list[Any | ChildFailed],
    ) -> None:
        while waiting:
            try:
                child = self._take(wait=not running)
            except BlockingIOError:
                return
            index = waiting.popleft()
            child.pipe.settimeout(timeout + 1)
            try:
                _send(child.pipe, _OK, pickle.dumps((target, items[index], timeout), protocol=5))
            except OSError:
                answers[index] = self._why_died(child)
                self._replace(child)
                continue
            running[child.pid] = _Task(index, child, time.monotonic() + timeout + 0.2)
            selector.register(child.pipe, selectors.EVENT_READ, child.pid)

    def _collect(
        self, selector: selectors.BaseSelector, running: dict[int, _Task], answers: list[Any | ChildFailed]
    ) -> None:
        if not running:
            return
        patience = min(task.deadline for task in running.values()) - time.monotonic()
        ready = {key.data for key, _ in selector.select(max(0.0, patience))}
        for pid in [pid for pid, task in running.items() if pid in ready or task.deadline < time.monotonic()]:
            task = running.pop(pid)
            selector.unregister(task.child.pipe)
            answers[task.index] = self._finish(task, is_ready=pid in ready)

    def _finish(self, task: _Task, *, is_ready: bool) -> Any | ChildFailed:
        try:
            if not is_ready:
                raise TimeoutError
            answer = _answer(task.child.pipe, task.deadline + 1, self._limits.output_mb * MEGABYTE)
        except TimeoutError:
            self._replace(task.child)
            return ChildFailed("timeout")
        except ChildFailed as failure:
            self._replace(task.child)
            return failure
        except (OSError, EOFError):
            reason = self._why_died(task.child)
            self._replace(task.child)
            return reason
        self._give_back(task.child)
        try:
            return self._opened(answer)
        except ChildFailed as failure:
            return failure

    def _abandon(self, running: dict[int, _Task]) -> None:
        for task in running.values():
            self._replace(task.child)


class _Nursery:
    """The process that forks children. It has no threads and holds no data; used under the pool's lock."""

    def __init__(self, preload: Sequence[str], limits: Limits) -> None:
        ours, theirs = socket.socketpair()
        root = str(Path(__file__).resolve().parents[2])
        program = (
            f"import sys; sys.path.insert(0, {root!r}); "
            f"from deskhand.kernel.children import _be_nursery; _be_nursery({theirs.fileno()})"
        )
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", program],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        theirs.close()
        self._pipe = ours
        self._pipe.settimeout(_STARTUP_SECONDS)
        self._ended: dict[int, str] = {}
        settings = {"preload": list(preload), "memory_mb": limits.memory_mb, "output_mb": limits.output_mb}
        _send(self._pipe, _OK, json.dumps(settings).encode())

    def fork(self) -> _Child:
        _send(self._pipe, _OK, b"fork")
        head, fds, _, _ = socket.recv_fds(self._pipe, 8, 1)
        if not fds or len(head) < 8:
            raise EOFError("the nursery is gone")
        return _Child(int.from_bytes(head, "big"), socket.socket(fileno=fds[0]))

    def end(self, pid: int) -> str:
        """Kill and bury a child; say how it had ended, "" if the nursery itself is gone. Safe to repeat."""
        if pid in self._ended:
            return self._ended.pop(pid)
        try:
            _send(self._pipe, _OK, b"end %d" % pid)
            ended = _receive(self._pipe, 1000)[1].decode()
        except (OSError, EOFError):
            return ""
        self._ended[pid] = ended
        return ended

    def close(self) -> None:
        self._pipe.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Unpickler(pickle.Unpickler):
    def __init__(self, source: io.BytesIO, allowed: frozenset[tuple[str, str]]) -> None:
        super().__init__(source)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return self._member  # how enums travel before Python 3.11.4
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return super().find_class(module, name)

    def _member(self, of: object, name: str) -> Any:
        """A member of an allowed enum; anything else that getattr could reach is refused."""
        if not isinstance(of, EnumType) or name not in of.__members__:
            raise pickle.UnpicklingError(f"getattr of {name} is not allowed")
        return of[name]


def _send(pipe: socket.socket, kind: int, data: bytes) -> None:
    head = _LENGTH.pack(kind, len(data))
    if len(data) < 65_536:
        pipe.sendall(head + data)
    else:
        pipe.sendall(head)
        pipe.sendall(data)


def _receive(pipe: socket.socket, limit: int, deadline: float | None = None) -> tuple[int, bytearray]:
    kind, length = _LENGTH.unpack(_exactly(pipe, _LENGTH.size, deadline))
    if length > limit:
        raise ChildFailed("output")
    return kind, _exactly(pipe, length, deadline)


def _exactly(pipe: socket.socket, length: int, deadline: float | None) -> bytearray:
    buffer = bytearray(length)
    view, got = memoryview(buffer), 0
    while got < length:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            pipe.settimeout(left)
        count = pipe.recv_into(view[got:])
        if count == 0:
            raise EOFError
        got += count
    return buffer


def _answer(pipe: socket.socket, deadline: float, limit: int) -> bytes:
    kind, data = _receive(pipe, limit, deadline)
    if kind == _FAILED:
        raise ChildFailed(data.decode("utf-8", "replace"))
    return bytes(data)


# ---- In the nursery and the children. Nothing below runs in the pool's process.


def _be_nursery(fd: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whoever stops the pool's process closes our pipe
    pipe = socket.socket(fileno=fd)
    parent = os.getppid()
    settings = json.loads(_receive(pipe, MEGABYTE)[1])
    for module in settings["preload"]:
        import_module(module)
    gc.collect()
    gc.freeze()
    selector = selectors.DefaultSelector()
    selector.register(pipe, selectors.EVENT_READ)
    while os.getppid() == parent:
        if selector.select(_ORPHAN_CHECK_SECONDS) and not _obey(pipe, settings):
            return


def _obey(pipe: socket.socket, settings: dict[str, Any]) -> bool:
    """Carry out one order; False when the pool is gone."""
    try:
        order = _receive(pipe, 1000)[1]
    except (OSError, EOFError):
        return False
    if order == b"fork":
        _fork(pipe, settings)
    else:
        _send(pipe, _OK, _bury(int(order.split()[1])).encode())
    return True


def _fork(pipe: socket.socket, settings: dict[str, Any]) -> None:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        pipe.close()
        _be_child(theirs, settings)
        os._exit(0)
    theirs.close()
    socket.send_fds(pipe, [pid.to_bytes(8, "big")], [ours.fileno()])
    ours.close()


def _bury(pid: int) -> str:
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
        if not done:
            # A child that is just ending by itself shall say why.
            time.sleep(0.005)
            done, status = os.waitpid(pid, os.WNOHANG)
        if not done:
            os.kill(pid, signal.SIGKILL)
            done, status = os.waitpid(pid, 0)  # tells of what came first
    except ChildProcessError:
        return _STRANGER
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return "killed" if name == "SIGKILL" else name
    return f"exit {os.waitstatus_to_exitcode(status)}"


def _be_child(pipe: socket.socket, settings: dict[str, Any]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _limit(settings["memory_mb"])
    known: dict[str, Callable[..., Any]] = {}
    while True:
        try:
            order = _receive(pipe, 2**40)[1]
        except (OSError, EOFError, MemoryError):
            return
        target, args, timeout = pickle.loads(order)
        del order
        kind, data = _run(known, target, args, timeout)
        if len(data) > settings["output_mb"] * MEGABYTE:
            kind, data = _FAILED, b"output"
        del args
        _send(pipe, kind, data)
        del data


def _limit(memory_mb: int) -> None:
    with open("/proc/self/statm") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    ceiling = size + memory_mb * MEGABYTE
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def _run(
    known: dict[str, Callable[..., Any]], target: str, args: tuple[Any, ...], timeout: float
) -> tuple[int, bytes]:
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        if target not in known:
            module, _, name = target.partition(":")
            known[target] = getattr(import_module(module), name)
        return _OK, pickle.dumps(known[target](*args), protocol=5)
    except MemoryError:
        return _FAILED, b"memory"
    except Exception as failure:  # noqa: BLE001  the edge of the child: every error is told to the caller
        return _FAILED, f"{type(failure).__name__}: {failure}"[:500].encode("utf-8", "replace")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
