"""The broker's symbol master files: bytes in, listings out, and a search over them. No socket.

A file is a zip that holds one text in cp949. Those of the KRX are records of fixed width: a code
of 9 bytes, a standard code of 12, a Korean name of 40, and a tail whose fields `masters.json` holds
in order with their widths and Korean names. Those of other countries have 24 columns between tabs.
Source: the C headers and parsers of the vendor's sample repository (July 2026); the NXT files,
which are not in it, have the layout of their market's KRX file (third-party use). The files are
rebuilt daily: a halt of the day itself shows only in quotes and on the stream.
"""

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from importlib.resources import files
from itertools import accumulate

import orjson

from daemon.core.errors import BadData
from daemon.core.values import InstrumentId, Market, code_of, instrument_id
from daemon.kis.fields import day_of, decimal_or_none

HOST = "https://new.real.download.dws.co.kr"
FOLDER = "/common/master/"
ENCODING = "cp949"
MOST_BYTES = 64 << 20
"""No master file unpacks to more; the largest seen has about 3 MB."""

_CODE, _STANDARD, _NAME = 9, 12, 40
_HEAD = _CODE + _STANDARD + _NAME
_OVERSEAS_COLUMNS = 24


class SecurityKind(StrEnum):
    """What is listed. KRX group codes and foreign security types both map to these."""

    STOCK = "stock"
    ETF = "etf"
    ETN = "etn"
    REIT = "reit"
    FUND = "fund"
    DR = "dr"
    ELW = "elw"
    RIGHT = "right"
    WARRANT = "warrant"
    INDEX = "index"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One listed instrument as its master file of the morning has it.

    `base` is the base price of the day in the instrument's currency, `None` where there is none;
    `lot` how many units an order must be a multiple of, `sell_lot` the same for sells.
    `halted` is a trading halt, `liquidation` the last days before delisting, `managed` an issue
    under administration, `alert` the market alert (0 none, 1 caution, 2 warning, 3 risk).
    `fund` says that the price steps of ETF, ETN and ELW apply; `tick_type` is the broker's code of
    a foreign price step table. `nxt` is whether it may trade on NXT, `None` where the NXT files
    have not been read. `margin` is the margin rate in per cent.
    """

    instrument: InstrumentId
    board: str
    name: str
    english: str = ""
    standard: str = ""
    kind: SecurityKind = SecurityKind.STOCK
    currency: str = "KRW"
    base: Decimal | None = None
    lot: int = 1
    sell_lot: int = 1
    decimals: int = 0
    tick_type: str = ""
    preferred: bool = False
    spac: bool = False
    halted: bool = False
    liquidation: bool = False
    managed: bool = False
    overheated: bool = False
    alert: int = 0
    margin: Decimal | None = None
    listed_on: date | None = None
    nxt: bool | None = None
    raw: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """All fields as they came, by the names of the vendor's headers."""

    @property
    def code(self) -> str:
        """The local code or symbol."""
        return code_of(self.instrument)

    @property
    def fund(self) -> bool:
        """Whether the price steps of ETF, ETN and ELW apply."""
        return self.kind in (SecurityKind.ETF, SecurityKind.ETN, SecurityKind.ELW)

    @property
    def tradable(self) -> bool:
        """Whether an order can be placed at all, as far as the morning's file knows."""
        return not self.halted and self.kind is not SecurityKind.INDEX


class Layout(StrEnum):
    """How the records of a file are laid out."""

    KOSPI = "kospi"
    KOSDAQ = "kosdaq"
    KONEX = "konex"
    OVERSEAS = "overseas"


@dataclass(frozen=True, slots=True)
class MasterFile:
    """One file of the download folder; `venue_only` ones name what NXT trades."""

    name: str
    board: str
    layout: Layout
    market: Market
    venue_only: bool = False

    @property
    def archive(self) -> str:
        """The name of the zip in the download folder."""
        return f"{self.name}.zip"


MASTER_FILES: tuple[MasterFile, ...] = (
    MasterFile("kospi_code.mst", "KOSPI", Layout.KOSPI, Market.KRX),
    MasterFile("kosdaq_code.mst", "KOSDAQ", Layout.KOSDAQ, Market.KRX),
    MasterFile("konex_code.mst", "KONEX", Layout.KONEX, Market.KRX),
    MasterFile("nxt_kospi_code.mst", "KOSPI", Layout.KOSPI, Market.KRX, venue_only=True),
    MasterFile("nxt_kosdaq_code.mst", "KOSDAQ", Layout.KOSDAQ, Market.KRX, venue_only=True),
    MasterFile("nasmst.cod", "NASDAQ", Layout.OVERSEAS, Market.NASDAQ),
    MasterFile("nysmst.cod", "NYSE", Layout.OVERSEAS, Market.NYSE),
    MasterFile("amsmst.cod", "AMEX", Layout.OVERSEAS, Market.AMEX),
    MasterFile("tsemst.cod", "TOKYO", Layout.OVERSEAS, Market.TOKYO),
    MasterFile("hksmst.cod", "HONGKONG", Layout.OVERSEAS, Market.HONGKONG),
    MasterFile("shsmst.cod", "SHANGHAI", Layout.OVERSEAS, Market.SHANGHAI),
    MasterFile("szsmst.cod", "SHENZHEN", Layout.OVERSEAS, Market.SHENZHEN),
    MasterFile("hnxmst.cod", "HANOI", Layout.OVERSEAS, Market.HANOI),
    MasterFile("hsxmst.cod", "HOCHIMINH", Layout.OVERSEAS, Market.HOCHIMINH),
)
"""The files with instruments that can be ordered, in the order in which listings come."""

