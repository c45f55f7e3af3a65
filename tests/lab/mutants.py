"""Daemons with one defence taken out each, and the proof that a world finds every one of them.

python -m tests.lab.mutants [--json] [NAME ...]

A world that keeps every promise says something only if it breaks one as soon as a defence is
missing. So for each fault there is a patch here that removes what the daemon has against it.
Patches are made in the worker processes of the worlds, never in the one that asks.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import orjson

from daemon.clock import MarketClock
from daemon.core import inference
from daemon.core.books import Discrepancy
from daemon.core.errors import (
    BadData,
    InvariantBroken,
    JournalFailed,
    NeedsOperator,
    OutcomeUnknown,
    Refused,
    TryLater,
)
from daemon.core.events import (
    ExternalOrderSeen,
    Fill,
    FillSource,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSent,
)
from daemon.core.exposure import Exposure
from daemon.core.orders import Order, OrderState
from daemon.core.ratelimit import TokenBucket
from daemon.core.reconcile import Reconciler
from daemon.core.values import LinkDown, LinkUp
from daemon.core.witness import BrokerNotice, BrokerOrder, NoticeKind
from daemon.engine import desk as desk_module
from daemon.engine import regionbooks as regionbooks_module
from daemon.engine.executor import Executor
from daemon.engine.gate import Shutter
from daemon.engine.host import RunState, StrategyHost
from daemon.engine.hub import MARKET_BACKLOG, Subscription
from daemon.engine.ledger import Ledger
from daemon.engine.reconciliation import Reconciliation
from daemon.engine.regionbooks import RegionBooks
from daemon.engine.watch import MarketWatch
from daemon.kis import replies
from daemon.kis import tokens as tokens_module
from daemon.kis.channels import Channel
from daemon.kis.control import Ack
from daemon.kis.frames import FrameDecoder
from daemon.kis.link import ConnectionLost, HttpResponse, NotSent
from daemon.kis.pump import RequestPump
from daemon.kis.rest import KisRest
from daemon.kis.session import Drop, DropKind, FeedSession, Turn
from daemon.kis.spec import CODE_MEANINGS, TOKEN_TOO_SOON, CodeMeaning, WsCode
from daemon.kis.stream import KisFeed
from daemon.kis.tokens import KeyRing
from daemon.lab import machine as machine_module
from daemon.lab.day import World
from daemon.lab.mix import Fault
from daemon.lab.outset import KOREA, LIVENESS
from daemon.lab.world import run_days
from daemon.store.journal import SqliteJournal

FAULTS_END = 1.5 * 3600
"""Seconds after which these days' faults end: what a mutant breaks, it breaks all the time."""

HOLD_OUT = 120.0
"""Seconds before a daemon that broke starts again: it will only break once more."""

LINE = 160
"""Letters of a violation shown."""

EXIT_SURVIVED = 1


class Mutant(NamedTuple):
    """A daemon without a defence against `faults`; the first of them is the main one.

    `apply` takes the `defence` out of this process for good.
    `seeds` were searched for: they begin with a world that has much of the faults and is known to
    find it; two more are there because a change of the daemon changes every world.
    """

    name: str
    defence: str
    faults: tuple[Fault, ...]
    apply: Callable[[], None]
    seeds: range


class Found(NamedTuple):
    """The first violation a world saw, and after how many days."""

    seed: int
    days_run: int
    violation: str


def find(mutant: Mutant, *, processes: int = 1) -> Found | None:
    """Run the mutant's days until one breaks a promise."""
    return first_violation(mutant, partial(_prepare, mutant.apply), processes=processes)


def first_violation(
    mutant: Mutant, prepare: Callable[[], None], *, processes: int = 1
) -> Found | None:
    """The first violation of days with the mutant's seeds and faults, however they are prepared."""
    days = run_days(
        mutant.seeds, mutant.faults, markets=KOREA, processes=processes, prepare=prepare
    )
    for number, day in enumerate(days, 1):
        if day.violations:
            return Found(day.seed, number, day.violations[0].splitlines()[0])
    return None


