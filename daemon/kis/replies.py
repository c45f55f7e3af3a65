"""HTTP answers in: what a reply means for the caller, and its fields as our values.

The body is judged first, whatever the HTTP status: the broker sends plain refusals with 500 and
rate refusals with 200, 429 or 500. Any bytes give a value or one error of `core.errors`.
"""

import re
import reprlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import orjson

from daemon.core.calendar import KST
from daemon.core.errors import (
    BadData,
    NeedsOperator,
    OutcomeUnknown,
    Refused,
    TryLater,
)
from daemon.core.events import AccountReported, Holding
from daemon.core.values import (
    AccountId,
    Bar,
    BrokerRef,
    Currency,
    InstrumentId,
    Level,
    OrderBook,
    code_of,
)
from daemon.kis.fields import (
    day_of,
    decimal_at,
    decimal_or_none,
    instant_of,
    instrument_of,
    order_number,
    price_at,
    shares_at,
    shares_or_none,
    text_of,
)
from daemon.kis.link import HttpResponse
from daemon.kis.spec import (
    BAD_REQUEST_CODES,
    CODE_MEANINGS,
    EMPTY_RESULT_CODES,
    GATEWAY_PREFIX,
    MORE_PAGES,
    REFUSAL_PREFIXES,
    TOKEN_TOO_SOON,
    CodeMeaning,
)

Row = Mapping[str, object]

_VIRTUAL_CODE = re.compile(r"[0-9]{8}")

_BALANCE_SUMS = {"pchs_amt_smtl_amt": "pchs_amt", "evlu_amt_smtl_amt": "evlu_amt"}
"""Totals of the balance inquiry, and the field of its rows that makes up each."""

SUM_TOLERANCE = Decimal("0.01")
"""How the broker rounds its totals was never measured, and prices move between two pages."""

RATE_DELAY = 1.0
TOKEN_DELAY = 0.5
TEMPORARY_DELAY = 0.5


class RateRefused(TryLater):
    """Too many requests in a second: nobody should send for `delay` seconds."""


class TokenRefused(TryLater):
    """The access token is unknown or expired; the request had no effect."""


class Reply(NamedTuple):
    """A successful answer: its body, and the tr_cont header that tells whether more follows."""

    body: Row
    continuation: str

    @property
    def has_more(self) -> bool:
        """Whether the broker holds further pages."""
        return self.continuation in MORE_PAGES

    @property
    def says_empty(self) -> bool:
        """Whether the broker says that it found nothing (more)."""
        return self.body.get("msg_cd") in EMPTY_RESULT_CODES


def parse_body(response: HttpResponse) -> Row | None:
    """The JSON object of a reply, or `None` when there is none (HTML, nothing, garbage)."""
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None


def _verdict(body: Row) -> tuple[str, str, str]:
    """rt_cd, code and message; oauth errors have names of their own and no rt_cd."""
    try:
        code = text_of(body, "msg_cd") or text_of(body, "error_code")
        message = text_of(body, "msg1") or text_of(body, "error_description")
        return text_of(body, "rt_cd"), code, message[: BadData.RAW_LIMIT]
    except BadData:
        return "", "", ""


def read_reply(response: HttpResponse) -> Reply:
    """The answer to an inquiry.

    Raises `TryLater` for what passes (and for anything unreadable), `NeedsOperator` for what a
    person must mend, `Refused` for any other refusal.
    """
    body = parse_body(response)
    if body is None:
        raise TryLater(
            "NO_BODY", f"HTTP {response.status} without a readable body", delay=TEMPORARY_DELAY
        )
    outcome, code, message = _verdict(body)
    if outcome == "0" or code in EMPTY_RESULT_CODES:
        return Reply(body, response.headers.get("tr_cont", "").strip())
    _raise_passing(code, message)
    meaning = CODE_MEANINGS.get(code)
    if meaning in (CodeMeaning.UNKNOWN_OUTCOME, CodeMeaning.TEMPORARY) or not (outcome and code):
        raise TryLater(
            code or "NO_CODE", message or f"HTTP {response.status}", delay=TEMPORARY_DELAY
        )
    if meaning is CodeMeaning.OPERATOR:
        raise NeedsOperator(f"the broker refuses with {code}: {message}")
    raise Refused(code, message)


