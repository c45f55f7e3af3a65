"""Master files put together byte by byte, by the offsets of the vendor's headers."""

import io
import zipfile

HEADS = {"kospi": 227, "kosdaq": 221, "konex": 184}
OFFSETS = {
    "kospi": {
        "group": (0, 2), "etp": (22, 1), "spac": (29, 1), "overheated": (32, 1),
        "base": (41, 9), "lot": (50, 5), "halted": (60, 1), "liquidation": (61, 1),
        "managed": (62, 1), "alert": (63, 2), "margin": (74, 3), "listed": (105, 8),
        "preferred": (158, 1),
    },
    "kosdaq": {
        "group": (0, 2), "etp": (18, 1), "spac": (24, 1), "overheated": (27, 1),
        "base": (36, 9), "lot": (45, 5), "halted": (55, 1), "liquidation": (56, 1),
        "managed": (57, 1), "alert": (58, 2), "margin": (69, 3), "listed": (100, 8),
        "preferred": (153, 1),
    },
    "konex": {
        "group": (0, 2), "base": (2, 9), "lot": (11, 5), "halted": (21, 1),
        "liquidation": (22, 1), "managed": (23, 1), "alert": (24, 2), "margin": (35, 3),
        "listed": (66, 8), "preferred": (119, 1),
    },
}  # fmt: skip
USUAL = {
    "group": "ST", "etp": "0", "spac": "N", "overheated": "0", "base": "000072000",
    "lot": "00001", "halted": "N", "liquidation": "N", "managed": "N", "alert": "00",
    "margin": "020", "listed": "19750611", "preferred": "0",
}  # fmt: skip


def korean(layout: str, code: str, name: str, **changes: str) -> bytes:
    """One record, without its line end."""
    tail = bytearray(b" " * HEADS[layout])
    for field, text in {**USUAL, **changes}.items():
        if field in OFFSETS[layout]:
            at, width = OFFSETS[layout][field]
            tail[at : at + width] = text.encode("ascii").rjust(width)
    head = code.encode().ljust(9) + b"KR7005930003" + name.encode("cp949").ljust(40)
    return head + bytes(tail)


def american(symbol: str, korean_name: str, english: str, **changes: str) -> bytes:
    """One line of a foreign file, without its line end."""
    columns = {
        "ncod": "US", "exid": "22", "excd": "NAS", "exnm": "나스닥", "symb": symbol,
        "rsym": f"NAS{symbol}", "knam": korean_name, "enam": english, "stis": "2", "curr": "USD",
        "zdiv": "4", "ztyp": "", "base": "267.4600", "bnit": "1", "anit": "1", "mstm": "930",
        "metm": "1600", "isdr": "N", "drcd": "", "icod": "730", "sjong": "0", "ttyp": "0",
        "etyp": "", "ttyp_sb": "",
    }  # fmt: skip
    return "\t".join({**columns, **changes}.values()).encode("cp949")


def lines(*records: bytes) -> bytes:
    return b"".join(record + b"\n" for record in records)


def zipped(content: bytes, member: str = "NASMST.COD") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(member, content)
    return out.getvalue()