def shorten_days() -> None:
    """Let faults end early, the day soon after them, and broken daemons rest."""
    begin = World.__init__

    def begin_shortened(world: World, *args: Any, **options: Any) -> None:
        begin(world, *args, **options)
        world._faults_end = min(world._faults_end, FAULTS_END)
        world._end = world._faults_end + LIVENESS + 120

    _put(World, "__init__", begin_shortened)
    _put(machine_module, "HOLD_OUT", HOLD_OUT)


def _prepare(apply: Callable[[], None]) -> None:
    shorten_days()
    apply()


# What patches are made of


def _put(owner: object, name: str, new: object) -> None:
    assert hasattr(owner, name), f"{owner} has lost its {name}: the mutant means nothing any more"
    setattr(owner, name, new)


def _around(owner: object, name: str, wrapper: Callable[..., Any]) -> None:
    """Replace a function by `wrapper`, which is handed the former one first."""
    former = getattr(owner, name)
    _put(owner, name, lambda *args, **options: wrapper(former, *args, **options))


def _default(function: Any, name: str, value: object) -> None:
    """Give a keyword of a function another default."""
    assert name in function.__kwdefaults__, f"{function} has no keyword {name} any more"
    function.__kwdefaults__[name] = value


def _again_after(cause: str) -> None:
    """Send an order once more when its outcome is unknown for a `cause`."""

    async def order(former: Any, rest: KisRest, *args: Any) -> Any:
        try:
            return await former(rest, *args)
        except OutcomeUnknown as unknown:
            if cause not in unknown.cause:
                raise
            return await former(rest, *args)

    _around(KisRest, "_order", order)


def _refusal_of(cause: str) -> None:
    """Take an unknown outcome of an order for a refusal when it has a `cause`."""

    def reply(former: Any, response: HttpResponse) -> Any:
        try:
            return former(response)
        except OutcomeUnknown as unknown:
            if cause not in unknown.cause:
                raise
            raise Refused("UNREADABLE", unknown.cause) from None

    _around(replies, "order_reply", reply)


# The mutants, in the order of the faults


def doubts_never_end() -> None:
    """Nothing ever proves that an order did not come to be."""
    _put(Reconciler, "_proven_absent", lambda *args: [])


def one_list_ends_a_doubt() -> None:
    """An order that the next list does not know never came to be."""
    _default(Reconciler.__init__, "settle", 0.0)

    def absent(reconciler: Reconciler, portfolio: Any, at: Any) -> list[OrderRejected]:
        return [
            inference.absent(order, "that is enough", at)
            for order in portfolio.open_orders()
            if order.state is OrderState.IN_DOUBT and reconciler._absent.get(order.id)
        ]

    _put(Reconciler, "_proven_absent", absent)


def orders_are_sent_again() -> None:
    """An order without an answer is sent once more."""
    _again_after("")


def no_answer_is_a_refusal() -> None:
    """An order without an answer counts as refused."""

    def lose_sight(former: Any, executor: Executor, order: Any, cause: str) -> None:
        executor._refuse(order, TryLater("NO_ANSWER", cause, delay=0.0))

    _around(Executor, "_lose_sight", lose_sight)


def another_orders_number_is_a_refusal() -> None:
    """A reply that names the number of another order counts as a refusal."""

    def lose_sight(former: Any, executor: Executor, order: Any, cause: str) -> None:
        if cause.startswith("the reply names"):
            executor._refuse(order, Refused("DUPLICATE", cause))
        else:
            former(executor, order, cause)

    _around(Executor, "_lose_sight", lose_sight)


def no_connection_ends_the_feed() -> None:
    """A stream that cannot be connected is an error."""

    async def connect(former: Any, feed: KisFeed) -> Drop:
        drop: Drop = await former(feed)
        if drop.cause.startswith("no connection"):
            raise ConnectionLost(drop.cause)
        return drop

    _around(KisFeed, "_connect_once", connect)


def a_reset_means_not_sent() -> None:
    """A connection that breaks while the answer is awaited counts as never made."""

    async def exchange(former: Any, pump: RequestPump, job: Any) -> HttpResponse:
        try:
            response: HttpResponse = await former(pump, job)
        except OutcomeUnknown as unknown:
            if "exchange failed" not in unknown.cause:
                raise
            raise NotSent(unknown.cause) from None
        return response

    _around(RequestPump, "_exchange", exchange)


