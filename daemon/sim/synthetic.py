"""Answers to the calls that are not simulated: the broker's shape, made-up values.

They are there so that any call of the catalogue can be tried without an account. Every answer
says so in msg1. Values follow the kinds of the fields; the same seed, call and parameters give
the same ones, around the simulated price where a listed stock is asked for. An order answered
here reaches no exchange and changes no books.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random

from daemon.core.calendar import KST
from daemon.kis.catalog import BY_PATH, Kind, RestApi, Shape
from daemon.sim.calls import CURSOR_WIDTH, Answer, Call, account_of, succeeded
from daemon.sim.market import Market
from daemon.sim.replies import Denied, JsonBody, bad_field, padded

MARK = "[SYNTHETIC] 지어낸 값입니다"
"""What msg1 of every such answer begins with."""

ROWS = 5
PAGES = 3
_CODE_PARAMETERS = ("fid_input_iscd", "pdno", "symb", "shtn_pdno", "srs_cd", "iscd", "stk_cd")
_CODE_FIELDS = frozenset(
    (*_CODE_PARAMETERS, "stck_shrn_iscd", "mksc_shrn_iscd", "stck_iscd", "ovrs_pdno")
)
_ORDER_NUMBERS = frozenset({"odno", "rsvn_ord_seq", "ovrs_rsvn_odno"})


def api_of(path: str) -> RestApi | None:
    """The call behind a path, if the catalogue has one that is not about keys."""
    api = BY_PATH.get(path)
    return None if api is None or api.is_key else api


def answer(call: Call, market: Market, api: RestApi, seed: int) -> Answer:
    """A made-up answer; raises `Denied` for what the broker would refuse."""
    _check(call, market, api)
    page = _page_of(call, api)
    random = Random(_seed(call, api, seed, page))  # noqa: S311  a play
    maker = _Maker(call, market, random)
    body: JsonBody = {}
    cursors = api.paging.cursors if api.paging else ()
    last = page == PAGES or not cursors
    for name in cursors:
        width = int("".join(filter(str.isdigit, name)) or CURSOR_WIDTH)
        body[name.lower()] = ("" if last else f"{page + 1}").ljust(width)
    for name, shape in api.outputs.items():
        is_list = shape is Shape.LIST or (shape is Shape.EITHER and api.paging is not None)
        rows = [maker.row(api, number) for number in range(ROWS if is_list else 1)]
        body[name] = rows if is_list else rows[0]
    code = "20310000" if call.is_virtual else "MCA00000"
    text = padded(f"{MARK} ({api.title})")
    continued = "" if not api.paging else ("D" if last else "M")
    return Answer(body=succeeded(code, text, body), tr_cont=continued)


def _check(call: Call, market: Market, api: RestApi) -> None:
    if call.is_virtual and not api.virtual:
        raise Denied("90000000", padded("모의투자에서는 해당업무가 제공되지 않습니다."))
    cursors = api.paging.cursors if api.paging else ()
    for parameter in api.parameters:
        if parameter.name not in call.parameters and not parameter.conditional:
            raise bad_field(parameter.name)
        value = call.get(parameter.name)
        if parameter.name in cursors or parameter.conditional or "" in parameter.values:
            continue
        if parameter.required and not value:
            raise bad_field(parameter.name)
    if call.get("CANO") and call.get("ACNT_PRDT_CD"):
        own = {name.partition("-")[0] for name in call.accounts}
        # Products other than stocks have account suffixes of their own.
        if call.get("CANO") not in own:
            account_of(call)


def _page_of(call: Call, api: RestApi) -> int:
    if call.tr_cont.strip().upper() != "N" or api.paging is None:
        return 1
    told = [call.get(name) for name in api.paging.cursors]
    numbers = [int(text) for text in told if text.isdigit() and len(text) == 1]
    return min(max(numbers, default=1), PAGES)


def _seed(call: Call, api: RestApi, seed: int, page: int) -> str:
    cursors = api.paging.cursors if api.paging else ()
    given = sorted(pair for pair in call.parameters.items() if pair[0] not in cursors)
    return f"{seed}:{api.id}:{page}:{given}"


class _Maker:
    """Makes records whose numbers lie around one price."""

    def __init__(self, call: Call, market: Market, random: Random) -> None:
        self._random = random
        self._now = market.now
        self._given: Mapping[str, str] = {
            name.lower(): value for name, value in call.parameters.items()
        }
        self._code = next(
            (self._given[name] for name in _CODE_PARAMETERS if self._given.get(name)), "000000"
        )
        stock = market.exchange.stocks.get(self._code)
        self._listed = stock is not None
        self._price = float(stock.base) if stock is not None else random.uniform(20.0, 400.0)

    def row(self, api: RestApi, number: int) -> dict[str, str]:
        """One record with all fields of the call; later ones lie further back in time."""
        at = self._now - timedelta(days=number)
        price = self._price * (1 + self._random.gauss(0.0, 0.01))
        return {
            field.name: self._value(field.name.lower(), field.kind, at, price)
            for field in api.fields
        }

    def _value(self, name: str, kind: Kind, at: datetime, price: float) -> str:
        if name in _CODE_FIELDS:
            return self._code
        if name in _ORDER_NUMBERS:
            return f"{self._random.randint(1, 10**6):010}"
        if self._given.get(name) and kind is Kind.CODE:
            return self._given[name]
        local = at.astimezone(KST)
        match kind:
            case Kind.DATE:
                return f"{local:%Y%m%d}"
            case Kind.TIME:
                return f"{local:%H%M%S}"
            case Kind.PRICE:
                return f"{round(price / 100) * 100}" if self._listed else f"{price:.2f}"
            case Kind.QUANTITY:
                return str(self._random.randint(1, 10_000))
            case Kind.AMOUNT:
                return f"{self._random.randint(1, 10_000) * price:.0f}"
            case Kind.RATE | Kind.NUMBER:
                return f"{self._random.uniform(-5.0, 5.0):.2f}"
        return self._word(name, kind)

    def _word(self, name: str, kind: Kind) -> str:
        if kind is Kind.FLAG:
            return "N"
        if kind is Kind.TEXT:
            return "가상"
        if name.endswith("sign"):
            return "3"
        return f"{self._random.randint(1, 99):02}"
