"""Obeys what a person asks through the control API: journalled, once, and by every rule."""

import asyncio
import os
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import structlog

from daemon.config import Settings
from daemon.core.acts import (
    REMEMBERED,
    OperatorAnswered,
    OperatorAsked,
)
from daemon.core.errors import Fatal, TradingError
from daemon.core.events import Actor, OrderIntent, OrderKind
from daemon.core.orders import Order, OrderState
from daemon.core.risk import Denied
from daemon.core.switch import Command
from daemon.core.values import InstrumentId, OrderId, Region, StrategyId, region_of
from daemon.engine.desk import TradingDesk
from daemon.ops.api import ControlApi
from daemon.ops.client import new_request, socket_path
from daemon.ops.control import (
    Accept,
    AnyAct,
    Arm,
    Caller,
    Cancel,
    ControlError,
    Done,
    Flatten,
    Halt,
    ReduceOnly,
    Resume,
    Submit,
    SwitchStrategy,
    View,
)
from daemon.ops.doors import Door, TcpDoor, UnixDoor
from daemon.reloading import StrategyShelf, regions_traded
from daemon.roster import Follow, Roster
from daemon.sections import StrategySettings
from daemon.store.killfile import account_tag
from daemon.views import DeskViews, told
from daemon.wiring import Session

FRESH_PRICE = 10.0
"""Seconds after which the price of an order by hand is asked for anew."""

AT_A_TIME = 32
"""Acts under way at most."""

