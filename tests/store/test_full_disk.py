"""A disk that is full, read-only or broken: what was said stays, and nothing goes out unsaid."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw
import pytest

from daemon.core.errors import JournalFailed, NeedsOperator
from daemon.core.events import Event, OrderAccepted, OrderCreated, OrderDoubted, OrderSent
from daemon.core.orders import OrderState
from daemon.core.values import OrderId
from daemon.store.journal import SqliteJournal
from tests.builders import SAMSUNG
from tests.engine.paper import MemoryJournal, PaperBroker
from tests.engine.world import run, wish, world
from tests.store.disk import Disk, disk, failure
from tests.store.test_journal import OWNER, facts_in, halted, open_journal
from tests.store.test_power_loss import Machine
from tests.support import VirtualClock

ROOT = Path(__file__).parents[2]
FAILURES: dict[str, tuple[type[apsw.Error], int, set[str]]] = {
    "full": (apsw.FullError, apsw.SQLITE_FULL, {"write", "create"}),
    "read only": (apsw.ReadOnlyError, apsw.SQLITE_READONLY, {"write", "truncate", "create"}),
    "worn out": (apsw.IOError, apsw.SQLITE_IOERR_WRITE, {"write", "truncate", "delete"}),
    "fsync fails": (apsw.IOError, apsw.SQLITE_IOERR_FSYNC, {"sync"}),
    "anything": (apsw.IOError, apsw.SQLITE_IOERR, {"write", "sync", "truncate", "delete"}),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


def break_disk(broken: Disk, kind: str, *, after: int = 0, times: int = 1_000_000) -> None:
    error, extended, operations = FAILURES[kind]
    broken.refuse = failure(error, extended)
    broken.refused = frozenset(operations)
    broken.refuse_from, broken.refusals = after, times


# --- Whatever fails, wherever -------------------------------------------------------------------


def append_on_a_failing_disk(machine: Machine, journal: SqliteJournal) -> tuple[int, int]:
    """Batches written and refused; each leaves the journal whole."""
    written = refused = 0
    for _ in range(machine.random.randrange(30)):
        batch = machine.batch()
        try:
            journal.append(batch)
        except OSError:
            machine.unacknowledged.append(batch)
            refused += 1
        else:
            machine.facts += batch
            machine.unacknowledged = []
            written += 1
        assert list(journal.replay()) == machine.facts
    return written, refused


@pytest.mark.parametrize("kind", FAILURES)
def test_what_is_refused_is_not_kept_and_what_was_written_stays(path: Path, kind: str) -> None:
    written = refused = 0
    for seed in range(100):
        with disk(seed) as broken:
            machine = Machine(broken, path, checkpoint=broken.random.choice((4, 16, 64)))
            journal = machine.open()
            for _ in range(3):
                times = broken.random.choice((1, 2, 10))
                break_disk(broken, kind, after=broken.random.randrange(40), times=times)
                good, bad = append_on_a_failing_disk(machine, journal)
                written, refused = written + good, refused + bad
                if broken.random.random() < 0.3:
                    journal.close()
                    broken.refuse = None
                    machine.check()
                    journal = machine.open()
            broken.refuse = None
            journal.append([halted("room again")])
            machine.facts.append(halted("room again"))
            machine.unacknowledged = []
            machine.let_go()
            broken.lose_power()
            machine.check()
    assert written > 1_000
    assert refused > 100


def test_a_batch_whose_sync_failed_is_found_whole_or_not_at_all_after_a_crash(path: Path) -> None:
    found = set()
    for seed in range(60):
        with disk(seed) as broken:
            machine = Machine(broken, path)
            journal = machine.open()
            journal.append([halted("before")])
            break_disk(broken, "fsync fails")
            with pytest.raises(OSError, match="could not be written"):
                journal.append([halted("one"), halted("two")])
            assert list(journal.replay()) == [halted("before")]
            machine.let_go()
            broken.lose_power()
            broken.refuse = None
            found.add(tuple(machine.open().replay()))
            machine.let_go()
    assert found == {
        (halted("before"),),
        (halted("before"), halted("one"), halted("two")),
    }


@pytest.mark.parametrize("kind", FAILURES)
def test_a_journal_that_cannot_be_prepared_is_not_opened(path: Path, kind: str) -> None:
    opened = 0
    for after in range(60):
        with disk(after) as broken:
            break_disk(broken, kind, after=after)
            machine = Machine(broken, path)
            with suppress(NeedsOperator):
                machine.open()
                opened += 1
            machine.let_go()
            broken.refuse = None
            with machine.open() as journal:
                assert list(journal.replay()) == []
    assert 0 < opened < 60


def test_closing_on_a_full_disk_is_quiet_and_loses_nothing(path: Path) -> None:
    with disk() as broken:
        machine = Machine(broken, path)
        journal = machine.open()
        journal.append([halted("kept")])
        break_disk(broken, "full")
        journal.close()
        broken.refuse = None
        assert list(machine.open().replay()) == [halted("kept")]
        machine.let_go()


# --- Real disks ---------------------------------------------------------------------------------


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(journal: SqliteJournal) -> list[Event]:
    """Append until nothing more goes in; returns what did."""
    written: list[Event] = []
    with suppress(OSError):
        while True:
            batch = [halted(f"{len(written)} {half}" + "x" * 2_000) for half in "ab"]
            journal.append(batch)
            written += batch
    return written


def test_a_file_that_may_not_grow(path: Path) -> None:
    with open_journal(path) as journal:
        with files_no_larger_than(200_000):
            written = fill(journal)
            assert len(written) > 10
            with pytest.raises(OSError, match="could not be written"):
                journal.append([halted("x" * 5_000)])
            assert list(journal.replay()) == written
        journal.append([halted("room again")])
    assert facts_in(path) == [*written, halted("room again")]


SMALL_DISK = """
import subprocess
import sys
from pathlib import Path