def an_inquiry_without_a_body_needs_a_person() -> None:
    """A proxy's error page in place of an answer is taken for a lasting refusal."""

    def read(former: Any, response: HttpResponse) -> Any:
        if replies.parse_body(response) is None:
            raise NeedsOperator(f"HTTP {response.status} without a body")
        return former(response)

    _around(replies, "read_reply", read)


def an_order_without_a_body_is_refused() -> None:
    """A proxy's error page in place of an order's answer counts as a refusal."""
    _refusal_of("without a readable body")


def gateway_timeouts_are_refusals() -> None:
    """The gateway's time-outs count as refusals of an order."""
    _refusal_of("EGW003")


def garbage_is_an_error() -> None:
    """Bytes that are no JSON are an error of the program."""
    _put(replies, "parse_body", lambda response: orjson.loads(response.body))


def a_cut_answer_means_send_again() -> None:
    """An order is sent once more when its answer cannot be read."""
    _again_after("without a readable body")


def rate_refusals_need_a_person() -> None:
    """A refusal for the rate is taken for a lasting one."""

    def raise_passing(former: Any, code: str, message: str) -> None:
        if CODE_MEANINGS.get(code) is CodeMeaning.RATE:
            raise NeedsOperator(message)
        former(code, message)

    _around(replies, "_raise_passing", raise_passing)


def a_refused_token_is_kept() -> None:
    """A token the broker calls expired is used until it would have expired."""
    _put(KeyRing, "refused", lambda keys, value: None)


def an_unknown_token_is_no_token_matter() -> None:
    """The code for a token the broker does not know is one of many."""
    CODE_MEANINGS.pop("EGW00121")


def a_token_too_soon_needs_a_person() -> None:
    """The rule of one token a minute is taken for a rejection of the keys."""

    def issued(former: Any, response: HttpResponse, now: Any) -> Any:
        try:
            return former(response, now)
        except TryLater as later:
            if later.code != TOKEN_TOO_SOON:
                raise
            raise NeedsOperator(str(later)) from None

    _around(tokens_module, "issued_token", issued)


def a_failed_inquiry_needs_a_person() -> None:
    """A broker that cannot be asked for a while is given up."""

    def failed(books: RegionBooks, error: Exception) -> None:
        raise NeedsOperator(f"the broker does not answer: {error}")

    _put(RegionBooks, "failed", failed)


def a_lost_stream_leaves_the_gate_open() -> None:
    """Orders go on while no notices come."""

    def on_link(former: Any, reconciliation: Reconciliation, event: LinkUp | LinkDown) -> None:
        former(reconciliation, event)
        if isinstance(event, LinkDown):
            reconciliation._gate.open(Shutter.STREAM)

    _around(Reconciliation, "on_link", on_link)


def a_new_stream_opens_the_gate() -> None:
    """The gap of a stream that is back is not looked at."""

    def on_link(former: Any, reconciliation: Reconciliation, event: LinkUp | LinkDown) -> None:
        former(reconciliation, event)
        if isinstance(event, LinkUp):
            reconciliation._gate.open(Shutter.STREAM)

    _around(Reconciliation, "on_link", on_link)


def silence_is_borne_for_ever() -> None:
    """A stream without a word is never given up."""
    _put(KisFeed, "_longest_silence", lambda feed: 1e9)


def a_slot_in_use_needs_a_person() -> None:
    """That the key is still in use is taken for a second program."""

    def refused(former: Any, session: FeedSession, refusal: Any, now: float) -> Turn:
        if refusal.code == WsCode.KEY_IN_USE:
            return Turn(drop=Drop(DropKind.OPERATOR, refusal.reason))
        turn: Turn = former(session, refusal, now)
        return turn

    _around(FeedSession, "_refused", refused)


def answers_are_awaited_for_ever() -> None:
    """A registration that nobody answers is neither given up nor made again."""
    _put(FeedSession, "ANSWER_TIMEOUT", float("inf"))


