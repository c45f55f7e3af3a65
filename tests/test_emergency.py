"""Cancelling without a daemon: by the broker's list alone, until it shows nothing."""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.core.calendar import Calendars, MarketCalendar
from daemon.core.errors import (
    InvariantBroken,
    NeedsOperator,
    OutcomeUnknown,
    Refused,
    TryLater,
)
from daemon.core.events import OrderAccepted, OrderEvent
from daemon.core.orders import Order
from daemon.core.values import (
    AccountId,
    BrokerRef,
    InstrumentId,
    OrderId,
    Region,
    Side,
    region_of,
)
from daemon.core.witness import BrokerOrder
from daemon.emergency import DOUBT, LOOKS, Leaving, Outcome, cancel_all, left_open
from daemon.store.journal import SqliteJournal
from tests.builders import ACCOUNT, HYNIX, created, intent, sent
from tests.support import VirtualClock, run_virtual

NOW = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
SAMSUNG, APPLE = InstrumentId("krx:005930"), InstrumentId("nasdaq:AAPL")
BOTH = (Region.KR, Region.US)


def listed(
    number: str, instrument: InstrumentId = SAMSUNG, *, remaining: int = 5, rooted: bool = True
) -> BrokerOrder:
    return BrokerOrder(
        refs=(BrokerRef(day=date(2026, 11, 2), branch="1", number=number),),
        instrument=instrument,
        side=Side.BUY,
        quantity=10,
        limit=Decimal(70_000),
        first_limit=Decimal(70_000),
        rooted=rooted,
        filled=10 - remaining,
        notional=Decimal(0),
        remaining=remaining,
        cancelled=0,
        rejected=0,
        ordered_at=NOW,
    )


