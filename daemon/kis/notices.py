"""Order notices: one row of the personal channels to what it says happened to an order.

Real domestic rows have 26 columns, virtual ones 23, overseas ones 25: the same words, of which
overseas one is missing in front, and other units. See `daemon.kis.spec` for the domestic widths.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from daemon.core.calendar import KST
from daemon.core.errors import BadData
from daemon.core.values import AccountId, InstrumentId, Market, Side, instrument_id
from daemon.core.witness import BrokerNotice, NoticeKind
from daemon.kis.channels import BY_TR_ID
from daemon.kis.fields import (
    decimal_or_none,
    instant_of,
    instrument_of,
    order_number,
    shares_or_none,
    side_of,
)
from daemon.kis.spec import (
    NOTICE_COLUMNS,
    NOTICE_COMMON_WIDTH,
    OVERSEAS_NOTICE_CHANNELS,
    Environment,
)

ACCOUNT_COLUMN = 1
"""Where every layout has the account, as digits."""

# The first 18 and the last 4 fields agree between all known widths; those between do not.
_DOMESTIC = {
    name: index if index < NOTICE_COMMON_WIDTH else index - len(NOTICE_COLUMNS)
    for index, name in enumerate(NOTICE_COLUMNS)
    if index < NOTICE_COMMON_WIDTH or index >= len(NOTICE_COLUMNS) - 4
}
_OVERSEAS = {
    name: index
    for index, name in enumerate(BY_TR_ID[OVERSEAS_NOTICE_CHANNELS[Environment.REAL]].columns)
}

# ODER_COND of an overseas notice is its market. OTCB ("9") has no name here.
_MARKETS = {
    "4": Market.HONGKONG,
    "5": Market.SHANGHAI,
    "6": Market.NASDAQ,
    "7": Market.NYSE,
    "8": Market.AMEX,
    "A": Market.SHANGHAI,
    "B": Market.SHENZHEN,
    "C": Market.HONGKONG,
    "D": Market.TOKYO,
    "E": Market.HANOI,
    "F": Market.HOCHIMINH,
}
# How many of the digits of CNTG_UNPR are decimals: 001480100 is 148.01 dollars.
_DECIMALS = {
    **dict.fromkeys((Market.NASDAQ, Market.NYSE, Market.AMEX), 4),
    Market.TOKYO: 1,
    **dict.fromkeys((Market.SHANGHAI, Market.SHENZHEN, Market.HONGKONG), 3),
    **dict.fromkeys((Market.HANOI, Market.HOCHIMINH), 0),
}
# 03 and 04 undo a position: the sale of what was bought, the purchase of what was sold.
_OVERSEAS_SIDES = {"01": Side.SELL, "02": Side.BUY, "03": Side.SELL, "04": Side.BUY}
_HALF_A_DAY, _DAY = timedelta(hours=12), timedelta(days=1)


class _Row:
    """One notice row, read by column name."""

    def __init__(self, parts: Sequence[str], index: Mapping[str, int]) -> None:
        self._parts = parts
        self._index = index

    def text(self, field: str) -> str:
        return self._parts[self._index[field]].strip()


def domestic_notice(
    parts: Sequence[str], account: AccountId, received_at: datetime
) -> BrokerNotice | None:
    """The meaning of one row of H0STCNI0 or H0STCNI9, of at least `NOTICE_LEAST_WIDTH` columns.

    `None` for a request that is taken but not yet done. An unknown code raises `BadData`: it must
    never be taken for a fill.
    """
    row = _Row(parts, _DOMESTIC)
    kind = _kind(row)
    if kind is None:
        return None
    stamp = row.text("STCK_CNTG_HOUR")
    day = received_at.astimezone(KST).date()
    return _notice(
        row,
        kind,
        account=account,
        instrument=instrument_of(row.text("STCK_SHRN_ISCD"), "STCK_SHRN_ISCD"),
        side=side_of(row.text("SELN_BYOV_CLS"), "SELN_BYOV_CLS"),
        price=decimal_or_none(row.text("CNTG_UNPR"), "CNTG_UNPR"),
        exchange_time=instant_of(day, stamp, "STCK_CNTG_HOUR") if stamp else received_at,
        received_at=received_at,
    )


def overseas_notice(
    parts: Sequence[str], account: AccountId, received_at: datetime
) -> BrokerNotice | None:
    """The meaning of one row of H0GSCNI0 or H0GSCNI9, of at least 25 columns.

    Like `domestic_notice`. Some exchanges' rows carry no time: they happened when received.
    """
    row = _Row(parts, _OVERSEAS)
    kind = _kind(row)
    if kind is None:
        return None
    market = _MARKETS.get(row.text("ODER_COND"))
    if market is None:
        raise BadData("not a market of ours", field="ODER_COND", raw=row.text("ODER_COND"))
    side = _OVERSEAS_SIDES.get(row.text("SELN_BYOV_CLS"))
    if side is None:
        raise BadData("neither a sell nor a buy", field="SELN_BYOV_CLS")
    code = row.text("STCK_SHRN_ISCD")
    try:
        instrument = instrument_id(market, code)
    except ValueError:
        raise BadData("not an instrument code", field="STCK_SHRN_ISCD", raw=code) from None
    return _notice(
        row,
        kind,
        account=account,
        instrument=instrument,
        side=side,
        price=_scaled(row.text("CNTG_UNPR"), _DECIMALS[market]),
        exchange_time=_near(row.text("STCK_CNTG_HOUR"), received_at),
        received_at=received_at,
    )


def _scaled(text: str, decimals: int) -> Decimal | None:
    """A price written without its point, whose last `decimals` digits are decimals."""
    price = decimal_or_none(text, "CNTG_UNPR")
    if price is None:
        return None
    if "." in text:
        # Then the digits are not what they are documented to be, and any reading is a guess.
        raise BadData("a price with a point", field="CNTG_UNPR", raw=text)
    return price.scaleb(-decimals)


def _near(stamp: str, received_at: datetime) -> datetime:
    """The instant of a KST time of day within half a day of the receipt.

    American sessions run through midnight in Seoul, so the day is not always that of the receipt.
    """
    if not stamp:
        return received_at
    at = instant_of(received_at.astimezone(KST).date(), stamp, "STCK_CNTG_HOUR")
    if at - received_at > _HALF_A_DAY:
        return at - _DAY
    return at + _DAY if received_at - at > _HALF_A_DAY else at


def _notice(
    row: _Row,
    kind: NoticeKind,
    *,
    account: AccountId,
    instrument: InstrumentId,
    side: Side,
    price: Decimal | None,
    exchange_time: datetime,
    received_at: datetime,
) -> BrokerNotice:
    own = _number(row, "ODER_NO")
    is_request = row.text("RCTF_CLS") in ("1", "2") and kind is not NoticeKind.FILLED
    quantity = shares_or_none(row.text("CNTG_QTY"), "CNTG_QTY")
    if quantity is None or (quantity == 0 and kind in _NEEDS_SHARES):
        raise BadData("no quantity", field="CNTG_QTY", raw=row.text("CNTG_QTY"))
    if price is not None and price <= 0:
        price = None
    if price is None and kind is NoticeKind.FILLED:
        raise BadData("traded without a price", field="CNTG_UNPR", raw=row.text("CNTG_UNPR"))
    return BrokerNotice(
        account=account,
        kind=kind,
        branch=row.text("BRNC_NO"),
        number=_number(row, "OODER_NO") if is_request else own,
        new_number=own if kind is NoticeKind.MODIFIED else None,
        instrument=instrument,
        side=side,
        quantity=quantity,
        price=None if kind is NoticeKind.CANCELLED else price,
        exchange_time=exchange_time,
        received_at=received_at,
    )


_NEEDS_SHARES = frozenset({NoticeKind.FILLED, NoticeKind.CANCELLED})
_REFUSALS = {
    "0": NoticeKind.REJECTED,
    "1": NoticeKind.MODIFY_REFUSED,
    "2": NoticeKind.CANCEL_REFUSED,
}
# (RCTF_CLS, ACPT_YN) of a notice that is neither a refusal nor a fill.
_STAGES: dict[tuple[str, str], NoticeKind | None] = {
    ("0", "1"): NoticeKind.ACCEPTED,
    ("1", "1"): None,
    ("2", "1"): None,
    ("1", "2"): NoticeKind.MODIFIED,
    ("2", "2"): NoticeKind.CANCELLED,
    ("0", "3"): NoticeKind.CANCELLED,
    ("1", "3"): NoticeKind.CANCELLED,
    ("2", "3"): NoticeKind.CANCELLED,
}


def _kind(row: _Row) -> NoticeKind | None:
    """What happened, in the documented order: refused, then traded, then request and stage."""
    refused, traded = row.text("RFUS_YN"), row.text("CNTG_YN")
    request, stage = row.text("RCTF_CLS"), row.text("ACPT_YN")
    codes = f"{refused}{traded}{stage}{request}"
    if refused == "1":
        if request not in _REFUSALS:
            raise BadData("an unknown refusal", field="RCTF_CLS", raw=codes)
        return _REFUSALS[request]
    if refused != "0" or traded not in ("1", "2"):
        raise BadData("an unknown notice", field="RFUS_YN", raw=codes)
    if traded == "2":
        return NoticeKind.FILLED
    if (request, stage) not in _STAGES:
        raise BadData("an unknown notice", field="ACPT_YN", raw=codes)
    return _STAGES[request, stage]


def _number(row: _Row, field: str) -> str:
    number = order_number(row.text(field))
    if number is None:
        raise BadData("no order number", field=field)
    return number