def a_refused_registration_counts() -> None:
    """Any answer to a registration is taken for a confirmation."""

    def refused(former: Any, session: FeedSession, refusal: Any, now: float) -> Turn:
        return session._acknowledged(Ack(refusal.channel, refusal.key, True, None), now)

    _around(FeedSession, "_refused", refused)


def lists_count_no_fills() -> None:
    """What a list counts beyond the notices is not counted."""
    _put(inference, "missing_fill", lambda order, row: None)


def a_late_cancel_counts_again() -> None:
    """A cancel that is told ends its order, whatever became of that meanwhile."""

    def meaning(
        former: Any,
        reconciler: Reconciler,
        portfolio: Any,
        order: Order,
        notice: BrokerNotice,
        **times: Any,
    ) -> Any:
        if notice.kind is NoticeKind.CANCELLED:
            return [OrderCancelled(order=order.id, at=times["at"])]
        return former(reconciler, portfolio, order, notice, **times)

    _around(Reconciler, "_meaning", meaning)


def repeated_notices_count_again() -> None:
    """A notice counts although one like it has been counted."""

    def new_fill(order: Order, notice: BrokerNotice) -> Fill | None:
        left = order.intent.quantity - order.filled
        if order.counted_by_list or notice.price is None or notice.quantity > left:
            return None
        return Fill(
            instrument=order.intent.instrument,
            side=order.intent.side,
            quantity=notice.quantity,
            notional=(notice.price or 0) * Decimal(notice.quantity),
            source=FillSource.NOTICE,
            exchange_time=notice.exchange_time,
        )

    _put(inference, "new_fill", new_fill)


def an_unknown_number_is_a_strangers() -> None:
    """A notice does not wait for the reply that tells its number."""
    _default(Reconciler.__init__, "grace", -1.0)
    _put(Reconciler, "_awaits_reply", lambda *args: False)


def the_width_is_exact() -> None:
    """Columns nobody knows are an error."""

    def width(
        former: Any, decoder: FrameDecoder, payload: str, count: int, channel: Channel
    ) -> int:
        found: int = former(decoder, payload, count, channel)
        if found > channel.known:
            raise InvariantBroken(f"{found} columns")
        return found

    _around(FrameDecoder, "_width", width)


def an_unreadable_frame_ends_the_feed() -> None:
    """One bad message costs all others."""

    def undecodable(feed: KisFeed, error: BadData, message: object) -> None:
        raise error

    _put(KisFeed, "_undecodable", undecodable)


def every_order_is_accounted_for() -> None:
    """A row with nothing open ends its order, wherever the shares went."""
    _put(BrokerOrder, "accounted", property(lambda row: True))


def a_balance_that_differs_needs_a_person() -> None:
    """A difference in the balance is believed at the first look, and nothing goes on."""

    def differences(former: Any, portfolio: Any, report: Any, ceilings: Any) -> Any:
        found = former(portfolio, report, ceilings)
        if found:
            raise NeedsOperator(f"the books differ: {found[0]}")
        return found

    _around(regionbooks_module, "differences", differences)


def the_first_balance_opens_the_books() -> None:
    """An account of nothing at all is believed at the first look."""

    _put(RegionBooks, "part_at_rest", lambda books, looks, report, asked: report)


def refusals_after_acceptance_are_ignored() -> None:
    """The exchange's refusal of an accepted order is not heard, and not seen in the list."""

    def meaning(
        former: Any,
        reconciler: Reconciler,
        portfolio: Any,
        order: Order,
        notice: BrokerNotice,
        **times: Any,
    ) -> Any:
        refused = notice.kind is NoticeKind.REJECTED
        return [] if refused else former(reconciler, portfolio, order, notice, **times)

    def closing(former: Any, order: Order, row: BrokerOrder, **times: Any) -> Any:
        return None if row.rejected else former(order, row, **times)

    _around(Reconciler, "_meaning", meaning)
    _around(inference, "closing", closing)


