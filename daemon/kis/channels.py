"""The stream's channels: the catalogue as data, and which channel tells what is asked for.

`channels.json` holds one channel a line: catalogue id, TR ids, Korean title, what its key names,
and its columns in wire order with their Korean labels. Its source is the vendor's sample
repository (July 2026), corrected by captured frames: the samples' lists lack the leading RSYM of
the overseas channels and carry columns that never arrive. Column names are upper case throughout,
as on the portal. `later` are columns added at the end of a row since, `least` the width of a
shorter layout that is still sent.

Names for `Interest.channel`, besides any catalogue id or TR id:

==================  =====================================================================
KRX stocks          `trades book expected status program members nav after_hours_trades
                    after_hours_book after_hours_expected`; the first six also with
                    `@nxt` or `@combined`: told by the other venue, or by both as one
indices             `trades expected program`
American stocks     `trades book`; `@day` for the day market
Asian stocks        `trades book`, 15 minutes late; `@realtime` for those who pay for it
==================  =====================================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

from daemon.core.values import (
    InstrumentId,
    Interest,
    Market,
    Venue,
    code_of,
    instrument_id,
    market_of,
    parse_instrument,
)
from daemon.kis.spec import (
    BOOK_CHANNEL,
    NOTICE_CHANNELS,
    OVERSEAS_NOTICE_CHANNELS,
    TRADES_CHANNEL,
    Environment,
)

LONGEST_CODE = 20
"""Letters: no key of a registration is longer, a bond's has twelve."""

ALIASES = {"H0GSCNT0": "HDFSCNT0", "H0GSASP0": "HDFSASP0"}
"""Names of the guide for channels that are registered under others."""


class NoSuchChannel(ValueError):
    """No channel tells that, here or of that instrument; the message says what there is."""


class Subject(StrEnum):
    """What a channel's registration key names."""

    STOCK = "stock"
    INDEX = "index"
    OVERSEAS = "overseas"
    DERIVATIVE = "derivative"
    BOND = "bond"
    CUSTOMER = "customer"
    """The HTS id: notices of all accounts of a person."""


class Kind(Enum):
    """What the rows of a channel are read as."""

    TRADES = "trades"
    BOOK = "book"
    EXPECTED = "expected"
    STATUS = "status"
    OVERSEAS_TRADES = "overseas_trades"
    OVERSEAS_BOOK = "overseas_book"
    NOTICES = "notices"
    OVERSEAS_NOTICES = "overseas_notices"
    RECORD = "record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel of the catalogue.

    `columns` are all known ones in wire order and `labels` their Korean names. A row has at least
    `least` of them; more than `known` is drift. `virtual` is the TR id in the virtual world,
    `None` where it is not offered. `venue` says whose prices a channel of Korean stocks tells.
    """

    id: str
    tr_id: str
    virtual: str | None
    title: str
    subject: Subject
    encrypted: bool
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    least: int
    known: int
    kind: Kind
    venue: Venue

    def tr_id_in(self, environment: Environment) -> str | None:
        """The TR id to register in a world, `None` where the channel is not offered."""
        return self.tr_id if environment is Environment.REAL else self.virtual


_VENUES = {Venue.KRX: "H0ST", Venue.NXT: "H0NX", Venue.COMBINED: "H0UN"}
_VENUE_NEWS = {
    "trades": "CNT0",
    "book": "ASP0",
    "expected": "ANC0",
    "status": "MKO0",
    "program": "PGM0",
    "members": "MBC0",
}
_KRX_NEWS = {
    "nav": "H0STNAV0",
    "after_hours_trades": "H0STOUP0",
    "after_hours_book": "H0STOAA0",
    "after_hours_expected": "H0STOAC0",
}
_INDEX_NEWS = {"trades": "H0UPCNT0", "expected": "H0UPANC0", "program": "H0UPPGM0"}
_OVERSEAS_TRADES, _OVERSEAS_BOOK, _LATE_BOOK = "HDFSCNT0", "HDFSASP0", "HDFSASP1"

_AMERICAN_PLACES = {
    Market.NASDAQ: ("NAS", "BAQ"),
    Market.NYSE: ("NYS", "BAY"),
    Market.AMEX: ("AMS", "BAA"),
}
_ASIAN_PLACES = {
    Market.TOKYO: "TSE",
    Market.HONGKONG: "HKS",
    Market.SHANGHAI: "SHS",
    Market.SHENZHEN: "SZS",
    Market.HANOI: "HNX",
    Market.HOCHIMINH: "HSX",
}
_NO_REALTIME_BOOK = frozenset({Market.HANOI, Market.HOCHIMINH})
_SUBJECT_MARKETS = {
    Subject.STOCK: Market.KRX,
    Subject.INDEX: Market.INDEX,
    Subject.DERIVATIVE: Market.DERIVATIVE,
    Subject.BOND: Market.BOND,
}

_KINDS = {
    _OVERSEAS_TRADES: Kind.OVERSEAS_TRADES,
    _OVERSEAS_BOOK: Kind.OVERSEAS_BOOK,
    _LATE_BOOK: Kind.OVERSEAS_BOOK,
    NOTICE_CHANNELS[Environment.REAL]: Kind.NOTICES,
    OVERSEAS_NOTICE_CHANNELS[Environment.REAL]: Kind.OVERSEAS_NOTICES,
}
_TYPED = (Kind.TRADES, Kind.BOOK, Kind.EXPECTED, Kind.STATUS)
_KINDS |= {prefix + _VENUE_NEWS[kind.value]: kind for kind in _TYPED for prefix in _VENUES.values()}


def _channel(row: Mapping[str, Any]) -> Channel:
    columns = {**row["columns"], **row.get("later", {})}
    tr_id = row["tr_id"]
    venues = {prefix: venue for venue, prefix in _VENUES.items()}
    return Channel(
        id=row["id"],
        tr_id=tr_id,
        virtual=row.get("virtual"),
        title=row["title"],
        subject=Subject(row["subject"]),
        encrypted=row.get("encrypted", False),
        columns=tuple(columns),
        labels=tuple(columns.values()),
        least=row.get("least", len(row["columns"])),
        known=len(columns),
        kind=_KINDS.get(tr_id, Kind.RECORD),
        venue=venues.get(tr_id[:4], Venue.KRX),
    )


CHANNELS: tuple[Channel, ...] = tuple(
    _channel(row)
    for row in orjson.loads(files("daemon.kis").joinpath("channels.json").read_bytes())
)
"""The whole catalogue."""

BY_TR_ID: Mapping[str, Channel] = {
    **{channel.tr_id: channel for channel in CHANNELS},
    **{channel.virtual: channel for channel in CHANNELS if channel.virtual is not None},
    **{
        alias: channel
        for alias, tr in ALIASES.items()
        for channel in CHANNELS
        if channel.tr_id == tr
    },
}
"""Every channel by its TR ids, in both worlds, and by the guide's other names."""