def order_reply(response: HttpResponse) -> Reply:
    """The answer to an order, a modify or a cancel.

    Raises `TryLater` (rate, token) and `Refused` only where the broker certainly did nothing,
    `OutcomeUnknown` for everything that is not a definite answer.
    """
    body = parse_body(response)
    if body is None:
        raise OutcomeUnknown(f"HTTP {response.status} without a readable body")
    outcome, code, message = _verdict(body)
    if outcome == "0":
        return Reply(body, "")
    if _names_an_order(body):
        raise OutcomeUnknown(f"{code}: {message}, but with an order number")
    _raise_passing(code, message)
    meaning = CODE_MEANINGS.get(code)
    if meaning in (CodeMeaning.UNKNOWN_OUTCOME, CodeMeaning.TEMPORARY):
        # A gateway or ledger fault after the order was handed in proves nothing about it.
        raise OutcomeUnknown(f"{code}: {message}")
    if not code or not outcome:
        raise OutcomeUnknown(f"HTTP {response.status} with a body that gives no verdict")
    if meaning is None and not _proves_refusal(code, response.status):
        raise OutcomeUnknown(f"HTTP {response.status} with {code}: {message}")
    raise Refused(code, message)


def _names_an_order(body: Row) -> bool:
    """Whether an answer carries an order's number, which a refusal has no use for."""
    output = body.get("output")
    if not isinstance(output, dict):
        return False
    try:
        return order_number(either_case(output, "ODNO")) is not None
    except BadData:
        return True


def _proves_refusal(code: str, status: int) -> bool:
    """Whether a code without a meaning of its own shows that an order had no effect."""
    if code.startswith(REFUSAL_PREFIXES) or _VIRTUAL_CODE.fullmatch(code):
        return True
    if status >= 500:
        return False
    return code in BAD_REQUEST_CODES or not code.startswith(GATEWAY_PREFIX)


def _raise_passing(code: str, message: str) -> None:
    meaning = CODE_MEANINGS.get(code)
    if meaning is CodeMeaning.RATE:
        raise RateRefused(code, message, delay=RATE_DELAY)
    if meaning is CodeMeaning.TOKEN:
        raise TokenRefused(code, message, delay=TOKEN_DELAY)


def needs_operator(error: Refused) -> bool:
    """Whether a refused order points to a key, account or permission a person must mend."""
    return CODE_MEANINGS.get(error.code) is CodeMeaning.OPERATOR


def either_case(output: Row, field: str) -> str:
    """The text under a field of an order's reply, which comes in capitals or in small letters."""
    return text_of(output, field) or text_of(output, field.lower())


def order_ref(reply: Reply, day: date) -> BrokerRef:
    """Number and branch of an accepted order; unreadable ones are `OutcomeUnknown`."""
    try:
        output = object_at(reply.body, "output")
        number = order_number(either_case(output, "ODNO"))
        branch = either_case(output, "KRX_FWDG_ORD_ORGNO")
    except BadData as error:
        raise OutcomeUnknown(f"accepted, but {error}") from error
    if number is None:
        raise OutcomeUnknown("accepted without an order number")
    return BrokerRef(day=day, branch=branch, number=number)


class IssuedToken(NamedTuple):
    """A fresh access token and the UTC instant it stops working."""

    value: str
    expires_at: datetime


def issued_token(response: HttpResponse, now: datetime) -> IssuedToken:
    """The token of a reply; the earlier of its two expiry fields counts.

    Raises `TryLater` (with the code `TOKEN_TOO_SOON` when one was issued within the last minute)
    or `NeedsOperator`.
    """
    body = _key_body(response)
    value = _key(body, "access_token")
    expiries = []
    seconds = decimal_or_none(text_of(body, "expires_in"), "expires_in")
    if seconds is not None and 0 < seconds < 10**8:
        expiries.append(now + timedelta(seconds=int(seconds)))
    stamp = text_of(body, "access_token_token_expired")
    if stamp:
        try:
            local = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=KST)
            expiries.append(local.astimezone(UTC))
        except (ValueError, OverflowError):
            raise BadData("not an instant", field="access_token_token_expired", raw=stamp) from None
    if not expiries:
        raise BadData("no expiry", field="expires_in")
    return IssuedToken(value, min(expiries))


def issued_approval(response: HttpResponse) -> str:
    """The stream key of a reply; raises `TryLater` or `NeedsOperator`."""
    return _key(_key_body(response), "approval_key")


def hash_of(response: HttpResponse) -> str:
    """The hash of an order's body; raises `TryLater` or `NeedsOperator`."""
    return _key(_key_body(response), "HASH")