def strangers_are_not_told() -> None:
    """Orders made by hand are not worth a word."""

    def record(
        former: Any, reconciliation: Reconciliation, outcomes: Any
    ) -> dict[str, Discrepancy]:
        ours = [each for each in outcomes if not isinstance(each, ExternalOrderSeen)]
        found: dict[str, Discrepancy] = former(reconciliation, ours)
        return found

    _around(Reconciliation, "_record", record)


def the_machines_clock_is_right() -> None:
    """The broker's time is not listened to."""
    _put(MarketClock, "heard", lambda clock, told: None)
    _put(MarketClock, "known", True)
    _put(MarketClock, "sure_since", float("-inf"))


def a_full_disk_is_ignored() -> None:
    """Facts the disk refuses are true all the same."""

    def record(former: Any, ledger: Ledger, *events: Any) -> None:
        try:
            former(ledger, *events)
        except JournalFailed:
            for event in events:
                ledger.portfolio.apply(event)
                ledger._count(event)
            ledger._tell(events)

    _around(Ledger, "record", record)


def sending_is_written_after_the_answer() -> None:
    """That an order left is journalled when its fate is known."""

    async def place(executor: Executor, order_id: Any) -> None:
        order, at = executor._ledger.portfolio.orders[order_id], executor._clock.now
        try:
            ref = await executor._broker.place(order, leaving=lambda: None)
        except Refused as refusal:
            executor._refuse(order_id, refusal)
        except OutcomeUnknown as unknown:
            executor._ledger.record(OrderSent(order=order_id, at=at()))
            executor._lose_sight(order_id, unknown.cause)
        else:
            executor._ledger.record(
                OrderSent(order=order_id, at=at()),
                OrderAccepted(order=order_id, ref=ref, at=at()),
            )
        executor._accepted()

    _put(Executor, "_place", place)


def unanswered_orders_never_left() -> None:
    """After a crash, an order that left without an answer counts as never sent."""

    def rejected(*, order: Any, cause: str, at: Any) -> OrderRejected:
        return OrderRejected(order=order, code="NEVER_SENT", reason=cause, at=at, retryable=True)

    _put(desk_module, "OrderDoubted", rejected)


def a_late_heartbeat_sets_the_clock_back() -> None:
    """A heartbeat that was long under way puts the clock back."""

    def heard(former: Any, clock: MarketClock, told: Any) -> None:
        former(clock, told)
        clock._lead = min(clock._leads, default=clock._lead)

    _around(MarketClock, "heard", heard)


def a_full_backlog_is_an_error() -> None:
    """A strategy that does not keep up with the market has failed."""

    def put_market(former: Any, subscription: Subscription, *news: Any) -> None:
        if len(subscription) >= MARKET_BACKLOG:
            subscription.overflowed = True
        former(subscription, *news)

    _around(Subscription, "put_market", put_market)


def a_strategys_error_ends_the_daemon() -> None:
    """Strategies are trusted."""

    async def run_one(former: Any, host: StrategyHost, slot: Any) -> None:
        await former(host, slot)
        if host.status[slot.id].state is RunState.FAULTED:
            raise RuntimeError(host.status[slot.id].cause)

    _around(StrategyHost, "_run_one", run_one)


def open_orders_bind_nothing() -> None:
    """Risk looks at what is held and not at what is ordered."""

    _put(Exposure, "_count", lambda *args: None)


def silence_is_a_quiet_market() -> None:
    """An instrument that does not tick does not trade."""

    async def ask_nothing(watch: MarketWatch) -> int:
        return 0

    _put(MarketWatch, "_ask_next", ask_nothing)
    _put(MarketWatch, "_look_at_confirmed", lambda *args: None)


def a_shut_gate_stops_cancels() -> None:
    """Whatever shuts the gate for new orders holds cancels back, too."""

    async def cancel(former: Any, executor: Executor, order_ids: Sequence[Any], **pace: Any) -> Any:
        if set(executor._gate.reasons) <= {Shutter.STOPPING}:
            return await former(executor, order_ids, **pace)
        return tuple(executor._ledger.portfolio.orders[each] for each in order_ids)

    _around(Executor, "cancel", cancel)