_BY_NAME = {**{channel.id: channel for channel in CHANNELS}, **BY_TR_ID}

TRADES = BY_TR_ID[TRADES_CHANNEL]
BOOK = BY_TR_ID[BOOK_CHANNEL]


def channel_of(name: str) -> Channel:
    """The channel of a catalogue id, a TR id or an alias; raises `NoSuchChannel`."""
    channel = _BY_NAME.get(name)
    if channel is None:
        raise NoSuchChannel(
            f"{name!r} is no channel: neither a TR id such as {TRADES.tr_id} "
            f"nor a name of the catalogue such as {TRADES.id}"
        )
    return channel


class _Route(NamedTuple):
    """A channel, and what its key has in front of the instrument's code."""

    tr_id: str
    prefix: str = ""


def _routes() -> dict[Market, dict[str, _Route]]:
    korean = {
        name if venue is Venue.KRX else f"{name}@{venue.value}": _Route(prefix + news)
        for venue, prefix in _VENUES.items()
        for name, news in _VENUE_NEWS.items()
    }
    korean |= {name: _Route(tr_id) for name, tr_id in _KRX_NEWS.items()}
    routes = {
        Market.KRX: korean,
        Market.INDEX: {name: _Route(tr_id) for name, tr_id in _INDEX_NEWS.items()},
    }
    for market, (place, by_day) in _AMERICAN_PLACES.items():
        routes[market] = {
            "trades": _Route(_OVERSEAS_TRADES, f"D{place}"),
            "book": _Route(_OVERSEAS_BOOK, f"D{place}"),
            "trades@day": _Route(_OVERSEAS_TRADES, f"R{by_day}"),
            "book@day": _Route(_OVERSEAS_BOOK, f"R{by_day}"),
        }
    for market, place in _ASIAN_PLACES.items():
        routes[market] = {
            "trades": _Route(_OVERSEAS_TRADES, f"D{place}"),
            "book": _Route(_LATE_BOOK, f"D{place}"),
            "trades@realtime": _Route(_OVERSEAS_TRADES, f"R{place}"),
        }
        if market not in _NO_REALTIME_BOOK:
            routes[market]["book@realtime"] = _Route(_OVERSEAS_BOOK, f"R{place}")
    return routes