@dataclass
class FakeBroker:
    """A broker with open orders, whose answers may be scripted: an error is raised instead."""

    open: dict[str, BrokerOrder] = field(default_factory=dict)
    lists: list[Exception | None] = field(default_factory=list)
    cancels: list[Exception | None] = field(default_factory=list)
    late: list[tuple[float, BrokerOrder]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ours: dict[Region, set[InstrumentId]] = field(default_factory=dict)
    account_id: AccountId = ACCOUNT

    async def run(self) -> None:
        await asyncio.Event().wait()

    def know(self, region: Region, ours: Iterable[InstrumentId]) -> None:
        self.ours[region] = set(ours)

    async def orders(
        self, since: date, *, regions: Sequence[Region] | None = None
    ) -> Sequence[BrokerOrder]:
        await asyncio.sleep(0.1)
        if self.lists and (error := self.lists.pop(0)) is not None:
            raise error
        now = asyncio.get_running_loop().time()
        for at, order in self.late:
            if at <= now:
                self.open.setdefault(order.refs[-1].number, order)
        return [
            each for each in self.open.values() if region_of(each.instrument) in (regions or ())
        ]

    async def cancel(self, order: Order, *, leaving: Leaving) -> None:
        assert order.ref is not None
        assert order.intent.account == self.account_id
        assert order.remaining == self.open[order.ref.number].remaining
        leaving()
        self.asked.append(order.ref.number)
        if self.cancels and (error := self.cancels.pop(0)) is not None:
            raise error
        left = self.open[order.ref.number]
        self.open[order.ref.number] = listed(order.ref.number, left.instrument, remaining=0)


class Partly(FakeBroker):
    """Raises instead of listing the orders of the regions that are `refused`."""

    def __init__(
        self, opened: dict[str, BrokerOrder], *, refused: Mapping[Region, Exception]
    ) -> None:
        super().__init__(opened)
        self._refused = refused
        self.looks = {region: 0 for region in BOTH}

    async def orders(
        self, since: date, *, regions: Sequence[Region] | None = None
    ) -> Sequence[BrokerOrder]:
        [region] = regions or ()
        self.looks[region] += 1
        if region in self._refused:
            raise self._refused[region]
        return await super().orders(since, regions=regions)


class FakeSession:
    def __init__(self, broker: FakeBroker) -> None:
        self.broker = broker
        self.clock = VirtualClock(NOW)
        self.calendars = Calendars({each: MarketCalendar(region=each) for each in BOTH})


def cancel(
    broker: FakeBroker,
    recorded: Callable[[], Sequence[Order]] = lambda: (),
    *,
    traded: Collection[Region] = BOTH,
    patience: float = 300.0,
) -> tuple[Outcome, float]:
    """What came of it, and how many seconds it took."""

    async def scenario() -> tuple[Outcome, float]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        session = FakeSession(broker)
        outcome = await cancel_all(
            session, regions=BOTH, traded=traded, recorded=recorded, patience=patience
        )
        return outcome, loop.time() - begun

    return run_virtual(scenario())


def holding(*orders: BrokerOrder) -> FakeBroker:
    return FakeBroker({each.refs[-1].number: each for each in orders})


def test_everything_open_is_cancelled_in_both_countries_and_seen_to_be() -> None:
    broker = holding(listed("1"), listed("2", APPLE), listed("3", remaining=0))
    outcome, _ = cancel(broker)
    assert outcome == Outcome(seen=2, sent=2, left=(), problems={})
    assert outcome.is_done
    assert sorted(broker.asked) == ["1", "2"]


def test_with_nothing_open_nothing_is_sent_and_more_than_one_list_says_so() -> None:
    broker = holding()
    outcome, took = cancel(broker)
    assert outcome.is_done
    assert broker.asked == []
    assert took >= LOOKS * 2 * 0.1


@pytest.mark.parametrize(
    "error", [Refused("40330000", "no quantity left"), OutcomeUnknown("no answer")], ids=str
)
def test_what_a_cancel_came_to_is_told_by_the_next_list(error: Exception) -> None:
    broker = holding(listed("1"))
    broker.cancels = [error, error, None]
    outcome, _ = cancel(broker)
    assert outcome.is_done
    assert broker.asked == ["1", "1", "1"]
    assert (outcome.seen, outcome.sent) == (1, 3)


def test_a_list_that_is_missing_proves_nothing() -> None:
    away = TryLater("AWAY", "try again", delay=1.0)
    broker = holding(listed("1"))
    broker.lists = [away] * 40
    outcome, took = cancel(broker)
    assert outcome.is_done
    assert took > 20

    broker = holding(listed("1"))
    broker.lists = [away] * 10_000
    outcome, took = cancel(broker, patience=60)
    assert not outcome.is_done
    assert set(outcome.problems) == set(BOTH)
    assert took == pytest.approx(60)


def test_what_stays_open_is_told() -> None:
    broker = holding(listed("1"), listed("2"))
    broker.cancels = [None] + [Refused("CLOSED", "the market is closed")] * 1000
    outcome, _ = cancel(broker, patience=30)
    assert not outcome.is_done
    assert len(outcome.left) == 1


def test_a_country_that_cannot_be_asked_does_not_keep_the_other_alive() -> None:
    broker = Partly({"1": listed("1", APPLE)}, refused={Region.KR: OutcomeUnknown("no answer")})
    outcome, _ = cancel(broker, patience=30)
    assert broker.asked == ["1"]
    assert outcome.left == ()
    assert list(outcome.problems) == [Region.KR]


NO_PERMISSION = NeedsOperator("the account may not trade there")
NO_SERVICE = Refused("APBK1234", "no such service for this account")


def test_a_region_that_needs_a_person_spoils_no_cancel_of_the_other() -> None:
    broker = Partly({"1": listed("1", APPLE)}, refused={Region.KR: NO_PERMISSION})
    outcome, took = cancel(broker)
    assert broker.asked == ["1"]
    assert not outcome.is_done
    assert outcome.left == ()
    assert outcome.problems == {Region.KR: str(NO_PERMISSION)}
    assert broker.looks[Region.KR] == 1, "nothing the program does helps"
    assert took < 30, "and nothing is waited for"


def test_a_cancel_that_needs_a_person_spoils_no_other() -> None:
    broker = holding(listed("1"), listed("2"), listed("3", APPLE))
    broker.cancels = [NO_PERMISSION]
    outcome, _ = cancel(broker)
    assert outcome.is_done
    assert sorted(broker.asked) == ["1", "1", "2", "3"]


@pytest.mark.parametrize("refusal", [NO_PERMISSION, NO_SERVICE], ids=str)
def test_the_refusal_of_a_region_that_is_not_traded_is_told_and_no_failure(
    refusal: Exception,
) -> None:
    broker = Partly({"1": listed("1")}, refused={Region.US: refusal})
    with capture_logs() as logs:
        outcome, took = cancel(broker, traded=[Region.KR])
    assert outcome == Outcome(seen=1, sent=1, left=(), problems={})
    assert took < 30
    [told] = [each for each in logs if each["event"] == "emergency_region_given_up"]
    assert (told["region"], told["cause"], told["traded"]) == (Region.US, str(refusal), False)


@pytest.mark.parametrize(
    "refusal", [TryLater("AWAY", "try again", delay=1.0), OutcomeUnknown("no answer")], ids=str
)
def test_the_silence_of_a_region_that_is_not_traded_proves_nothing(refusal: Exception) -> None:
    broker = Partly({}, refused={Region.US: refusal})
    outcome, took = cancel(broker, traded=[Region.KR], patience=60)
    assert set(outcome.problems) == {Region.US}
    assert took == pytest.approx(60)


def test_what_was_ordered_there_makes_it_traded(tmp_path: Path) -> None:
    broker = Partly({}, refused={Region.US: NO_SERVICE})
    american = created("20261102-0001", intent(instrument=APPLE))
    path = tmp_path / "journal.sqlite3"
    with SqliteJournal(path, owner="sim:1") as journal:
        journal.append([american, sent("20261102-0001")])
    outcome, _ = cancel(broker, lambda: left_open(path, "sim:1"), traded=[Region.KR], patience=60)
    assert set(outcome.problems) == {Region.US}


def test_where_every_region_needs_a_person_that_is_said() -> None:
    broker = Partly({}, refused=dict.fromkeys(BOTH, NO_PERMISSION))
    with pytest.raises(ExceptionGroup) as group:
        cancel(broker)
    assert group.group_contains(NeedsOperator, match="may not trade there")


def test_a_region_that_keeps_its_answer_back_delays_no_cancel_of_the_other() -> None:
    class Silent(FakeBroker):
        async def orders(
            self, since: date, *, regions: Sequence[Region] | None = None
        ) -> Sequence[BrokerOrder]:
            if regions == (Region.KR,):
                await asyncio.sleep(1_000)
            return await super().orders(since, regions=regions)

    broker = Silent({"1": listed("1", APPLE)})
    outcome, _ = cancel(broker, patience=60)
    assert broker.asked == ["1"]
    assert set(outcome.problems) == {Region.KR}


def test_an_order_whose_first_row_is_missing_is_cancelled_once_and_waited_for_no_longer() -> None:
    broker = holding(listed("1", remaining=0, rooted=False))
    broker.cancels = [Refused("40330000", "no quantity left")]

    async def cancel_unseen(order: Order, *, leaving: Leaving) -> None:
        assert order.ref is not None
        broker.asked.append(order.ref.number)

    broker.cancel = cancel_unseen  # type: ignore[method-assign]
    outcome, _ = cancel(broker)
    assert outcome.is_done
    assert broker.asked == ["1"]


def test_an_order_that_nobody_answered_is_waited_for_and_cancelled_when_it_comes_up(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.sqlite3"
    assert left_open(path, "sim:1") == ()
    with SqliteJournal(path, owner="sim:1") as journal:
        journal.append([created("20261102-0001", intent()), sent("20261102-0001")])
    [lost] = left_open(path, "sim:1")
    with pytest.raises(NeedsOperator):
        left_open(path, "sim:2")
    lost = Order(**{each: getattr(lost, each) for each in lost.__slots__} | {"sent_at": NOW})

    broker = holding()
    broker.late = [(45.0, listed("9"))]
    outcome, took = cancel(broker, lambda: [lost])
    assert broker.asked == ["9"]
    assert outcome.is_done
    assert timedelta(seconds=took) >= DOUBT - timedelta(seconds=1)
    # What its list calls by another exchange is cancelled where it was ordered.
    assert broker.ours == {Region.KR: {lost.intent.instrument}, Region.US: set()}


OURS = "20261102-0001"


def recorded_in(path: Path, *facts: OrderEvent) -> Callable[[], Sequence[Order]]:
    """What a journal tells of one order of which these facts were written."""
    with SqliteJournal(path, owner="sim:1") as journal:
        journal.append([created(OURS, intent()), sent(OURS, NOW), *facts])
    return lambda: left_open(path, "sim:1")


def numbered(number: str, at: datetime = NOW) -> OrderAccepted:
    ref = BrokerRef(day=date(2026, 11, 2), branch="1", number=number)
    return OrderAccepted(order=OrderId(OURS), ref=ref, at=at)


class Lagging(FakeBroker):
    """Its list shows nothing of an order for the first `lag` seconds."""

    def __init__(self, *orders: BrokerOrder, lag: float) -> None:
        super().__init__({each.refs[-1].number: each for each in orders})
        self._lag = lag

    async def orders(
        self, since: date, *, regions: Sequence[Region] | None = None
    ) -> Sequence[BrokerOrder]:
        listed = await super().orders(since, regions=regions)
        return listed if asyncio.get_running_loop().time() >= self._lag else []


def test_an_order_with_a_number_is_cancelled_at_once_by_a_list_that_lags(tmp_path: Path) -> None:
    broker = Lagging(listed("7", remaining=10), lag=20.0)
    outcome, took = cancel(broker, recorded_in(tmp_path / "journal.sqlite3", numbered("7")))
    assert broker.asked == ["7"]
    assert outcome == Outcome(seen=1, sent=1, left=(), problems={})
    assert took < 30, "the list told its end, and there is nothing more to wait for"


class Powerless(Lagging):
    """It takes cancels, and the exchange refuses the first."""

    refuses = 1

    async def cancel(self, order: Order, *, leaving: Leaving) -> None:
        before = dict(self.open)
        await super().cancel(order, leaving=leaving)
        if self.refuses:
            self.refuses -= 1
            self.open = before


def test_a_cancel_that_is_taken_proves_nothing_until_the_list_does(tmp_path: Path) -> None:
    broker = Powerless(listed("7", remaining=10), lag=20.0)
    outcome, took = cancel(broker, recorded_in(tmp_path / "journal.sqlite3", numbered("7")))
    assert broker.asked == ["7", "7"]
    assert outcome == Outcome(seen=1, sent=2, left=(), problems={})
    assert took < 30


class Branches(FakeBroker):
    """An order of another branch has the same number, and is all that is listed."""

    async def cancel(self, order: Order, *, leaving: Leaving) -> None:
        assert order.ref is not None
        self.asked.append(order.ref.number)


def test_another_order_of_the_same_number_is_not_the_end_of_ours(tmp_path: Path) -> None:
    broker = Branches({"7": listed("7", HYNIX, remaining=0)})
    outcome, took = cancel(broker, recorded_in(tmp_path / "journal.sqlite3", numbered("7")))
    assert broker.asked == ["7"]
    assert outcome.is_done
    assert timedelta(seconds=took) >= DOUBT - timedelta(seconds=1)


@pytest.mark.parametrize(
    "error", [Refused("40330000", "no quantity left"), OutcomeUnknown("no answer")], ids=str
)
def test_a_cancel_by_number_that_is_not_taken_proves_nothing_until_the_list_does(
    error: Exception, tmp_path: Path
) -> None:
    broker = Lagging(listed("7", remaining=10), lag=20.0)
    broker.cancels = [error]
    with capture_logs() as logs:
        outcome, took = cancel(broker, recorded_in(tmp_path / "journal.sqlite3", numbered("7")))
    assert broker.asked == ["7", "7"]
    assert outcome == Outcome(seen=1, sent=2, left=(), problems={})
    assert took < 30
    if isinstance(error, Refused):
        [told] = [each for each in logs if each["event"] == "emergency_waits"]
        assert told["orders"] == [OURS]
        assert 80 < told["seconds"] <= 90


@pytest.mark.parametrize("patience", [300.0, 30.0])
def test_an_order_that_nothing_more_is_heard_of_is_waited_for_as_long_as_it_could_appear(
    patience: float, tmp_path: Path
) -> None:
    broker = Lagging(listed("7", remaining=10), lag=1_000.0)
    broker.cancels = [Refused("40330000", "no quantity left")]
    recorded = recorded_in(tmp_path / "journal.sqlite3", numbered("7"))
    outcome, took = cancel(broker, recorded, patience=patience)
    assert broker.asked == ["7"], "a refusal is final"
    if patience > DOUBT.total_seconds():
        assert outcome.is_done
        assert timedelta(seconds=took) >= DOUBT - timedelta(seconds=1)
    else:
        assert list(outcome.problems) == [Region.KR]
        assert OURS in outcome.problems[Region.KR]


def test_what_was_recorded_is_not_waited_for_once_the_list_tells_its_end(tmp_path: Path) -> None:
    recorded = recorded_in(tmp_path / "journal.sqlite3", numbered("7"))
    for remaining in (0, 10):
        broker = holding(listed("7", remaining=remaining))
        broker.cancels = [Refused("40330000", "no quantity left"), None]
        outcome, took = cancel(broker, recorded)
        assert outcome.is_done
        assert took < 10
        assert broker.asked == ["7"] * (2 if remaining else 0)


def test_what_was_accepted_long_ago_is_in_the_list_or_gone(tmp_path: Path) -> None:
    before = NOW - timedelta(minutes=10)
    broker = Lagging(listed("7", remaining=10), lag=1_000.0)
    broker.cancels = [OutcomeUnknown("no answer")] * 1_000
    recorded = recorded_in(tmp_path / "journal.sqlite3", numbered("7", before))
    outcome, took = cancel(broker, recorded)
    assert outcome.is_done
    assert took < 10


def test_a_number_of_another_day_is_not_cancelled(tmp_path: Path) -> None:
    yesterday = BrokerRef(day=date(2026, 11, 1), branch="1", number="8")
    old = OrderAccepted(order=OrderId(OURS), ref=yesterday, at=NOW - timedelta(hours=20))
    broker = holding()
    outcome, _ = cancel(broker, recorded_in(tmp_path / "journal.sqlite3", old))
    assert broker.asked == [], "it may be another's today"
    assert outcome.is_done


def test_a_list_that_is_away_keeps_no_order_with_a_number_alive(tmp_path: Path) -> None:
    broker = holding(listed("7", remaining=10))
    broker.lists = [TryLater("AWAY", "try again", delay=1.0)] * 10_000
    recorded = recorded_in(tmp_path / "journal.sqlite3", numbered("7"))
    outcome, _ = cancel(broker, recorded, patience=60)
    assert broker.asked == ["7"]
    assert not outcome.is_done, "whether there are others nobody says"


def broken(path: Path) -> None:
    """A journal whose facts contradict each other: an order is sent that nobody created."""
    with SqliteJournal(path, owner="sim:1") as journal:
        journal.append([sent("20261102-0009")])


def no_database(path: Path) -> None:
    path.write_bytes(b"not a database, " * 1000)


def without_facts(path: Path) -> None:
    """A journal whose table is gone, which the driver itself complains of."""
    with SqliteJournal(path, owner="sim:1") as journal:
        journal.append([created("20261102-0001", intent())])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE facts SET body = x'ff'")
        connection.commit()


@pytest.mark.parametrize("damage", [broken, no_database, without_facts])
def test_a_damaged_journal_keeps_no_order_alive_and_is_told_after_the_first_cancels(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "journal.sqlite3"
    damage(path)
    broker = holding(listed("1"), listed("2", APPLE))
    asked_before: list[str] = []

    def read() -> Sequence[Order]:
        asked_before.extend(broker.asked)
        return left_open(path, "sim:1")

    with capture_logs() as logs:
        outcome, _ = cancel(broker, read)
    assert outcome == Outcome(seen=2, sent=2, left=(), problems={})
    assert sorted(asked_before) == ["1", "2"]
    [told] = [each for each in logs if each["event"] == "journal_unread"]
    assert told["cause"]


def test_the_broken_promise_of_a_journal_is_no_error_of_a_person(tmp_path: Path) -> None:
    broken(tmp_path / "journal.sqlite3")
    with pytest.raises(InvariantBroken):
        left_open(tmp_path / "journal.sqlite3", "sim:1")


def test_keys_that_are_refused_need_a_person() -> None:
    class Refusing(FakeBroker):
        async def run(self) -> None:
            raise NeedsOperator("the keys are refused")

    with pytest.raises(ExceptionGroup) as group:
        cancel(Refusing({"1": listed("1")}))
    assert group.group_contains(NeedsOperator)
