"""The broker's scalars: padded, blank or signed texts to numbers, days, instants and codes.

Every reader returns a value, `None` for a blank, or raises `BadData` naming the field.
"""

import re
import reprlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal

from daemon.core.calendar import KST
from daemon.core.errors import BadData
from daemon.core.values import InstrumentId, Market, Side, instrument_id

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})")
_ORDER_NUMBER = re.compile(r"[0-9A-Za-z]{1,20}")
_SIX_DIGITS = re.compile(r"[0-9]{6}")
_EIGHT_DIGITS = re.compile(r"[0-9]{8}")
_SIDES = {"01": Side.SELL, "02": Side.BUY}

ORDER_NUMBER_WIDTH = 10


def text_of(row: Mapping[str, object], field: str) -> str:
    """The stripped text under `field`; a missing or null one reads as blank.

    Scalars are documented as strings; a bare JSON number is read as its text.
    """
    value = row.get(field)
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise BadData("not a scalar", field=field, raw=reprlib.repr(value))


def decimal_or_none(text: str, field: str) -> Decimal | None:
    """A number that may be padded or signed; blank is `None`, never zero."""
    text = text.strip()
    if not text:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise BadData("not a number", field=field, raw=text)
    return Decimal(text)


def decimal_at(row: Mapping[str, object], field: str) -> Decimal:
    """A required number of a row."""
    value = decimal_or_none(text_of(row, field), field)
    if value is None:
        raise BadData("required and blank", field=field)
    return value


def price_at(row: Mapping[str, object], field: str) -> Decimal:
    """A required price in KRW: above zero."""
    value = decimal_at(row, field)
    if value <= 0:
        raise BadData("a price must be above zero", field=field, raw=str(value))
    return value


def shares_or_none(text: str, field: str) -> int | None:
    """A count of shares, not negative; `"10.0000"` reads as 10, blank as `None`."""
    value = decimal_or_none(text, field)
    if value is None:
        return None
    if value < 0 or value != value.to_integral_value():
        raise BadData("not a count of shares", field=field, raw=text)
    return int(value)


def shares_at(row: Mapping[str, object], field: str) -> int:
    """A required count of shares of a row."""
    value = shares_or_none(text_of(row, field), field)
    if value is None:
        raise BadData("required and blank", field=field)
    return value


def order_number(text: str) -> str | None:
    """An order number without its leading zeros; blank or all zeros is `None`.

    The broker pads to ten places in most answers but not in all, so numbers are only ever
    compared, and kept, in this form.
    """
    text = text.strip()
    if not text:
        return None
    if _ORDER_NUMBER.fullmatch(text) is None:
        raise BadData("not an order number", field="ODNO", raw=text)
    return text.lstrip("0") or None


def padded_number(number: str) -> str:
    """The form an order number is sent in."""
    return number.rjust(ORDER_NUMBER_WIDTH, "0")


def day_of(text: str, field: str) -> date:
    """A KST calendar date written YYYYMMDD."""
    text = text.strip()
    if _EIGHT_DIGITS.fullmatch(text) is None:
        raise BadData("not a day", field=field, raw=text)
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise BadData("not a day", field=field, raw=text) from None


def instant_of(day: date, text: str, field: str) -> datetime:
    """The UTC instant of a KST time of day written HHMMSS."""
    if _SIX_DIGITS.fullmatch(text) is None:
        raise BadData("not a time of day", field=field, raw=text)
    try:
        at = time(int(text[:2]), int(text[2:4]), int(text[4:]))
        return datetime.combine(day, at, KST).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadData("not a time of day", field=field, raw=text) from None


def instrument_of(code: str, field: str) -> InstrumentId:
    """The KRX instrument of a local code."""
    try:
        return instrument_id(Market.KRX, code.strip())
    except ValueError:
        raise BadData("not an instrument code", field=field, raw=code) from None


def side_of(code: str, field: str) -> Side:
    """01 is a sell and 02 a buy, everywhere."""
    side = _SIDES.get(code.strip())
    if side is None:
        raise BadData("neither 01 nor 02", field=field, raw=code)
    return side