def the_orders_of_the_fallen_stay() -> None:
    """Nobody looks after what a faulted strategy left open."""

    async def cancel_orders(host: StrategyHost, strategy: Any) -> None:
        """Leave them."""

    _put(StrategyHost, "_cancel_orders", cancel_orders)


def fills_are_not_written() -> None:
    """The journal leaves out what traded."""

    def append(former: Any, journal: SqliteJournal, events: Sequence[Any]) -> None:
        former(journal, [each for each in events if not isinstance(each, OrderFilled)])

    _around(SqliteJournal, "append", append)


def requests_are_not_counted() -> None:
    """Requests leave as they come."""
    _put(TokenBucket, "take", lambda bucket, now, *, hold: 0)
    _put(TokenBucket, "give_back", lambda bucket, slot, now: None)


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "doubts never end",
        "two lists and an unmoved holding end a doubt",
        (Fault.REQUEST_LOST,),
        doubts_never_end,
        range(63, 66),
    ),
    Mutant(
        "one list ends a doubt",
        "a doubt outlasts every lag",
        (Fault.REQUEST_LATE,),
        one_list_ends_a_doubt,
        range(85, 88),
    ),
    Mutant(
        "orders are sent again",
        "an order leaves once",
        (Fault.REPLY_LOST,),
        orders_are_sent_again,
        range(346, 349),
    ),
    Mutant(
        "no answer is a refusal",
        "an order without an answer is in doubt",
        (Fault.REPLY_LATE,),
        no_answer_is_a_refusal,
        range(8, 11),
    ),
    Mutant(
        "another orders number is a refusal",
        "a reply with another order's number proves nothing",
        (Fault.REPLY_TWICE,),
        another_orders_number_is_a_refusal,
        range(1, 4),
    ),
    Mutant(
        "no connection ends the feed",
        "the stream is connected again and again",
        (Fault.CONNECTION_REFUSED, Fault.STREAM_CLOSED),
        no_connection_ends_the_feed,
        range(3, 6),
    ),
    Mutant(
        "a reset means not sent",
        "a broken exchange leaves its order in doubt",
        (Fault.CONNECTION_RESET,),
        a_reset_means_not_sent,
        range(14, 17),
    ),
    Mutant(
        "an inquiry without a body needs a person",
        "an inquiry answered with an error page is repeated",
        (Fault.SERVER_ERROR,),
        an_inquiry_without_a_body_needs_a_person,
        range(169, 172),
    ),
    Mutant(
        "an order without a body is refused",
        "an error page in place of an order's answer proves nothing",
        (Fault.SERVER_ERROR_AFTER,),
        an_order_without_a_body_is_refused,
        range(28, 31),
    ),
    Mutant(
        "gateway timeouts are refusals",
        "a gateway's time-out proves nothing about an order",
        (Fault.GATEWAY_TIMEOUT,),
        gateway_timeouts_are_refusals,
        range(226, 229),
    ),
    Mutant(
        "garbage is an error",
        "any bytes can be an answer",
        (Fault.GARBAGE,),
        garbage_is_an_error,
        range(101, 104),
    ),
    Mutant(
        "a cut answer means send again",
        "an order is not sent again for an unreadable answer",
        (Fault.TRUNCATED,),
        a_cut_answer_means_send_again,
        range(398, 401),
    ),
    Mutant(
        "rate refusals need a person",
        "a refusal for the rate passes",
        (Fault.RATE_REFUSED,),
        rate_refusals_need_a_person,
        range(323, 326),
    ),
    Mutant(
        "a refused token is kept",
        "a refused token is replaced",
        (Fault.TOKEN_EXPIRED,),
        a_refused_token_is_kept,
        range(226, 229),
    ),
    Mutant(
        "an unknown token is no token matter",
        "a token the broker does not know is replaced",
        (Fault.TOKEN_UNKNOWN,),
        an_unknown_token_is_no_token_matter,
        range(97, 100),
    ),
    Mutant(
        "a token too soon needs a person",
        "a token that came too soon is asked for again",
        (Fault.TOKEN_TOO_SOON,),
        a_token_too_soon_needs_a_person,
        range(63, 66),
    ),
    Mutant(
        "a failed inquiry needs a person",
        "a broker out of reach is asked again",
        (Fault.OUTAGE,),
        a_failed_inquiry_needs_a_person,
        range(337, 340),
    ),
    Mutant(
        "a lost stream leaves the gate open",
        "a lost stream shuts the gate",
        (Fault.STREAM_CLOSED, Fault.SLOT_LINGERS, Fault.STRATEGY_SLOW),
        a_lost_stream_leaves_the_gate_open,
        range(48, 51),
    ),
    Mutant(
        "a new stream opens the gate",
        "the gate stays shut until a stream's gap is checked",
        (Fault.STREAM_RESET,),
        a_new_stream_opens_the_gate,
        range(40, 43),
    ),
    Mutant(
        "silence is borne for ever",
        "a silent stream is given up",
        (Fault.STREAM_SILENT,),
        silence_is_borne_for_ever,
        range(358, 361),
    ),
    Mutant(
        "a slot in use needs a person",
        "a slot still in use is waited for",
        (Fault.SLOT_LINGERS, Fault.STREAM_RESET),
        a_slot_in_use_needs_a_person,
        range(367, 370),
    ),
    Mutant(
        "answers are awaited for ever",
        "a registration without an answer is given up",
        (Fault.ACK_LOST, Fault.STREAM_CLOSED),
        answers_are_awaited_for_ever,
        range(43, 46),
    ),
    Mutant(
        "a refused registration counts",
        "only a confirmed registration counts",
        (Fault.ACK_REFUSED, Fault.STREAM_CLOSED),
        a_refused_registration_counts,
        range(938, 941),
    ),
    Mutant(
        "lists count no fills",
        "lists count what notices did not tell",
        (Fault.NOTICE_LOST,),
        lists_count_no_fills,
        range(185, 188),
    ),
    Mutant(
        "a late cancel counts again",
        "a notice of a closed order changes nothing",
        (Fault.NOTICE_LATE,),
        a_late_cancel_counts_again,
        range(520, 523),
    ),
    Mutant(
        "repeated notices count again",
        "a notice told before does not count",
        (Fault.NOTICE_TWICE,),
        repeated_notices_count_again,
        range(64, 67),
    ),
    Mutant(
        "an unknown number is a strangers",
        "a notice waits for the reply with its number",
        (Fault.NOTICE_EARLY,),
        an_unknown_number_is_a_strangers,
        range(346, 349),
    ),
    Mutant(
        "the width is exact",
        "new columns are read over",
        (Fault.FRAME_WIDER,),
        the_width_is_exact,
        range(127, 130),
    ),
    Mutant(
        "an unreadable frame ends the feed",
        "an unreadable frame costs only itself",
        (Fault.FRAME_CUT,),
        an_unreadable_frame_ends_the_feed,
        range(314, 317),
    ),
    Mutant(
        "one list ends a doubt by a lagging list",
        "a doubt outlasts every lag",
        (Fault.LIST_LAGS, Fault.REPLY_LOST),
        one_list_ends_a_doubt,
        range(8, 11),
    ),
    Mutant(
        "every order is accounted for",
        "an order ends when all its shares are told",
        (Fault.LIST_SHORT,),
        every_order_is_accounted_for,
        range(7, 10),
    ),
    Mutant(
        "a balance that differs needs a person",
        "a balance that differs is looked at again until no lag explains it",
        (Fault.BALANCE_LAGS,),
        a_balance_that_differs_needs_a_person,
        range(367, 370),
    ),
    Mutant(
        "the first balance opens the books",
        "a balance of nothing is looked at again",
        (Fault.BALANCE_EMPTY,),
        the_first_balance_opens_the_books,
        range(43, 46),
    ),
    Mutant(
        "refusals after acceptance are ignored",
        "an accepted order may still be refused",
        (Fault.REFUSED_LATER,),
        refusals_after_acceptance_are_ignored,
        range(150, 153),
    ),
    Mutant(
        "strangers are not told",
        "orders made by hand are told",
        (Fault.HAND_ORDER,),
        strangers_are_not_told,
        range(32, 35),
    ),
    Mutant(
        "the machines clock is right",
        "the time is the broker's",
        (Fault.CLOCK_JUMP, Fault.REPLY_LOST),
        the_machines_clock_is_right,
        range(33, 36),
    ),
    Mutant(
        "a full disk is ignored",
        "a fact that cannot be written ends the daemon",
        (Fault.DISK_FULL,),
        a_full_disk_is_ignored,
        range(6, 9),
    ),
    Mutant(
        "sending is written after the answer",
        "an order is journalled before it leaves",
        (Fault.CRASH_AT_WRITE,),
        sending_is_written_after_the_answer,
        range(93, 96),
    ),
    Mutant(
        "unanswered orders never left",
        "an order without an answer at a crash is in doubt",
        (Fault.CRASH, Fault.REPLY_LATE),
        unanswered_orders_never_left,
        range(2, 4),
    ),
    Mutant(
        "a late heartbeat sets the clock back",
        "a heartbeat that was under way for long is not believed",
        (Fault.FREEZE,),
        a_late_heartbeat_sets_the_clock_back,
        range(660, 663),
    ),
    Mutant(
        "a full backlog is an error",
        "market events give way to newer ones",
        (Fault.STRATEGY_SLOW,),
        a_full_backlog_is_an_error,
        range(306, 309),
    ),
    Mutant(
        "a strategys error ends the daemon",
        "a strategy fails alone",
        (Fault.STRATEGY_CRASH,),
        a_strategys_error_ends_the_daemon,
        range(1, 4),
    ),
    Mutant(
        "open orders bind nothing",
        "risk counts what is open as if it filled",
        (),
        open_orders_bind_nothing,
        range(60, 63),
    ),
    Mutant(
        "silence is a quiet market",
        "silence is proven by inquiry or marked",
        (Fault.QUOTES_SILENT,),
        silence_is_a_quiet_market,
        range(1, 4),
    ),
    Mutant(
        "a shut gate stops cancels",
        "cancels pass a shut gate",
        (Fault.STREAM_CLOSED,),
        a_shut_gate_stops_cancels,
        range(3, 6),
    ),
    Mutant(
        "the orders of the fallen stay",
        "a faulted strategy's orders are cancelled",
        (Fault.STRATEGY_CRASH,),
        the_orders_of_the_fallen_stay,
        range(1, 4),
    ),
    Mutant(
        "fills are not written",
        "every fact is journalled",
        (),
        fills_are_not_written,
        range(346, 349),
    ),
    Mutant(
        "requests are not counted",
        "requests a second are counted",
        (),
        requests_are_not_counted,
        range(536, 539),
    ),
)


