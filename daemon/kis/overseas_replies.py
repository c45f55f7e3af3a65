"""Answers of the foreign side: cash and holdings, buying power, prices, books and bars.

The counterpart of `replies` for everything that is not listed in Korea.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from daemon.core.errors import BadData
from daemon.core.events import Holding
from daemon.core.steps import step_at
from daemon.core.values import Bar, InstrumentId, Level, OrderBook, Region, code_of, region_of
from daemon.core.zones import zone_of
from daemon.kis.fields import (
    day_of,
    decimal_at,
    decimal_or_none,
    instant_of,
    price_at,
    shares_at,
    shares_or_none,
    text_of,
)
from daemon.kis.listed import Listed
from daemon.kis.overseas_calls import exchange_of
from daemon.kis.overseas_orders import instrument_at, listed_on
from daemon.kis.replies import Reply, object_at, rows

Row = Mapping[str, object]


class Part(NamedTuple):
    """One region's part of an account: trade-date cash in its currency, and what is held.

    `rate` is KRW for one unit of the currency by the first notice of the day, if it is told.
    `unbooked` is the region's day whose trades may not be in it yet. `fractions` are the codes of
    rows that are no whole number of shares; they are not among the holdings.
    """

    cash: Decimal
    holdings: tuple[Holding, ...]
    rate: Decimal | None = None
    unbooked: date | None = None
    fractions: tuple[str, ...] = ()


def present_balance(pages: Sequence[Reply], region: Region, listed: Listed) -> Part:
    """Cash and holdings on the basis of trades, out of every page.

    Cash is the deposit (frcr_dncl_amt_2) less what was bought and plus what was sold beside it.
    That the deposit does not know of trades yet to settle is how the columns read; nobody has
    measured it. If it did, the first trade would show as a discrepancy and close the gate. No row
    of the currency is no money in it.

    Fractional shares (미니스탁) are told among the others. They cannot be ordered here, so a row
    that is no whole number is left out. No column surely tells a row of them that is: beside an
    ordinary one of its code it reads as a second holding, which is `BadData`.
    """
    if not pages:
        raise BadData("no page", field="output2")
    currency = region.currency.value
    purses = [row for row in rows(pages[-1], "output2") if text_of(row, "crcy_cd") == currency]
    if len({tuple(sorted((k, str(v)) for k, v in row.items())) for row in purses}) > 1:
        raise BadData("two different purses of one currency", field="crcy_cd", raw=currency)
    cash, rate = Decimal(0), None
    for row in purses[:1]:
        rate = decimal_or_none(text_of(row, "frst_bltn_exrt"), "frst_bltn_exrt")
        cash = decimal_at(row, "frcr_dncl_amt_2")
        cash += decimal_at(row, "frcr_sll_amt_smtl") - decimal_at(row, "frcr_buy_amt_smtl")
    told = [row for page in pages for row in rows(page, "output1")]
    whole = [row for row in told if not _is_fraction(row)]
    fractions = {text_of(row, _PRESENT.code) for row in told if _is_fraction(row)}
    holdings = _holdings(whole, region, _PRESENT, listed)
    return Part(cash, holdings, rate, fractions=tuple(sorted(fractions)))


def _is_fraction(row: Row) -> bool:
    quantity = decimal_or_none(text_of(row, _PRESENT.quantity), _PRESENT.quantity)
    return quantity is not None and quantity > 0 and quantity != quantity.to_integral_value()


def balance(pages: Sequence[Reply], region: Region, listed: Listed) -> tuple[Holding, ...]:
    """Holdings by inquire-balance, out of every page of every exchange of the region."""
    told = [row for page in pages for row in rows(page, "output1")]
    return _holdings(told, region, _BALANCE, listed)


def usable_cash(page: Reply) -> Decimal:
    """Foreign money that may be used: all that the virtual host tells of it (output3)."""
    return decimal_at(object_at(page.body, "output3"), "frcr_use_psbl_amt")


class _Fields(NamedTuple):
    """The names of columns; `linked`, where there is one, holds the exchange of the listing."""

    code: str
    linked: str
    exchange: str
    quantity: str
    cost: str
    currency: str


_PRESENT = _Fields(
    "pdno", "item_lnkg_excg_cd", "ovrs_excg_cd", "ccld_qty_smtl1", "frcr_pchs_amt", "buy_crcy_cd"
)
_BALANCE = _Fields("ovrs_pdno", "", "ovrs_excg_cd", "ovrs_cblc_qty", "frcr_pchs_amt1", "tr_crcy_cd")


def _holdings(
    told: Sequence[Row], region: Region, fields: _Fields, listed: Listed
) -> tuple[Holding, ...]:
    """What is held in a region. One code is one listing there, whatever exchanges rows name.

    The same holding may be reported under two exchange codes: equal rows of a code are one,
    different ones cannot both be true and are `BadData`. It is listed where any of them is linked
    to, else where `listed` makes it of those they name. Blank rows end some answers, and what was
    sold out stays listed with nothing.
    """
    held: dict[str, Holding] = {}
    linked: dict[str, InstrumentId] = {}
    named: dict[str, list[InstrumentId]] = {}
    for row in told:
        code = text_of(row, fields.code)
        if not code:
            continue
        quantity = shares_at(row, fields.quantity)
        is_linked = bool(text_of(row, fields.linked))
        exchange = listed_on(row, fields.linked if is_linked else fields.exchange)
        if exchange.region is not region or quantity == 0:
            continue
        currency = text_of(row, fields.currency)
        if currency and currency != region.currency.value:
            raise BadData("a holding in another currency", field=fields.currency, raw=currency)
        holding = Holding(
            instrument=instrument_at(row, fields.code, exchange),
            quantity=quantity,
            cost=decimal_at(row, fields.cost),
        )
        before = held.setdefault(code, holding)
        if (before.quantity, before.cost) != (holding.quantity, holding.cost):
            raise BadData("two different holdings of one code", field=fields.code, raw=code)
        if is_linked:
            linked.setdefault(code, holding.instrument)
        named.setdefault(code, []).append(holding.instrument)
    return tuple(
        replace(holding, instrument=linked.get(code) or listed.among(named[code]))
        for code, holding in held.items()
    )


def orderable_cash(reply: Reply) -> Decimal:
    """ord_psbl_frcr_amt: foreign money that may be spent, in the instrument's currency."""
    return decimal_at(object_at(reply.body, "output"), "ord_psbl_frcr_amt")


