"""The simulator's own symbol master files, in the broker's format.

Its Korean universe is one board; the American one has a file for each exchange.
"""

import io
import zipfile
from collections.abc import Sequence

from daemon.core.values import Market
from daemon.kis.masters import ENCODING, OVERSEAS_COLUMNS, TAILS, Layout
from daemon.sim.american import PLACES
from daemon.sim.universe import Listing

_MARKETS = {
    "kospi_code.mst": Market.KRX,
    "nxt_kospi_code.mst": Market.KRX,
    "nasmst.cod": Market.NASDAQ,
    "nysmst.cod": Market.NYSE,
    "amsmst.cod": Market.AMEX,
}
_FUNDS = frozenset({"SPY", "GLD"})
_STAMP = (2026, 1, 1, 0, 0, 0)
"""So that the same listings make the same bytes."""


def archive(name: str, listings: Sequence[Listing]) -> bytes | None:
    """The zip of a name in the download folder, `None` where nothing of it is listed here."""
    member = name.removesuffix(".zip")
    market = _MARKETS.get(member)
    listed = [each for each in listings if each.market is market]
    if member == name or not listed:
        return None
    record = _record if market is Market.KRX else _american
    content = b"".join(record(each) + b"\n" for each in listed)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        # The vendor writes the names of foreign files in capitals.
        inside = member if market is Market.KRX else member.upper()
        packed.writestr(zipfile.ZipInfo(inside, _STAMP), content)
    return out.getvalue()


def _record(listing: Listing) -> bytes:
    known = {
        "scrt_grp_cls_code": "ST",
        "avls_scal_cls_code": "1",
        "etp_prod_cls_code": "0",
        "etpr_undt_objt_co_yn": "N",
        "short_over_cls_code": "0",
        "stck_sdpr": f"{int(listing.base):09}",
        "frml_mrkt_deal_qty_unit": "00001",
        "ovtm_mrkt_deal_qty_unit": "00001",
        "trht_yn": "N",
        "sltr_yn": "N",
        "mang_issu_yn": "N",
        "mrkt_alrm_cls_code": "00",
        "marg_rate": "020",
        "stck_lstn_date": "20000104",
        "lstn_stcn": f"{listing.shares // 1000:015}",
        "prst_cls_code": "0",
    }
    head = (
        _padded(listing.code, 9) + _padded(f"KR7{listing.code}003", 12) + _padded(listing.name, 40)
    )
    tail = (_padded(known.get(name, ""), width) for name, (width, _) in TAILS[Layout.KOSPI].items())
    return head + b"".join(tail)


def _american(listing: Listing) -> bytes:
    place = PLACES[listing.market]
    fund = listing.code in _FUNDS
    known = {
        **{"ncod": "US", "exid": "22", "excd": place.quote, "exnm": place.name},
        **{"symb": listing.code, "rsym": f"{place.quote}{listing.code}"},
        **{"knam": listing.name, "enam": listing.english, "stis": "3" if fund else "2"},
        **{"curr": "USD", "zdiv": "4", "base": f"{listing.base:.4f}", "bnit": "1", "anit": "1"},
        **{"mstm": "930", "metm": "1600", "isdr": "N", "icod": "730", "sjong": "0", "ttyp": "0"},
        "etyp": "001" if fund else "",
    }
    columns = "\t".join(known.get(name, "") for name in OVERSEAS_COLUMNS)
    return columns.encode(ENCODING, "replace")


def _padded(text: str, width: int) -> bytes:
    """Cut at whole letters: half a Korean one would be none."""
    while len(text.encode(ENCODING, "replace")) > width:
        text = text[:-1]
    return text.encode(ENCODING, "replace").ljust(width)