def _row(mutant: Mutant, found: Found | None) -> dict[str, object]:
    return {
        "fault": mutant.faults[0].value if mutant.faults else "none",
        "with": [each.value for each in mutant.faults[1:]],
        "defence_removed": mutant.defence,
        "mutant": mutant.name,
        "seed": None if found is None else found.seed,
        "seeds_until_found": None if found is None else found.days_run,
        "violation": None if found is None else found.violation,
    }


def _in_words(mutant: Mutant, found: Found | None) -> str:
    faults = " + ".join(mutant.faults) or "no fault"
    end = "NOT FOUND"
    if found is not None:
        end = f"found by day {found.days_run} (seed {found.seed}): {found.violation[:LINE]}"
    return f"{faults}: without '{mutant.defence}' ({mutant.name})\n    {end}"


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns 1 when a mutant was not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="mutants, or faults; all by default")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--processes", type=int, default=1, help="days at the same time")
    arguments = parser.parse_args(argv)
    survived = 0
    for mutant in MUTANTS:
        if arguments.names and not {mutant.name, *mutant.faults[:1]} & {*arguments.names}:
            continue
        found = find(mutant, processes=arguments.processes)
        survived += found is None
        line = orjson.dumps(_row(mutant, found)).decode() if arguments.json else None
        sys.stdout.write(f"{line or _in_words(mutant, found)}\n")
        sys.stdout.flush()
    return EXIT_SURVIVED if survived else 0


if __name__ == "__main__":
    sys.exit(main())