class PriceReport(NamedTuple):
    """Last price, previous close and price step in the instrument's currency; shares today.

    There are no daily limits in America; elsewhere they are not read.
    """

    last: Decimal
    base: Decimal
    upper_limit: Decimal | None
    lower_limit: Decimal | None
    step: Decimal
    day_volume: int | None


def price_report(reply: Reply, instrument: InstrumentId) -> PriceReport:
    """The price inquiry. A last price of nothing means that nothing traded yet: the base counts.

    Both may carry more decimals than orders do. Raises `BadData` for an unknown code, which is
    answered with blanks.
    """
    output = object_at(reply.body, "output")
    _about(output, instrument)
    base = decimal_or_none(text_of(output, "base"), "base") or Decimal(0)
    last = decimal_or_none(text_of(output, "last"), "last") or base
    if last <= 0:
        raise BadData("neither a last price nor a base", field="last")
    return PriceReport(
        last=last,
        base=base if base > 0 else last,
        upper_limit=None,
        lower_limit=None,
        step=step_at(instrument, last),
        day_volume=shares_or_none(text_of(output, "tvol"), "tvol"),
    )


def _about(output: Row, instrument: InstrumentId) -> None:
    """Refuse an answer about another instrument: rsym ends in exchange and symbol."""
    name = text_of(output, "rsym")
    if name and not name.endswith(f"{exchange_of(instrument).quote_code}{code_of(instrument)}"):
        raise BadData(f"an answer about another instrument than {instrument}", raw=name)


def order_book(reply: Reply, instrument: InstrumentId, received_at: datetime) -> OrderBook:
    """As many levels as the answer has, ten in America; empty ones are left out."""
    head, output = object_at(reply.body, "output1"), object_at(reply.body, "output2")
    _about(head, instrument)
    return OrderBook(
        instrument=instrument,
        bids=_levels(output, "pbid", "vbid"),
        asks=_levels(output, "pask", "vask"),
        exchange_time=_local(head, "dymd", "dhms", instrument) or received_at,
        received_at=received_at,
    )


def _levels(output: Row, prices: str, volumes: str) -> tuple[Level, ...]:
    levels = []
    for number in range(1, 11):
        price = decimal_or_none(text_of(output, f"{prices}{number}"), f"{prices}{number}")
        field = f"{volumes}{number}"
        quantity = shares_or_none(text_of(output, field), field)
        if price is not None and price > 0 and quantity:
            levels.append(Level(price, quantity))
    return tuple(levels)


def daily_bars(reply: Reply, instrument: InstrumentId) -> list[Bar]:
    """Daily bars, oldest first; each starts at local midnight of its day."""
    _about(object_at(reply.body, "output1"), instrument)
    zone = zone_of(region_of(instrument))
    bars = []
    for row in rows(reply, "output2"):
        day = text_of(row, "xymd")
        if day:
            start = datetime.combine(day_of(day, "xymd"), time.min, zone).astimezone(UTC)
            bars.append(_bar(row, instrument, start, close="clos", volume="tvol"))
    return sorted(bars, key=lambda bar: bar.start)


def minute_bars(reply: Reply, instrument: InstrumentId) -> list[Bar]:
    """One-minute bars, oldest first."""
    _about(object_at(reply.body, "output1"), instrument)
    bars = []
    for row in rows(reply, "output2"):
        if text_of(row, "kymd"):
            day = day_of(text_of(row, "kymd"), "kymd")
            start = instant_of(day, text_of(row, "khms"), "khms")
            bars.append(_bar(row, instrument, start, close="last", volume="evol"))
    return sorted(bars, key=lambda bar: bar.start)


def before(bar: Bar) -> str:
    """KEYB of the minute bars before this one, in local time."""
    at = bar.start.astimezone(zone_of(region_of(bar.instrument))) - timedelta(minutes=1)
    return f"{at:%Y%m%d%H%M%S}"


def _local(row: Row, day: str, stamp: str, instrument: InstrumentId) -> datetime | None:
    """The instant of a date and a time of day on the exchange's clocks, if both are there."""
    date_text, time_text = text_of(row, day), text_of(row, stamp)
    if not (date_text and time_text):
        return None
    try:
        clock = time(int(time_text[:2]), int(time_text[2:4]), int(time_text[4:6]))
    except ValueError:
        raise BadData("not a time of day", field=stamp, raw=time_text) from None
    zone = zone_of(region_of(instrument))
    return datetime.combine(day_of(date_text, day), clock, zone).astimezone(UTC)


def _bar(row: Row, instrument: InstrumentId, start: datetime, *, close: str, volume: str) -> Bar:
    return Bar(
        instrument=instrument,
        start=start,
        open=price_at(row, "open"),
        high=price_at(row, "high"),
        low=price_at(row, "low"),
        close=price_at(row, close),
        volume=shares_at(row, volume),
    )