from daemon.core.errors import NeedsOperator
from tests.store.test_full_disk import fill
from tests.store.test_journal import facts_in, halted, open_journal

disk = Path(sys.argv[1])
path = disk / "data" / "journal.db"


def mount(*options):
    subprocess.run(["mount", *options, str(disk)], check=True)


def refused(path):
    try:
        open_journal(path)
    except NeedsOperator as error:
        assert str(path) in str(error), error
        return str(error)


mount("-t", "tmpfs", "-o", "size=512k", "tmpfs")
other = disk / "other"
other.write_bytes(bytes(100_000))
with open_journal(path) as journal:
    written = fill(journal)
    assert len(written) > 10
    try:
        journal.append([halted("x" * 9_000)])
    except OSError as error:
        assert "full" in str(error), error
    else:
        raise AssertionError("there was room")
    assert list(journal.replay()) == written
    other.unlink()
    journal.append([halted("room again")])
    written += [halted("room again"), *fill(journal)]
assert "make room on the disk" in refused(path)
mount("-o", "remount,size=2m")
assert facts_in(path) == written

filler = disk / "filler"
with filler.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(512))
    except OSError:
        pass
assert "make room on the disk" in refused(disk / "new" / "journal.db")
filler.unlink()
assert facts_in(path) == written