BY_NAME: Mapping[str, MasterFile] = {each.name: each for each in MASTER_FILES}

TAILS: Mapping[str, Mapping[str, tuple[int, str]]] = {
    layout: {name: (width, label) for name, (width, label) in fields.items()}
    for layout, fields in orjson.loads(
        files("daemon.kis").joinpath("masters.json").read_bytes()
    ).items()
}
"""Width and Korean name of each field of a tail, in order."""

_PARTS: Mapping[str, tuple[tuple[str, slice], ...]] = {
    layout: tuple(
        (name, slice(end - width, end))
        for (name, (width, _)), end in zip(
            fields.items(), accumulate(width for width, _ in fields.values()), strict=True
        )
    )
    for layout, fields in TAILS.items()
}

OVERSEAS_COLUMNS = (
    *("ncod", "exid", "excd", "exnm", "symb", "rsym", "knam", "enam", "stis", "curr", "zdiv"),
    *("ztyp", "base", "bnit", "anit", "mstm", "metm", "isdr", "drcd", "icod", "sjong", "ttyp"),
    *("etyp", "ttyp_sb"),
)

_GROUPS = {
    **{"ST": SecurityKind.STOCK, "FS": SecurityKind.STOCK, "EF": SecurityKind.ETF},
    **{"FE": SecurityKind.ETF, "EN": SecurityKind.ETN, "RT": SecurityKind.REIT},
    **{"EW": SecurityKind.ELW, "DR": SecurityKind.DR, "SW": SecurityKind.WARRANT},
    **{"SR": SecurityKind.RIGHT, "MF": SecurityKind.FUND, "SC": SecurityKind.FUND},
    **{"IF": SecurityKind.FUND, "BC": SecurityKind.FUND},
}
_TYPES = {
    "1": SecurityKind.INDEX,
    "2": SecurityKind.STOCK,
    "3": SecurityKind.ETF,
    "4": SecurityKind.WARRANT,
}
_ETNS = frozenset({"002", "006"})