SAMPLE = 0.25
ANSWER_LIMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What was done with a strategy whose settings were `old` and are `new`, where there are any.

    `problem` says why it was not done, in words, or is empty.
    """

    strategy: StrategyId
    do: str
    old: StrategySettings | None
    new: StrategySettings | None
    problem: str


class Operators:
    """The people at the doors that the settings open. `reread` reads the settings again."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings]) -> None:
        self._settings = settings
        self._shelf = StrategyShelf(settings, reread)
        self._control: DeskControl | None = None

    async def follow(self, read: Settings) -> Sequence[Followed]:
        """See `DeskControl.follow`; nothing is done before anybody is served."""
        return () if self._control is None else await self._control.follow(read.strategies)

    async def serve(self, session: Session, desk: TradingDesk) -> None:
        """Serve them for ever; raises only `Fatal`."""
        settings = self._settings
        doors = doors_of(settings)
        control = self._control = DeskControl(
            desk,
            session,
            shelf=self._shelf,
            mode=settings.mode.value,
            pace=settings.profile.requests_per_second,
            markets=settings.markets,
            cancels=settings.on_stop == "cancel",
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(control.run(), name="operators' acts")
            if doors:
                tasks.create_task(ControlApi(control, doors).run(), name="control api")


def doors_of(settings: Settings) -> list[Door]:
    """The doors that the settings open."""
    control = settings.control
    doors: list[Door] = []
    if control.socket:
        tag = account_tag(settings.account)
        doors.append(UnixDoor(path=socket_path(settings.control_dir, tag)))
    if control.tcp is not None:
        doors.append(
            TcpDoor(
                address=control.tcp.address,
                port=control.tcp.port,
                token=control.token.get_secret_value(),
                names=control.tcp.names,
                certificate=control.tcp.certificate,
                key=control.tcp.key,
            )
        )
    return doors


@dataclass(frozen=True, slots=True)
class _Asked:
    act: AnyAct
    answer: asyncio.Future[Done]


class DeskControl:
    """`ops.control.Control` over a desk. Acts belong to `run`, not to whoever waits for them.

    `cancels` is what becomes of the orders of a strategy that is stopped, unless the act says so.
    """

    def __init__(
        self,
        desk: TradingDesk,
        session: Session,
        *,
        shelf: StrategyShelf,
        mode: str,
        pace: int,
        markets: Collection[Region],
        cancels: bool,
    ) -> None:
        self._desk = desk
        self._session = session
        self._shelf = shelf
        self._markets = frozenset(markets)
        self._roster = Roster(desk, shelf, session.clock, cancels=cancels)
        self._views = DeskViews(desk, session, mode=mode, pace=pace, rate=self._rate)
        self._known: OrderedDict[str, _Asked] = OrderedDict()
        self._sent: deque[int] = deque(maxlen=round(1 / SAMPLE) + 1)
        self._group: asyncio.TaskGroup | None = None
        self._log = structlog.get_logger("control")

    async def run(self) -> None:
        """Own every act, for ever."""
        async with asyncio.TaskGroup() as self._group:
            while True:
                self._sent.append(self._session.broker.stats.requests)
                await asyncio.sleep(SAMPLE)

    def see(self, view: View, asked: Mapping[str, str]) -> Mapping[str, Any]:
        """How things stand."""
        return self._views.see(view, asked)

    async def act(self, act: AnyAct, caller: Caller) -> Done:
        """Do it once: whoever repeats a request is told what came of the first."""
        known = self._known.get(act.request)
        if known is None:
            past = self._of_earlier_run(act)
            if past is not None:
                return past
            known = self._begin(act, caller)
            return await asyncio.shield(known.answer)
        if known.act != act:
            raise _reused(act.request)
        return replace(await asyncio.shield(known.answer), repeated=True)

    async def follow(self, wanted: Sequence[StrategySettings]) -> Sequence[Followed]:
        """Stop the strategies that are not among those wanted, reload those that differ, and start
        those that are new: each as an operator's act, journalled, and refused for itself.
        """
        named = {StrategyId(each.id): each for each in wanted}
        running = [slot.id for slot in self._desk.host.slots]
        todo: list[tuple[StrategyId, Literal["stop", "reload", "start"]]] = [
            (each, "stop") for each in running if each not in named
        ]
        for strategy, item in named.items():
            differs = item != self._shelf.item(strategy)
            if strategy in running:
                todo += [(strategy, "reload")] if differs else []
            elif differs or regions_traded(item) <= self._markets:
                todo.append((strategy, "start"))
        return [await self._follow_one(each, do, named.get(each)) for each, do in todo]

    async def _follow_one(
        self,
        strategy: StrategyId,
        do: Literal["stop", "reload", "start"],
        new: StrategySettings | None,
    ) -> Followed:
        old, problem = self._shelf.item(strategy), ""
        act = Follow(request=new_request(), reason="the settings", strategy=strategy, do=do)
        try:
            await self.act(act, Caller(channel="signal", pid=os.getpid()))
        except ControlError as error:
            problem = error.problem
        return Followed(strategy=strategy, do=do, old=old, new=new, problem=problem)

    def _begin(self, act: AnyAct, caller: Caller) -> _Asked:
        under_way = sum(1 for each in self._known.values() if not each.answer.done())
        if self._group is None or under_way >= AT_A_TIME:
            raise ControlError(
                "BUSY", f"{under_way} acts are under way", fix="try again soon", status=503
            )
        answer: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        # Whoever asked may be gone, and nobody hears of a refusal.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        asked = self._known[act.request] = _Asked(act, answer)
        for request in list(self._known)[: max(len(self._known) - REMEMBERED, 0)]:
            if self._known[request].answer.done():
                del self._known[request]
        self._group.create_task(self._carry_out(asked, caller), name=f"act {act.name}")
        return asked

    def _of_earlier_run(self, act: AnyAct) -> Done | None:
        """What the journal tells of a request that this process does not know."""
        acts = self._desk.ledger.portfolio.acts
        past = acts.asked.get(act.request)
        if past is None:
            return None
        if (past.act, past.subject) != (act.name, act.subject):
            raise _reused(act.request)
        answer = acts.answered.get(act.request)
        result: dict[str, Any] = {}
        if isinstance(act, Submit):
            order = self._order_of(act.request)
            if order is not None and order.state is OrderState.REJECTED:
                raise _rejected(order)
            result = {} if order is None else {"order": told(order)}
        if answer is not None and not answer.done:
            raise ControlError("REFUSED", answer.answer)
        if answer is None and not result:
            raise ControlError(
                "OUTCOME_UNKNOWN",
                "the daemon ended while it did this, and does not do it again by itself",
                field="request",
                fix="look at status and orders; ask with a new request id if it is still wanted",
            )
        message = "" if answer is None else answer.answer
        return Done(message=message or "done before", result=result, repeated=True)

    def _order_of(self, request: str) -> Order | None:
        orders = self._desk.ledger.portfolio.orders.values()
        return next((each for each in reversed(orders) if each.intent.request == request), None)

    async def _carry_out(self, asked: _Asked, caller: Caller) -> None:
        act, answer = asked.act, asked.answer
        try:
            self._note_asked(act, caller)
            try:
                done = await self._do(act)
            except ControlError as error:
                self._note_answer(act, error.problem, done=False)
                _fail(answer, error)
            except TradingError as error:
                self._note_answer(act, str(error), done=False)
                _fail(answer, ControlError("REFUSED", str(error), fix="see the problem"))
            else:
                self._note_answer(act, done.message, done=True)
                if not answer.done():
                    answer.set_result(done)
        except Fatal as error:
            _fail(answer, error)
            raise
        except asyncio.CancelledError:
            answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001  whoever asked is told, and trading goes on
            self._log.exception("act_failed", act=act.name, request=act.request)
            _fail(answer, ControlError("BUG", f"{type(error).__name__}: {error}", status=500))

    def _note_asked(self, act: AnyAct, caller: Caller) -> None:
        self._desk.ledger.record(
            OperatorAsked(
                request=act.request,
                act=act.name,
                subject=act.subject,
                reason=act.reason,
                channel=caller.channel,
                person=caller.user,
                uid=caller.uid,
                pid=caller.pid,
                at=self._session.clock.now(),
            )
        )

    def _note_answer(self, act: AnyAct, answer: str, *, done: bool) -> None:
        self._desk.ledger.record(
            OperatorAnswered(
                request=act.request,
                done=done,
                answer=answer[:ANSWER_LIMIT],
                at=self._session.clock.now(),
            )
        )

    async def _do(self, act: AnyAct) -> Done:
        match act:
            case Halt() | ReduceOnly() | Flatten() | Resume():
                return self._move(act)
            case Arm():
                self._desk.arm()
                return Done(message="armed")
            case Cancel():
                return await self._cancel(act)
            case Submit():
                return await self._submit(act)
            case SwitchStrategy():
                return await self._roster.switch(act)
            case Accept():
                return await self._accept(act)

    def _move(self, act: Halt | ReduceOnly | Flatten | Resume) -> Done:
        command = Command(state=act.state, who=Actor.OPERATOR, reason=act.reason)
        answer = self._desk.execute(command)
        if not answer.obeyed:
            raise ControlError("REFUSED", answer.refusal, field="state", fix="see docs/risk.md")
        return Done(message=f"{answer.state}", result={"state": answer.state.value})

    async def _cancel(self, act: Cancel) -> Done:
        portfolio = self._desk.ledger.portfolio
        if act.all:
            ids = [each.id for each in portfolio.open_orders()]
        else:
            ids = list(dict.fromkeys(self._open_order(word) for word in act.orders))
        orders = await self._desk.executor.cancel(ids)
        waiting = [each.id for each in orders if not each.state.is_closed]
        return Done(
            message=f"{len(orders)} orders, {len(waiting)} not confirmed yet",
            result={"orders": [told(each) for each in orders]},
        )

    def _open_order(self, word: str) -> OrderId:
        """The order of ours, or of the broker's number `word`, that is not closed."""
        number = word.lstrip("0")
        for order in self._desk.ledger.portfolio.open_orders():
            if order.id == word or any(ref.number == number for ref in order.refs):
                return order.id
        raise ControlError(
            "NO_ORDER",
            f"no open order is called {word}",
            field="orders",
            fix="see `orders` for what is open",
            status=404,
        )

    async def _submit(self, act: Submit) -> Done:
        desk = self._desk
        instrument = InstrumentId(act.instrument)
        if region_of(instrument) not in self._markets:
            raise ControlError(
                "NOT_TRADED",
                f"{instrument} is of no market this daemon trades in",
                field="instrument",
                fix="see `markets:`",
            )
        known = desk.quotes.known_at(instrument)
        now = self._session.clock.now()
        if known is None or (now - known).total_seconds() > FRESH_PRICE:
            await desk.learn_price(instrument)
        intent = OrderIntent(
            account=self._session.broker.account_id,
            strategy=StrategyId(act.owner),
            instrument=instrument,
            side=act.bought_or_sold,
            quantity=act.quantity,
            kind=OrderKind.MARKET if act.price is None else OrderKind.LIMIT,
            limit=act.price,
            time_in_force=act.lasting,
            reason=act.reason,
            request=act.request,
        )
        [outcome] = await desk.executor.submit([intent])
        if isinstance(outcome, Denied):
            raise ControlError(
                "DENIED",
                f"{outcome.rule}: {outcome.detail}",
                field=outcome.rule.value,
                fix="see docs/risk.md",
            )
        if outcome.state is OrderState.REJECTED:
            raise _rejected(outcome)
        return Done(
            message=f"order {outcome.id} is {outcome.state}", result={"order": told(outcome)}
        )

    async def _accept(self, act: Accept) -> Done:
        portfolio = self._desk.ledger.portfolio
        if not portfolio.discrepancies:
            raise ControlError("NOTHING_DIFFERS", "the books agree: there is nothing to accept")
        if act.about is not None and act.about not in portfolio.discrepancies:
            known = "; ".join(sorted(portfolio.discrepancies)) or "there are none"
            raise ControlError(
                "NO_SUBJECT",
                f"nothing differs about {act.about}",
                field="about",
                fix=known,
                status=404,
            )
        adopted = await self._desk.accept(act.about)
        return Done(
            message=f"accepted: {act.subject}",
            result={
                "accepted": act.subject,
                "cash": {str(each): amount for each, amount in sorted(adopted.cash.items())},
                "holdings": {each.instrument: each.quantity for each in adopted.holdings},
            },
        )

    def _rate(self) -> int:
        return self._sent[-1] - self._sent[0] if self._sent else 0


def _rejected(order: Order) -> ControlError:
    return ControlError("REJECTED", f"order {order.id}: {order.cause}")


def _reused(request: str) -> ControlError:
    return ControlError(
        "REQUEST_REUSED",
        f"request {request} was something else before",
        field="request",
        fix="use a new request id for a new act",
    )


def _fail(answer: asyncio.Future[Done], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