mount("-o", "remount,ro")
assert "let this user write" in refused(path)
assert "let this user write" in refused(disk / "new" / "journal.db")
mount("-o", "remount,rw")
assert facts_in(path) == written
print("done")
"""


def test_a_small_disk_fills_up_and_becomes_read_only(tmp_path: Path) -> None:
    alone = ["unshare", "--mount"]
    if shutil.which("unshare") is None:
        pytest.skip("nothing to make a disk of its own with")
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        alone += ["--user", "--map-root-user"]
    trial = [*alone, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
    if subprocess.run(trial, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk")

    done = subprocess.run(
        [*alone, sys.executable, "-c", SMALL_DISK, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_a_locked_journal_names_the_other_process(path: Path) -> None:
    with open_journal(path), pytest.raises(NeedsOperator, match="stop that one first"):
        open_journal(path)


def test_a_folder_that_cannot_be_made_names_the_remedy(path: Path) -> None:
    path.parent.write_text("a file where a folder should be")
    with pytest.raises(NeedsOperator, match=r"journal\.db cannot be opened: .*let this user write"):
        open_journal(path)


# --- Orders -------------------------------------------------------------------------------------


class OnDisk(MemoryJournal):
    """What the world takes for a journal; every fact goes to the real one first."""

    def __init__(self, journal: SqliteJournal) -> None:
        super().__init__(list(journal.replay()))
        self._journal = journal

    def append(self, events: Sequence[Event]) -> None:
        self._journal.append(events)
        super().append(events)


@contextmanager
def on_disk(path: Path, broken: Disk) -> Iterator[OnDisk]:
    journal = SqliteJournal(path, owner=OWNER, connect=broken.connect)
    yield OnDisk(journal)
    journal.close()


def on_fact(kind: type[Event], number: int, then: Callable[[], None]) -> Callable[[Event], None]:
    """A listener that acts on the `number`th fact of a kind."""
    left = [number]

    def listener(event: Event) -> None:
        if isinstance(event, kind):
            left[0] -= 1
            if left[0] == 0:
                then()

    return listener


@pytest.mark.parametrize("kind", FAILURES)
def test_no_order_leaves_that_is_not_in_the_journal(path: Path, kind: str) -> None:
    """Orders of 1, 2, 3 … shares go out while the disk breaks at any of its operations."""
    left = stopped = 0
    for after in range(25):
        broker = PaperBroker(VirtualClock(), fill_at_once=after % 2 == 0)

        async def trade(broker: PaperBroker, journal: OnDisk, broken: Disk, after: int) -> None:
            async with world(journal=journal, broker=broker) as w:
                break_disk(broken, kind, after=after)
                for first in range(1, 20, 2):
                    await w.submit(wish(first), wish(first + 1))

        with disk(after) as broken, on_disk(path, broken) as journal:
            try:
                run(trade(broker, journal, broken, after))
            except* JournalFailed:
                stopped += 1
            at_the_broker = {kept.quantity for kept in broker.kept}
            broken.refuse = None
            with SqliteJournal(path, owner=OWNER, connect=broken.connect) as reopened:
                facts = list(reopened.replay())
        quantity = {
            each.order: each.intent.quantity for each in facts if isinstance(each, OrderCreated)
        }
        assert at_the_broker <= {quantity[e.order] for e in facts if isinstance(e, OrderSent)}
        left += len(at_the_broker)
    assert stopped == 25
    assert left > 10


def test_a_journal_that_failed_takes_no_order_until_there_is_room(path: Path) -> None:
    async def scenario(journal: OnDisk, broken: Disk) -> None:
        async with world(journal=journal) as w:
            break_disk(broken, "full")
            for _ in range(3):
                with pytest.raises(JournalFailed, match="could not be written"):
                    await w.submit(wish())
            assert w.broker.kept == []
            assert w.desk.ledger.portfolio.orders == {}
            broken.refuse = None
            await w.submit(wish())
            assert w.order().state is OrderState.FILLED

    with disk() as broken, on_disk(path, broken) as journal:
        run(scenario(journal, broken))


@pytest.mark.parametrize("filled", [False, True])
def test_a_full_disk_never_hides_an_order(path: Path, filled: bool) -> None:
    """The broker took it and the disk did not take the news: the next run finds it by asking."""
    broker = PaperBroker(VirtualClock(), fill_at_once=filled, mute=True)

    async def trade(journal: OnDisk, broken: Disk) -> None:
        async with world(journal=journal, broker=broker) as w:
            w.desk.ledger.listen(on_fact(OrderSent, 1, lambda: break_disk(broken, "full")))
            await w.submit(wish(7))

    async def come_back(journal: OnDisk) -> None:
        order = OrderId("20261123-0001")
        async with world(journal=journal, broker=broker) as w:
            assert [each.order for each in w.facts(OrderDoubted)] == [order]
            await w.until(lambda: w.order().state is not OrderState.IN_DOUBT)
            assert w.order().state is (OrderState.FILLED if filled else OrderState.WORKING)
            assert w.order().ref is not None
            assert w.desk.ledger.portfolio.position(SAMSUNG).quantity == (7 if filled else 0)
            assert len(w.desk.ledger.portfolio.orders) == len(broker.kept) == 1
            assert w.desk.gate.is_open

    with disk() as broken:
        with on_disk(path, broken) as journal:
            with pytest.raises(ExceptionGroup) as stop:
                run(trade(journal, broken))
            assert stop.group_contains(JournalFailed)
        assert [kept.quantity for kept in broker.kept] == [7]
        broken.refuse = None
        with on_disk(path, broken) as journal:
            assert not any(isinstance(each, OrderAccepted) for each in journal.replay())
            run(come_back(journal))
