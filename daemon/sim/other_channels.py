"""What the stream carries besides trades, books and order notices of the simulated market.

Expected prices and market status come from the market itself; the other venue is a mirror of it.
Rows of all other channels are synthetic: they have the shape of the broker's, by the names of
their columns, and walk at random from a seed of their own; they mean nothing. Personal channels
of products that cannot be ordered here stay silent.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from random import Random

from daemon.core.calendar import Phase
from daemon.kis.channels import BY_TR_ID, Channel, Kind, Subject
from daemon.sim.frames import change_sign, percent
from daemon.sim.market import Market

EXPECTED_SPACING = timedelta(seconds=2)
"""Simulated time between two expected prices of one symbol."""

_LEAST_GAP, _MOST_GAP = 2.0, 6.0
_AUCTIONS = {Phase.OPENING_AUCTION: "B", Phase.CLOSING_AUCTION: "A"}
_STATUS_CODES = {
    Phase.OPENING_AUCTION: ("110", "311"),
    Phase.CONTINUOUS: ("112", "112"),
    Phase.CLOSING_AUCTION: ("121", "121"),
    Phase.CLOSED: ("129", "129"),
}
_LIVE_STATUS_WIDTH = {"H0UNMKO0": 10}
"""Captured frames of the combined channel end before EXCH_CLS_CODE."""

_ZONES = {
    **dict.fromkeys(("NAS", "NYS", "AMS", "BAQ", "BAY", "BAA"), -4),
    **dict.fromkeys(("HKS", "SHS", "SZS"), 8),
    **dict.fromkeys(("HNX", "HSX"), 7),
}


def row(channel: Channel, values: Mapping[str, str], *, width: int | None = None) -> str:
    """One record of a channel: named values at their places, zero at all others."""
    return "^".join(values.get(name, "0") for name in channel.columns[:width])


class OtherChannels:
    """Makes the frames due on registrations other than the busiest.

    Those with a key of `elsewhere` tell of a market that is simulated: they are not made here.
    """

    def __init__(
        self, market: Market, seed: int, *, elsewhere: frozenset[str] = frozenset()
    ) -> None:
        self._market = market
        self._seed = seed
        self._elsewhere = elsewhere
        self._due: dict[tuple[str, str], datetime] = {}
        self._walks: dict[tuple[str, str], SyntheticRows] = {}

    def frames(self, registered: Iterable[tuple[str, str]], changes: Iterable[Phase]) -> list[str]:
        """What is due now; `changes` are the phases gone into since the last call."""
        registered = tuple(registered)
        for gone in self._due.keys() - set(registered):
            del self._due[gone]
            self._walks.pop(gone, None)
        frames = [
            _frame(BY_TR_ID[tr_id], self._status(BY_TR_ID[tr_id], key, phase))
            for phase in changes
            for tr_id, key in registered
            if BY_TR_ID[tr_id].kind is Kind.STATUS
        ]
        for tr_id, key in registered:
            channel = BY_TR_ID[tr_id]
            if channel.kind is Kind.EXPECTED:
                frames.extend(self._expected(channel, key))
            elif key in self._elsewhere and channel.subject is Subject.OVERSEAS:
                continue
            elif channel.kind in _SYNTHETIC and channel.subject is not Subject.CUSTOMER:
                frames.extend(self._synthetic(channel, key))
        return frames

    def _status(self, channel: Channel, code: str, phase: Phase) -> str:
        told, expected = _STATUS_CODES[phase]
        values = {
            "MKSC_SHRN_ISCD": code,
            "TRHT_YN": "N",
            "TR_SUSP_REAS_CNTT": "(null)",
            "MKOP_CLS_CODE": told,
            "ANTC_MKOP_CLS_CODE": expected,
            "MRKT_TRTM_CLS_CODE": "",
            "DIVI_APP_CLS_CODE": "",
            "ISCD_STAT_CLS_CODE": "55",
            "VI_CLS_CODE": "N",
            "OVTM_VI_CLS_CODE": "",
            "EXCH_CLS_CODE": "1",
        }
        return row(channel, values, width=_LIVE_STATUS_WIDTH.get(channel.tr_id))

    def _expected(self, channel: Channel, code: str) -> list[str]:
        market = self._market
        hour_class = _AUCTIONS.get(market.phase)
        if hour_class is None or not self._is_due(channel, code):
            return []
        self._due[channel.tr_id, code] = market.now + EXPECTED_SPACING
        price, quantity = market.auction_price(code)
        base = market.exchange.stocks[code].base
        volume = market.tapes[code].volume
        values = {
            "MKSC_SHRN_ISCD": code,
            "STCK_CNTG_HOUR": market.local_time,
            "STCK_PRPR": f"{price}",
            "PRDY_VRSS_SIGN": change_sign(price - base),
            "PRDY_VRSS": f"{price - base}",
            "PRDY_CTRT": percent(price - base, base),
            "CNTG_VOL": str(quantity),
            "ACML_VOL": str(volume),
            "CNTG_CLS_CODE": "3",
            "BSOP_DATE": f"{market.day:%Y%m%d}",
            "NEW_MKOP_CLS_CODE": "10" if hour_class == "B" else "21",
            "TRHT_YN": "N",
            "HOUR_CLS_CODE": hour_class,
            "MRKT_TRTM_CLS_CODE": "",
        }
        return [_frame(channel, row(channel, values))]

    def _synthetic(self, channel: Channel, key: str) -> list[str]:
        wanted = (channel.tr_id, key)
        walk = self._walks.get(wanted)
        if walk is None:
            walk = self._walks[wanted] = SyntheticRows(channel, key, self._seed)
        if not self._is_due(channel, key):
            return []
        now = self._market.now
        record = walk.next(now)
        self._due[wanted] = now + walk.gap()
        return [_frame(channel, record)]

    def _is_due(self, channel: Channel, key: str) -> bool:
        due = self._due.get((channel.tr_id, key))
        return due is None or due <= self._market.now


_SYNTHETIC = frozenset({Kind.OVERSEAS_TRADES, Kind.OVERSEAS_BOOK, Kind.RECORD})


def _frame(channel: Channel, record: str) -> str:
    return f"0|{channel.tr_id}|001|{record}"


_LEVEL = re.compile(r"(?:OPTN_|FUTS_|P)?(ASK|BID)(?:P|_PRICE_)?(\d+)")
_FAMILIES = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (r"HOUR$|TIME\d?$|HMS$", "time"),
        (r"DATE\d?$|YMD$", "date"),
        (r"SIGN$", "sign"),
        (r"_YN", "no"),
        (r"NAME|ISNM", "name"),
        (r"VRSS|DIFF|ICDC|^DBID|^DASK|^[BA]DVL$", "zero"),
        (r"RATE|CTRT|RLIM|CTTR|ERT|STRN", "percent"),
        (r"CODE|CLS|ZDIV|MTYP|_NO\d*$|_NUM_", "code"),
        (r"PBMN|AMT", "worth"),
        (r"^ACML_VOL$|^TVOL$|^VOL$", "volume"),
        (r"VOL|QTY|RSQN|CNQN|CSNU|CNT|QNTT|SMTN|BIVL|ASVL|^VBID|^VASK", "count"),
        (r"PRPR|OPRC|HGPR|LWPR|PRC|PRICE|NMIX|NAV|CLPR|THPR|CNPR|^LAST$|^OPEN$|^HIGH$|^LOW$",
         "price"),
        (r"ASKP\d|BIDP\d|PBID|PASK", "price"),
    )
)  # fmt: skip


_FIXED = {"sign": "3", "no": "N", "name": "SIMULATED", "zero": "0"}


class SyntheticRows:
    """Rows of one channel about one thing. The same seed, channel and key make the same ones."""

    def __init__(self, channel: Channel, key: str, seed: int) -> None:
        self._channel = channel
        self._key = key
        self._rng = Random(f"{seed}:{channel.tr_id}:{key}:rows")  # noqa: S311  a play
        self._price = self._rng.uniform(50.0, 500.0)
        self._volume = 0
        self._decimals = 4 if channel.subject is Subject.OVERSEAS else 2
        if channel.subject is Subject.STOCK and not channel.id.startswith("etfetn."):
            self._decimals = 0
            self._price *= 100
        self._families = [_family(name) for name in channel.columns]

    def gap(self) -> timedelta:
        """Simulated time to the next row, drawn anew."""
        return timedelta(seconds=self._rng.uniform(_LEAST_GAP, _MOST_GAP))

    def next(self, now: datetime) -> str:
        """The next row, at the instant `now`."""
        self._price *= 1 + self._rng.gauss(0.0, 0.0005)
        self._volume += self._rng.randint(1, 500)
        names = self._channel.columns
        values = [
            self._value(name, family, now)
            for name, family in zip(names, self._families, strict=True)
        ]
        values[0] = self._key
        if self._channel.subject is Subject.OVERSEAS:
            values[1] = self._key[4:]
        return "^".join(values)

    def _value(self, name: str, family: str, now: datetime) -> str:
        match family:
            case "time" | "date":
                local = now + timedelta(hours=self._zone(name))
                return f"{local:%H%M%S}" if family == "time" else f"{local:%Y%m%d}"
            case "percent":
                return f"{self._rng.uniform(0.0, 100.0):.2f}"
            case "code":
                return str(self._decimals) if name == "ZDIV" else "1"
            case "worth":
                return f"{self._volume * self._price:.0f}"
            case "volume":
                return str(self._volume)
            case "count":
                return str(self._rng.randint(1, 500))
            case "price":
                return self._priced(name)
        return _FIXED[family]

    def _zone(self, name: str) -> int:
        """Hours ahead of UTC: Seoul's, but for the overseas columns of local time."""
        return _ZONES.get(self._key[1:4], 9) if name in ("XYMD", "XHMS", "TYMD") else 9

    def _priced(self, name: str) -> str:
        """The present price, or that of a level of the book around it."""
        tick = 10.0**-2 if self._decimals else 100.0
        level = _LEVEL.fullmatch(name)
        price = self._price
        if level is not None:
            away = int(level[2]) * tick
            price += away if level[1] == "ASK" else -away
        return f"{round(price / tick) * tick:.{self._decimals}f}"


def _family(name: str) -> str:
    return next((family for pattern, family in _FAMILIES if pattern.search(name)), "zero")