def _key(body: Row, field: str) -> str:
    value = text_of(body, field)
    if not value or not value.isascii() or not value.isprintable() or len(value) > 4096:
        raise BadData("no usable key", field=field)
    return value


def _key_body(response: HttpResponse) -> Row:
    body = parse_body(response)
    if body is None:
        raise TryLater(
            "NO_BODY", f"HTTP {response.status} without a readable body", delay=TEMPORARY_DELAY
        )
    _, code, message = _verdict(body)
    if not body.keys().isdisjoint(("access_token", "approval_key", "HASH")):
        return body
    if code == TOKEN_TOO_SOON:
        raise TryLater(code, message, delay=60.0)
    _raise_passing(code, message)
    if CODE_MEANINGS.get(code) is CodeMeaning.OPERATOR:
        raise NeedsOperator(f"the broker refuses the key with {code}: {message}")
    raise TryLater(code or "NO_CODE", message or f"HTTP {response.status}", delay=TEMPORARY_DELAY)


class Cursors(NamedTuple):
    """Where the next page starts: returned to the broker byte for byte."""

    search: str
    position: str


def cursors(reply: Reply) -> Cursors:
    """The paging cursors of a reply, unstripped; the foreign side's are twice as wide."""

    def raw(name: str) -> str:
        value = reply.body.get(name, reply.body.get(name.upper(), ""))
        if not isinstance(value, str):
            raise BadData("not a cursor", field=name, raw=reprlib.repr(value))
        return value

    width = "200" if any(key.lower() == "ctx_area_nk200" for key in reply.body) else "100"
    return Cursors(raw(f"ctx_area_fk{width}"), raw(f"ctx_area_nk{width}"))


def rows(reply: Reply, name: str) -> Sequence[Row]:
    """The rows of a list output.

    A missing one is `BadData`, and an empty list only when the broker says it found nothing: it
    may then also be an object of blanks.
    """
    value = reply.body.get(name)
    if reply.says_empty and (value is None or _is_blank(value)):
        return ()
    if not isinstance(value, list):
        raise BadData("not a list", field=name, raw=reprlib.repr(value))
    for row in value:
        if not isinstance(row, dict):
            raise BadData("not a row", field=name, raw=reprlib.repr(row))
    return value


def _is_blank(value: object) -> bool:
    """Whether it is an object of nothing but blanks. Objects in it are not gone through: they
    may be nested deeper than anything can follow."""
    if not isinstance(value, dict):
        return False
    return not any(each.strip() if isinstance(each, str) else each for each in value.values())


def object_at(body: Row, name: str) -> Row:
    """An object output; some calls wrap a single object into a list of one."""
    value = body.get(name)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise BadData("not an object", field=name, raw=reprlib.repr(value))
    return value


def account_report(pages: Sequence[Reply], *, account: AccountId, at: datetime) -> AccountReported:
    """Cash and holdings out of every page of the balance inquiry.

    Cash is prvs_rcdl_excc_amt (settled on the second day) of the last page: dnca_tot_amt does
    not know of trades that have yet to settle. Rows with nothing held stay after a sell-out.
    Rows that do not add up to the totals of the same answer are `BadData`: a share without a
    row is flat only if no row is missing.
    """
    held: dict[InstrumentId, tuple[int, Decimal]] = {}
    listed = [row for page in pages for row in rows(page, "output1")]
    for row in listed:
        quantity = shares_at(row, "hldg_qty")
        if quantity == 0:
            continue
        instrument = instrument_of(text_of(row, "pdno"), "pdno")
        before, cost = held.get(instrument, (0, Decimal(0)))
        held[instrument] = (before + quantity, cost + decimal_at(row, "pchs_amt"))
    if not pages:
        raise BadData("no page", field="output2")
    totals = object_at(pages[-1].body, "output2")
    for total, part in _BALANCE_SUMS.items():
        _check_sum(totals, total, listed, part)
    return AccountReported(
        account=account,
        cash={Currency.KRW: decimal_at(totals, "prvs_rcdl_excc_amt")},
        holdings=tuple(
            Holding(instrument=instrument, quantity=quantity, cost=cost)
            for instrument, (quantity, cost) in held.items()
        ),
        at=at,
    )


def _check_sum(totals: Row, total: str, listed: Sequence[Row], part: str) -> None:
    """Raise `BadData` if the rows of a balance clearly lack some of what its totals show."""
    whole = decimal_or_none(text_of(totals, total), total)
    parts = [decimal_or_none(text_of(row, part), part) for row in listed]
    told = [amount for amount in parts if amount is not None]
    if whole is None or len(told) < len(parts):
        return
    if whole - sum(told) > whole * SUM_TOLERANCE:
        raise BadData(f"rows add up to {sum(told)} of {whole} KRW", field=total)