_ROUTES = _routes()
_NAMES = {
    (market, route): name for market, names in _ROUTES.items() for name, route in names.items()
}
_PLACES = {
    **{place: market for market, places in _AMERICAN_PLACES.items() for place in places},
    **{place: market for market, place in _ASIAN_PLACES.items()},
}


def overseas_instrument(key: str) -> InstrumentId:
    """The instrument of an overseas key, `"DNASAAPL"` or `"RBAQAAPL"`; raises `ValueError`."""
    market = _PLACES.get(key[1:4])
    if key[:1] not in ("D", "R") or market is None:
        raise ValueError(f"{key[:40]!r} does not begin with D or R and a known market")
    return instrument_id(market, key[4:])


def instrument_on(channel: Channel, key: str) -> InstrumentId:
    """The instrument a key of the channel names; raises `ValueError`."""
    if channel.subject is Subject.OVERSEAS:
        return overseas_instrument(key)
    # Personal channels are registered with the HTS id; their rows name contracts.
    return instrument_id(_SUBJECT_MARKETS.get(channel.subject, Market.DERIVATIVE), key)


def registration_of(interest: Interest, environment: Environment) -> tuple[str, str]:
    """The TR id and the key to register for an interest.

    Raises `NoSuchChannel` when the name is unknown, the channel does not tell of such an
    instrument, or the environment does not offer it.
    """
    name, text = str(interest.channel), str(interest.instrument)
    try:
        instrument = parse_instrument(text)
    except ValueError as error:
        raise NoSuchChannel(str(error)) from None
    if len(code_of(instrument)) > LONGEST_CODE:
        raise NoSuchChannel(f"a code has at most {LONGEST_CODE} letters, not {len(text)}")
    route = _route(name, instrument)
    channel = BY_TR_ID[route.tr_id]
    tr_id = channel.tr_id_in(environment)
    if tr_id is None:
        market = market_of(instrument)
        offered = _listed(market, environment)
        raise NoSuchChannel(
            f"{name!r} ({channel.tr_id}) is not offered in {environment.value}; "
            f"for {market.value} there is: {offered or 'nothing'}"
        )
    return tr_id, route.prefix + code_of(instrument)


def _route(name: str, instrument: InstrumentId) -> _Route:
    market = market_of(instrument)
    names = _ROUTES.get(market, {})
    known = names.get(name.removesuffix("@krx") if market is Market.KRX else name)
    if known is not None:
        return known
    channel = _BY_NAME.get(name)
    if channel is None:
        allowed = _listed(market, Environment.REAL)
        raise NoSuchChannel(
            f"no {name!r} for {market.value} instruments; there is: "
            f"{f'{allowed}, and ' if allowed else ''}any TR id such as {TRADES.tr_id} "
            f"or name of the catalogue such as {TRADES.id}"
        )
    if channel.subject is Subject.CUSTOMER:
        raise NoSuchChannel(f"{name!r} tells of a person's orders, not of an instrument")
    if _SUBJECT_MARKETS.get(channel.subject) is market:
        return _Route(channel.tr_id)
    for route in names.values():
        if route.tr_id == channel.tr_id:
            return route
    raise NoSuchChannel(
        f"{name!r} ({channel.title}) tells of {channel.subject.value} instruments, "
        f"not of {instrument}"
    )


def _listed(market: Market, environment: Environment) -> str:
    return ", ".join(
        name
        for name, route in _ROUTES.get(market, {}).items()
        if BY_TR_ID[route.tr_id].tr_id_in(environment) is not None
    )


def interest_of(tr_id: str, tr_key: str) -> Interest:
    """The interest a registration serves, under the neutral name where there is one.

    Raises `NoSuchChannel` for an unknown TR id, a personal channel or a key that names nothing.
    """
    channel = BY_TR_ID.get(tr_id)
    if channel is None:
        raise NoSuchChannel(f"{tr_id!r} is no TR id of a channel")
    if channel.subject is Subject.CUSTOMER:
        raise NoSuchChannel(f"{tr_id} tells of a person's orders, not of an instrument")
    try:
        instrument = instrument_on(channel, tr_key)
    except ValueError as error:
        raise NoSuchChannel(f"{tr_id} has no such key: {error}") from None
    market = market_of(instrument)
    if channel.subject is not Subject.OVERSEAS:
        return Interest(_NAMES.get((market, _Route(channel.tr_id)), channel.id), instrument)
    name = _NAMES.get((market, _Route(channel.tr_id, tr_key[:4])))
    if name is None:
        raise NoSuchChannel(f"{tr_id} is not told for keys that begin with {tr_key[:4]}")
    return Interest(name, instrument)
