import fcntl
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.core.errors import NeedsOperator
from daemon.ports import AccessToken
from daemon.store.locks import FileTokenStore, FileTurn, SharedBudget, SingleInstanceLock

NOW = datetime(2026, 7, 10, tzinfo=UTC)
TOKEN = AccessToken("secret", NOW + timedelta(hours=24), NOW)
ROOT = Path(__file__).parents[2]


def child(code: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


HOLD = """
import sys
from pathlib import Path
from daemon.store.locks import SingleInstanceLock
with SingleInstanceLock(Path(sys.argv[1]), description="kis daemon, real"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_the_second_one_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "run" / "key.lock"
    with child(HOLD, path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        lock = SingleInstanceLock(path, description="other")
        with pytest.raises(NeedsOperator, match=f"pid {holder.pid}, kis daemon, real"):
            lock.acquire()
        holder.kill()
    with lock, pytest.raises(NeedsOperator, match="this process"):
        lock.acquire()
    lock.release()
    lock.acquire()
    lock.release()


def test_a_turn_is_exclusive(tmp_path: Path) -> None:
    mine, other = FileTurn(tmp_path / "t"), FileTurn(tmp_path / "t")
    assert mine.acquire()
    assert not mine.acquire()
    assert not other.acquire()
    mine.release()
    mine.release()
    assert other.acquire()
    other.release()


def test_a_token_is_kept_privately(tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "keys")
    assert store.load() is None
    store.save(TOKEN)
    assert FileTokenStore(tmp_path / "keys").load() == TOKEN
    path = tmp_path / "keys" / "token.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["token.json"]
    path.chmod(0o644)
    path.parent.chmod(0o755)
    assert FileTokenStore(tmp_path / "keys").load() == TOKEN
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    turn = store.issuing()
    assert turn.acquire()
    assert not store.issuing().acquire()
    turn.release()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [b"{}", b"[]", b"null", b'{"value":1}', b'{"value":"a","expires_at":"x"}',
             b'{"value":"a","expires_at":"2026-01-01","issued_at":"2026-01-01"}',
             b'{"value":"","expires_at":"2026-01-01T00:00Z","issued_at":"2026-01-01T00:00Z"}']
        ),
    )
)  # fmt: skip
def test_a_damaged_token_reads_as_none(tmp_path: Path, damage: bytes) -> None:
    store = FileTokenStore(tmp_path)
    (tmp_path / "token.json").write_bytes(damage)
    assert store.load() is None
    store.save(TOKEN)
    assert store.load() == TOKEN


def test_a_link_in_place_of_the_token_is_not_followed(tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "a")
    FileTokenStore(tmp_path / "b").save(TOKEN)
    (tmp_path / "a" / "token.json").symlink_to(tmp_path / "b" / "token.json")
    assert store.load() is None


def budget(path: Path, capacity: int = 3) -> SharedBudget:
    return SharedBudget(path / "slots", capacity)


def test_slots_are_shared(tmp_path: Path) -> None:
    mine, other = budget(tmp_path), budget(tmp_path)
    first = mine.take(100.0, hold=5.0)
    assert first is not None
    assert other.take(100.0, hold=5.0) is not None
    assert mine.take(100.0, hold=5.0) is not None
    assert other.take(100.0, hold=5.0) is None
    assert other.free_at(100.0) == 106.0
    mine.give_back(first, 100.5)
    assert other.free_at(100.5) == 101.5
    assert other.take(101.4, hold=5.0) is None
    assert other.take(101.5, hold=5.0) == first
    assert other.take(105.9, hold=5.0) is None
    # Those never given back free themselves.
    assert mine.take(106.0, hold=5.0) is not None
    mine.close()
    other.close()


def test_times_from_before_a_reboot_are_free(tmp_path: Path) -> None:
    before, after = budget(tmp_path, 1), budget(tmp_path, 1)
    assert before.take(1_000_000.0, hold=5.0) is not None
    assert after.free_at(3.0) == 3.0
    assert after.take(3.0, hold=5.0) is not None


def test_the_smaller_capacity_holds_while_it_is_used(tmp_path: Path) -> None:
    large, small = budget(tmp_path, 10), budget(tmp_path, 2)
    assert small.take(100.0, hold=1.0) is not None
    assert large.take(100.0, hold=1.0) is not None
    assert large.take(100.0, hold=1.0) is None
    assert small.take(100.0, hold=1.0) is None
    later = 100.0 + SharedBudget.CAPACITY_LIFE + 1.0
    taken = [large.take(later, hold=1.0) for _ in range(11)]
    assert sum(slot is not None for slot in taken) == 10
    assert small.take(later, hold=1.0) is None


@pytest.mark.parametrize("damage", [b"", b"x", b"KISSLOT1", b"\xff" * 600, b"\xff" * 532])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "slots").write_bytes(damage)
    mine = budget(tmp_path, 1)
    assert mine.free_at(50.0) <= 50.0
    assert mine.take(50.0, hold=1.0) is not None
    os.truncate(tmp_path / "slots", 532)
    assert mine.take(50.0, hold=1.0) is None


def test_nonsense_is_refused(tmp_path: Path) -> None:
    for capacity in (0, 65):
        with pytest.raises(ValueError, match="capacity"):
            budget(tmp_path, capacity)
    with pytest.raises(ValueError, match="held"):
        budget(tmp_path).take(0.0, hold=1e9)


def test_a_lock_that_is_stuck_never_blocks(tmp_path: Path) -> None:
    mine = budget(tmp_path)
    with (tmp_path / "slots").open("rb+") as stuck:
        fcntl.flock(stuck, fcntl.LOCK_EX)
        assert mine.take(5.0, hold=1.0) is None
        assert mine.free_at(5.0) > 5.0
        mine.give_back(0, 5.0)
    assert mine.take(5.0, hold=1.0) is not None


@given(
    st.lists(st.tuples(st.sampled_from("tgo"), st.integers(0, 1), st.floats(0.0, 0.7)), max_size=60)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_never_more_in_a_second_than_the_capacity(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int, float]]
) -> None:
    path = tmp_path_factory.mktemp("b")
    both = [budget(path), budget(path)]
    now, taken, held = 0.0, [], []
    for act, who, pause in acts:
        now += pause
        if act == "t":
            slot = both[who].take(now, hold=2.0)
            if slot is not None:
                taken.append(now)
                held.append((slot, now))
        elif act == "g" and held:
            slot, at = held.pop(0)
            if now < at + 2.0:
                both[who].give_back(slot, now)
    for start in taken:
        assert sum(start <= at < start + 1.0 for at in taken) <= 3
    for each in both:
        each.close()


SPEND = """
import sys, time
from pathlib import Path
from daemon.store.locks import SharedBudget
budget = SharedBudget(Path(sys.argv[1]), 5, period=0.2)
print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + 1.2
while (now := time.monotonic()) < end:
    slot = budget.take(now, hold=1.0)
    if slot is not None:
        budget.give_back(slot, time.monotonic())
        print(now, flush=True)
    else:
        time.sleep(0.001)
"""


def test_two_processes_together_keep_the_budget(tmp_path: Path) -> None:
    spenders = [child(SPEND, tmp_path / "slots") for _ in range(2)]
    for spender in spenders:
        assert spender.stdout is not None
        assert spender.stdout.readline() == "ready\n"
    outputs = []
    for spender in spenders:
        assert spender.stdin is not None
        spender.stdin.write("go\n")
        spender.stdin.flush()
    for spender in spenders:
        outputs.append([float(line) for line in spender.communicate(timeout=20)[0].split()])
    times = sorted(outputs[0] + outputs[1])
    assert len(times) >= 20
    for start in times:
        assert sum(start <= at < start + 0.2 for at in times) <= 5
