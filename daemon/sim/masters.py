"""The simulator's own symbol master files, in the broker's format. Its universe is one board."""

import io
import zipfile
from collections.abc import Sequence

from daemon.kis.masters import ENCODING, TAILS, Layout
from daemon.sim.universe import Listing

_NAMES = ("kospi_code.mst", "nxt_kospi_code.mst")
_STAMP = (2026, 1, 1, 0, 0, 0)
"""So that the same listings make the same bytes."""


def archive(name: str, listings: Sequence[Listing]) -> bytes | None:
    """The zip of a name in the download folder, `None` where nothing of it is listed here."""
    member = name.removesuffix(".zip")
    if member == name or member not in _NAMES:
        return None
    content = b"".join(_record(each) + b"\n" for each in listings)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo(member, _STAMP), content)
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


def _padded(text: str, width: int) -> bytes:
    """Cut at whole letters: half a Korean one would be none."""
    while len(text.encode(ENCODING, "replace")) > width:
        text = text[:-1]
    return text.encode(ENCODING, "replace").ljust(width)
