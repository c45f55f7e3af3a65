"""Market status rows: what the broker's codes say of an instrument's market.

Sources: the portal's code tables; frames seen live in June and September 2026, whose codes the
tables lack. A code nobody has explained is `UNKNOWN`, and told.
"""

from collections.abc import Sequence
from datetime import datetime

from daemon.core.errors import BadData
from daemon.core.values import MarketPhase, MarketStatus, Venue
from daemon.kis.channels import Channel
from daemon.kis.fields import instrument_of

_OPENING, _CLOSING = MarketPhase.OPENING_AUCTION, MarketPhase.CLOSING_AUCTION
_OPEN, _CLOSED = MarketPhase.OPEN, MarketPhase.CLOSED
_AFTER, _HALTED = MarketPhase.AFTER_HOURS, MarketPhase.HALTED

PHASES: dict[str, MarketPhase] = {
    "110": _OPENING,
    "112": _OPEN,
    "121": _CLOSING,
    "129": _CLOSED,
    "130": _AFTER,  # before the open, at yesterday's price
    "139": _OPENING,  # of the two that run then, the auction goes on
    "140": _AFTER,
    "146": _AFTER,
    "149": _CLOSED,
    "150": _AFTER,
    "156": _AFTER,
    "159": _CLOSED,
    "164": _HALTED,
    "174": _HALTED,
    "175": _OPEN,
    "182": _OPEN,
    "184": _HALTED,
    "185": _OPEN,
    # A sidecar stops programme orders only.
    **dict.fromkeys(("387", "388", "397", "398"), _OPEN),
    # Seen when a circuit breaker fell and was lifted on 2026-06-26, in place of 174 and 175.
    "AF8": _HALTED,
    "AF1": _OPEN,
}
"""MKOP_CLS_CODE without the countdowns. Nobody has explained AB1, which is frequent, or BF9."""

# Ten seconds to half an hour before the open, and up to five minutes before the close.
_BEFORE_OPEN = frozenset({"F01", "F06", "F07", "F08", "F09", "P01", "P06", "P07", "P08", "P09"})
_BEFORE_CLOSE = frozenset({"F11", "F16", "F17", "F18", "P11", "P16", "P17", "P18"})

_HALT_REASONS = {
    "164": "시장임시정지",
    "174": "서킷브레이크 발동",
    "184": "서킷브레이크 개시",
    "AF8": "서킷브레이크 발동",
}
_ABSENT = frozenset({"", "(null)"})

_CODE, _HALT, _REASON, _PHASE_CODE, _VI, _AFTER_HOURS_VI = 0, 1, 2, 3, 8, 9


def phase_of(code: str, venue: Venue) -> MarketPhase:
    """The phase a status code announces.

    Countdowns tell it on KRX only, where auctions lead up to both; elsewhere nothing is said of
    what goes on while they run.
    """
    if venue is Venue.KRX:
        if code in _BEFORE_OPEN:
            return _OPENING
        if code in _BEFORE_CLOSE:
            return _CLOSING
    return PHASES.get(code, MarketPhase.UNKNOWN)


def market_status(row: Sequence[str], channel: Channel, received_at: datetime) -> MarketStatus:
    """The meaning of one row, 10 or 11 columns with the symbol first; raises `BadData`.

    The portal shows one layout without the symbol: nobody can tell what such a row is about.
    """
    symbol = row[_CODE].strip()
    if symbol in ("Y", "N"):
        raise BadData("no symbol", field="MKSC_SHRN_ISCD", raw=symbol)
    instrument = instrument_of(symbol, "MKSC_SHRN_ISCD")
    stopped = _text(row[_HALT])
    if stopped not in ("Y", "N", ""):
        raise BadData("neither Y nor N", field="TRHT_YN", raw=stopped)
    code = _text(row[_PHASE_CODE])
    phase = phase_of(code, channel.venue)
    reason = _text(row[_REASON]) or _HALT_REASONS.get(code, "")
    if not reason and _text(row[_VI]) == "Y":
        # Two minutes of auction after a sudden move: orders are taken, so it is no halt.
        reason = "VI 적용"
    elif not reason and _text(row[_AFTER_HOURS_VI]) == "Y":
        reason = "시간외단일가 VI 적용"
    return MarketStatus(
        instrument=instrument,
        phase=phase,
        code=code,
        halted=stopped == "Y" or phase is MarketPhase.HALTED,
        reason=reason,
        received_at=received_at,
        venue=channel.venue,
    )


def _text(value: str) -> str:
    """A field's text; the channel writes `(null)` for none."""
    text = value.strip()
    return "" if text in _ABSENT else text
