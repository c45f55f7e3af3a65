"""A script's orders through the running daemon: its gate, its limits, its journal."""

import asyncio
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from daemon.core.acts import SCRIPT
from daemon.core.errors import OutcomeUnknown, Refused
from daemon.core.values import InstrumentId, code_of
from daemon.kis.scripting import PlacedOrder
from daemon.ops.client import AnswerLost, ControlClient, NoDaemon, meant, new_request
from daemon.ops.control import ControlError

ASK_AGAIN = 2
"""How often a lost answer is asked for again: by the same request id an order is made once."""


class DaemonOrders:
    """Places and cancels through the daemon behind `client`, as the owner `script`."""

    def __init__(self, client: ControlClient, *, reason: str = "a script") -> None:
        self._client = client
        self._reason = reason

    async def place(
        self,
        instrument: InstrumentId,
        action: str,
        quantity: int,
        price: Decimal | int | float | str | None,
    ) -> PlacedOrder:
        """Send one order, at market where `price` is `None` or 0.

        Raises `Refused` where it certainly has no effect, for the daemon's limits, too, and
        `OutcomeUnknown` where it may have.
        """
        text = "" if price is None else str(price).replace(",", "")
        at_market = text in ("", "0", "0.0")
        answer = await self._act(
            "submit",
            instrument=str(instrument),
            side=action.strip().lower(),
            quantity=quantity,
            price=None if at_market else text,
            owner=str(SCRIPT),
        )
        order = answer["result"].get("order") or {}
        if not order.get("number"):
            raise OutcomeUnknown(f"order {order.get('id')} is {order.get('state')}")
        return PlacedOrder(
            order_no=str(order["number"]),
            branch=str(order["branch"]),
            ticker=code_of(instrument),
            action=str(order["side"]).upper(),
            quantity=int(order["quantity"]),
            price=None if order["price"] is None else Decimal(order["price"]),
            day=date.fromisoformat(order["day"]),
        )

    async def cancel(self, order_no: str) -> None:
        """Ask for what is open of an order of the daemon's to be cancelled."""
        await self._act("cancel", orders=[order_no.strip()])

    async def _act(self, word: str, **fields: Any) -> dict[str, Any]:
        request = new_request()

        def ask() -> dict[str, Any]:
            return self._client.act(word, request=request, reason=self._reason, **fields)

        return await asyncio.to_thread(_asked, ask)


def _asked(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer; asked for again where it was lost."""
    lost: AnswerLost | None = None
    for _ in range(1 + ASK_AGAIN):
        try:
            return ask()
        except ControlError as error:
            raise meant(error) from error
        except NoDaemon as error:
            if lost is not None:
                raise lost from error
            raise Refused("NO_DAEMON", str(error)) from error
        except AnswerLost as error:
            lost = error
    assert lost is not None, "it was asked at least once"
    raise lost