def orderable_cash(reply: Reply) -> Decimal:
    """nrcvb_buy_amt in KRW: what can be bought without running into a receivable."""
    return decimal_at(object_at(reply.body, "output"), "nrcvb_buy_amt")


class PriceReport(NamedTuple):
    """Last, base and limit prices and the price step at the last price, in KRW; shares today."""

    last: Decimal
    base: Decimal
    upper_limit: Decimal
    lower_limit: Decimal
    step: Decimal
    day_volume: int | None


def _about(output: Row, instrument: InstrumentId) -> None:
    """Refuse an answer about another instrument, where it says which: answers get mixed up."""
    code = text_of(output, "stck_shrn_iscd")
    if code and code != code_of(instrument):
        raise BadData(f"an answer about another instrument than {instrument}", raw=code)


def price_report(reply: Reply, instrument: InstrumentId) -> PriceReport:
    """The price inquiry."""
    output = object_at(reply.body, "output")
    _about(output, instrument)
    return PriceReport(
        last=price_at(output, "stck_prpr"),
        base=price_at(output, "stck_sdpr"),
        upper_limit=price_at(output, "stck_mxpr"),
        lower_limit=price_at(output, "stck_llam"),
        step=price_at(output, "aspr_unit"),
        day_volume=shares_or_none(text_of(output, "acml_vol"), "acml_vol"),
    )


def order_book(reply: Reply, instrument: InstrumentId, received_at: datetime) -> OrderBook:
    """Ten levels a side; empty ones are left out. The stamp is the KST day of receipt."""
    output = object_at(reply.body, "output1")
    more = reply.body.get("output2")
    if isinstance(more, dict):
        _about(more, instrument)
    day = received_at.astimezone(KST).date()
    stamp = text_of(output, "aspr_acpt_hour")
    return OrderBook(
        instrument=instrument,
        bids=_levels(output, "bidp"),
        asks=_levels(output, "askp"),
        exchange_time=instant_of(day, stamp, "aspr_acpt_hour") if stamp else received_at,
        received_at=received_at,
    )


def _levels(output: Row, side: str) -> tuple[Level, ...]:
    levels = []
    for number in range(1, 11):
        price = decimal_or_none(text_of(output, f"{side}{number}"), f"{side}{number}")
        field = f"{side}_rsqn{number}"
        quantity = shares_or_none(text_of(output, field), field)
        if price is not None and price > 0 and quantity:
            levels.append(Level(price, quantity))
    return tuple(levels)


def daily_bars(reply: Reply, instrument: InstrumentId) -> list[Bar]:
    """Daily bars, oldest first. The broker pads short answers with empty rows."""
    head = reply.body.get("output1")
    if isinstance(head, dict):
        _about(head, instrument)
    bars = []
    for row in rows(reply, "output2"):
        day = text_of(row, "stck_bsop_date")
        if not day:
            continue
        start = datetime.combine(day_of(day, "stck_bsop_date"), datetime.min.time(), KST)
        bars.append(_bar(row, instrument, _to_utc(start), close="stck_clpr", volume="acml_vol"))
    return sorted(bars, key=lambda bar: bar.start)


def minute_bars(reply: Reply, instrument: InstrumentId) -> list[Bar]:
    """One-minute bars, oldest first."""
    bars = []
    for row in rows(reply, "output2"):
        day = text_of(row, "stck_bsop_date")
        if not day:
            continue
        start = instant_of(
            day_of(day, "stck_bsop_date"), text_of(row, "stck_cntg_hour"), "stck_cntg_hour"
        )
        bars.append(_bar(row, instrument, start, close="stck_prpr", volume="cntg_vol"))
    return sorted(bars, key=lambda bar: bar.start)


def _to_utc(local: datetime) -> datetime:
    try:
        return local.astimezone(UTC)
    except OverflowError:
        raise BadData("not a day", field="stck_bsop_date", raw=str(local)) from None


def _bar(row: Row, instrument: InstrumentId, start: datetime, *, close: str, volume: str) -> Bar:
    return Bar(
        instrument=instrument,
        start=start,
        open=price_at(row, "stck_oprc"),
        high=price_at(row, "stck_hgpr"),
        low=price_at(row, "stck_lwpr"),
        close=price_at(row, close),
        volume=shares_at(row, volume),
    )
