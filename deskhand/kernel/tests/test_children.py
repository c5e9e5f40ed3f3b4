"""The guarded children: what breaks one breaks nothing else (P1)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deskhand.kernel.children import ChildFailed, ChildPool, Limits

HERE = "deskhand.kernel.tests.test_children"
ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Allowed:
    value: int


@dataclass(frozen=True)
class Unexpected:
    value: int


def allowed(value: int) -> Allowed:
    return Allowed(value)


def unexpected(value: int) -> Unexpected:
    return Unexpected(value)


def double_or_fail(number: int) -> int:
    if number % 10 == 7:
        os.abort()
    if number % 10 == 9:
        raise ValueError("no nines")
    return 2 * number


def write_a_file(path: str) -> int:
    return Path(path).write_bytes(b"x" * 100)


@pytest.fixture
def pool() -> Iterator[ChildPool]:
    made = ChildPool(size=2, results=(Allowed,), limits=Limits(memory_mb=100, output_mb=2, items=1000))
    yield made
    made.close()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def test_a_call_runs_elsewhere_and_the_same_child_serves_the_next(pool: ChildPool) -> None:
    first, second = pool.call("os:getpid"), pool.call("os:getpid")

    assert first == second != os.getpid()


@pytest.mark.parametrize(
    ("target", "args", "reason"),
    [
        ("time:sleep", (30,), "timeout"),
        ("os:abort", (), "died: SIGABRT"),
        ("os:_exit", (3,), "died: exit 3"),
        ("builtins:bytearray", (300_000_000,), "memory"),
        ("builtins:bytes", (3_000_000,), "output"),
        ("builtins:int", ("x",), "ValueError: invalid literal for int() with base 10: 'x'"),
        ("no_such_module:f", (), "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_a_child_that_misbehaves_is_replaced_and_the_reason_told(
    pool: ChildPool, target: str, args: tuple[object, ...], reason: str
) -> None:
    before = pool.call("os:getpid")

    with pytest.raises(ChildFailed) as failure:
        pool.call(target, *args, timeout=1.0)

    assert failure.value.reason == reason
    assert pool.call("os:getpid") != before
    assert gone_within(before, 5)


def test_a_child_that_can_not_be_interrupted_is_killed(pool: ChildPool) -> None:
    """A loop in C that holds the interpreter: no exception could end it."""
    with pytest.raises(ChildFailed) as failure:
        pool.call("re:fullmatch", "(a|aa)+b", "a" * 60, timeout=0.5)

    assert failure.value.reason == "timeout"


def test_only_listed_classes_come_back(pool: ChildPool) -> None:
    assert pool.call(f"{HERE}:allowed", 1) == Allowed(1)
    with pytest.raises(ChildFailed, match="Unexpected is not allowed"):
        pool.call(f"{HERE}:unexpected", 1)


def test_a_child_writes_no_files(pool: ChildPool, tmp_path: Path) -> None:
    with pytest.raises(ChildFailed):
        pool.call(f"{HERE}:write_a_file", str(tmp_path / "x"))


def test_a_batch_gives_each_item_its_result_or_its_failure(pool: ChildPool) -> None:
    answers = pool.map_calls(f"{HERE}:double_or_fail", [(n,) for n in range(40)], timeout=5)

    reasons = {n: a.reason for n, a in enumerate(answers) if isinstance(a, ChildFailed)}
    assert reasons == {
        n: "died: SIGABRT" if n % 10 == 7 else "ValueError: no nines" for n in (7, 9, 17, 19, 27, 29, 37, 39)
    }
    assert [a for a in answers if not isinstance(a, ChildFailed)] == [
        2 * n for n in range(40) if n % 10 not in (7, 9)
    ]


def test_large_items_travel_both_ways(pool: ChildPool) -> None:
    data = os.urandom(1_000_000)

    assert pool.map_calls("builtins:bytes", [(data,)] * 6) == [data] * 6


def test_many_threads_share_the_children(pool: ChildPool) -> None:
    results: dict[int, object] = {}

    def work(number: int) -> None:
        try:
            results[number] = [pool.call(f"{HERE}:double_or_fail", n) for n in (number, number + 10)]
        except ChildFailed as failure:
            results[number] = failure.reason

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    expected: dict[int, object] = {n: [2 * n, 2 * (n + 10)] for n in range(10) if n not in (7, 9)}
    assert results == {**expected, 7: "died: SIGABRT", 9: "ValueError: no nines"}


def test_a_dead_nursery_is_replaced_without_loss(pool: ChildPool) -> None:
    pool.call("os:getpid")
    nursery = pool.call("os:getppid")

    os.kill(nursery, 9)
    assert gone_within(nursery, 5)

    assert pool.map_calls(f"{HERE}:double_or_fail", [(n,) for n in range(4)]) == [0, 2, 4, 6]
    assert pool.call("os:getppid") != nursery


def test_a_nursery_found_dead_when_a_child_is_wanted_is_replaced() -> None:
    pool = ChildPool(
        size=1, limits=Limits(items=1)
    )  # each child serves once: none is idle to tell of the death
    nursery = pool.call("os:getppid")

    os.kill(nursery, 9)
    assert gone_within(nursery, 5)

    assert pool.call("os:getppid") != nursery
    pool.close()


def test_a_child_is_replaced_after_its_share_of_items() -> None:
    pool = ChildPool(size=1, limits=Limits(items=3))
    pids = [pool.call("os:getpid") for _ in range(6)]
    pool.close()

    assert len(set(pids[:3])) == len(set(pids[3:])) == 1
    assert pids[0] != pids[3]


def test_everything_dies_with_the_pools_process() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from deskhand.kernel.children import ChildPool\n"
        "pool = ChildPool(size=1)\n"
        "print(pool.call('os:getpid'), pool.call('os:getppid'), flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        child, nursery = map(int, owner.stdout.readline().split())
        owner.kill()

    assert gone_within(child, 10)
    assert gone_within(nursery, 10)


def test_children_know_nothing_of_the_product_but_what_is_preloaded() -> None:
    """They are forked from a clean process: no Django, no open database connection."""
    pool = ChildPool(size=1, preload=("deskhand.channels.email.guarded",))
    try:
        names = pool.call(f"{HERE}:loaded_areas")
    finally:
        pool.close()

    assert names == []


def loaded_areas() -> list[str]:
    return [name for name in ("django", "psycopg", "sqlite3") if name in sys.modules]