def unpack(archive: bytes) -> bytes:
    """The one file in a zip, checked against its sum; raises `BadData` for a broken zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            (member,) = opened.infolist()
            if member.file_size > MOST_BYTES:
                raise BadData("a master file of unbelievable size", field=member.filename)
            return opened.read(member)
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise BadData(f"not a whole zip of one file ({error})", field="zip") from None


def read(master: MasterFile, content: bytes) -> list[Listing]:
    """All listings of a file.

    Raises `BadData` naming the line: a record of another length means another layout or a file
    that was cut off, and then no line of it can be trusted. So does an empty file.
    """
    lines = content.split(b"\n")
    if lines and not lines[-1].strip(b"\r\x1a \x00"):
        lines.pop()
    read_line = _overseas if master.layout is Layout.OVERSEAS else _korean
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(read_line(master, line.rstrip(b"\r")))
        except (BadData, ValueError) as error:
            raise BadData(f"line {number}: {error}", field=master.name) from None
    if not found:
        raise BadData("no listing at all", field=master.name)
    return found


def _text(raw: bytes) -> str:
    return raw.decode(ENCODING, "replace").strip()


def tail_width(layout: Layout) -> int:
    """Bytes behind the name of a Korean record."""
    return sum(width for width, _ in TAILS[layout].values())


def _korean(master: MasterFile, line: bytes) -> Listing:
    wanted = _HEAD + tail_width(master.layout)
    if len(line) != wanted:
        raise BadData(f"{len(line)} bytes instead of {wanted}")
    raw = {
        "mksc_shrn_iscd": _text(line[:_CODE]),
        "stnd_iscd": _text(line[_CODE : _CODE + _STANDARD]),
        "hts_kor_isnm": _text(line[_CODE + _STANDARD : _HEAD]),
    }
    # Tails are ASCII: a letter a byte, whatever else may have got into one.
    tail = line[_HEAD:].decode("latin-1")
    raw.update((name, tail[part].strip()) for name, part in _PARTS[master.layout])
    kind = _GROUPS.get(raw["scrt_grp_cls_code"], SecurityKind.OTHER)
    if kind is not SecurityKind.ETN and raw.get("etp_prod_cls_code") in ("3", "4"):
        kind = SecurityKind.ETN
    lot = max(int(_number(raw, "frml_mrkt_deal_qty_unit") or 1), 1)
    return Listing(
        instrument=instrument_id(master.market, raw["mksc_shrn_iscd"]),
        board=master.board,
        name=raw["hts_kor_isnm"],
        standard=raw["stnd_iscd"],
        kind=kind,
        base=_number(raw, "stck_sdpr") or None,
        lot=lot,
        sell_lot=lot,
        preferred=raw["prst_cls_code"] not in ("", "0"),
        spac=raw.get("etpr_undt_objt_co_yn") == "Y",
        halted=raw["trht_yn"] == "Y",
        liquidation=raw["sltr_yn"] == "Y",
        managed=raw["mang_issu_yn"] == "Y",
        overheated=raw.get("short_over_cls_code") in ("2", "3"),
        alert=int(_number(raw, "mrkt_alrm_cls_code") or 0),
        margin=_number(raw, "marg_rate"),
        listed_on=_day(raw["stck_lstn_date"]),
        raw=raw,
    )


def _number(raw: Mapping[str, str], name: str) -> Decimal | None:
    return decimal_or_none(raw[name], name)


def _day(text: str) -> date | None:
    return day_of(text, "stck_lstn_date") if text.strip("0") else None


def _overseas(master: MasterFile, line: bytes) -> Listing:
    columns = line.split(b"\t")
    if len(columns) < _OVERSEAS_COLUMNS:
        raise BadData(f"{len(columns)} columns instead of {_OVERSEAS_COLUMNS}")
    texts = line.decode(ENCODING, "replace").split("\t")
    raw = {name: text.strip() for name, text in zip(OVERSEAS_COLUMNS, texts, strict=False)}
    kind = _TYPES.get(raw["stis"], SecurityKind.OTHER)
    if kind is SecurityKind.ETF and raw["etyp"] in _ETNS:
        kind = SecurityKind.ETN
    if kind is SecurityKind.STOCK and raw["isdr"] == "Y":
        kind = SecurityKind.DR
    return Listing(
        instrument=_foreign_id(master.market, raw["symb"]),
        board=master.board,
        name=raw["knam"],
        english=raw["enam"],
        kind=kind,
        currency=raw["curr"],
        base=_number(raw, "base") or None,
        lot=max(int(_number(raw, "bnit") or 1), 1),
        sell_lot=max(int(_number(raw, "anit") or 1), 1),
        decimals=int(_number(raw, "zdiv") or 0),
        tick_type=raw["ttyp_sb"] if raw["ttyp"] == "9" else raw["ttyp"],
        raw=raw,
    )


def _foreign_id(market: Market, symbol: str) -> InstrumentId:
    """A symbol that is no code of ours, an index's for one, is kept as it is: it is only found."""
    try:
        return instrument_id(market, symbol)
    except ValueError:
        return InstrumentId(f"{market.value}:{symbol}")


class Masters:
    """All listings that were read, by instrument, with a search.

    What the NXT files name is marked; they add no listing of their own.
    """

    def __init__(self, listings: Iterable[Listing], nxt: Iterable[str] | None = None) -> None:
        tradable = None if nxt is None else frozenset(nxt)
        self._by_id: dict[InstrumentId, Listing] = {}
        for each in listings:
            known = each
            if tradable is not None and each.instrument.startswith(f"{Market.KRX.value}:"):
                known = replace(each, nxt=each.code in tradable)
            self._by_id[each.instrument] = known
        self._keys = [(each, _key(each.code), _key(each.name), _key(each.english)) for each in self]

    @classmethod
    def of(cls, found: Mapping[MasterFile, Iterable[Listing]]) -> "Masters":
        """From what was read of some files."""
        listings: list[Listing] = []
        nxt: list[str] | None = None
        for master, each in found.items():
            if master.venue_only:
                nxt = [*(nxt or ()), *(listing.code for listing in each)]
            else:
                listings += each
        return cls(listings, nxt)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Listing]:
        return iter(self._by_id.values())

    def get(self, instrument: InstrumentId) -> Listing | None:
        """The listing of an instrument, if there is one."""
        return self._by_id.get(instrument)

    def find(self, code: str) -> list[Listing]:
        """Every listing with this code or symbol, on whatever market."""
        wanted = _key(code)
        return [each for each, known, _, _ in self._keys if known == wanted]

    def search(self, text: str, *, board: str = "", limit: int = 50) -> list[Listing]:
        """Listings whose code, Korean or English name has `text` in it, best first.

        A code or name that is `text` comes before one that begins with it, and that before the
        rest; shorter names come first. Case and blanks do not matter.
        """
        wanted = _key(text)
        if not wanted:
            return []
        ranked = []
        for order, (each, *keys) in enumerate(self._keys):
            if board and each.board != board.upper():
                continue
            rank = min(_rank(wanted, key) for key in keys)
            if rank < _NOWHERE:
                ranked.append((rank, len(each.name), order, each))
        ranked.sort(key=lambda row: row[:3])
        return [each for *_, each in ranked[:limit]]


_NOWHERE = 3


def _key(text: str) -> str:
    return "".join(text.casefold().split())


def _rank(wanted: str, key: str) -> int:
    if key == wanted:
        return 0
    if key.startswith(wanted):
        return 1
    return 2 if wanted in key else _NOWHERE
