"""Damaged frames and bodies by the million, and what reading them must never do.

Every case starts from a message the broker, or the simulator, really sends. The seed decides
what is done to it. `Fuzz.run` reads each through the codec's own doors: only the errors these
name may come out, and what they do let through must make sense.
"""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from daemon.core.errors import BadData, NeedsOperator, OutcomeUnknown, Refused, TryLater
from daemon.core.values import (
    ExpectedPrice,
    Level,
    MarketPhase,
    MarketStatus,
    OrderBook,
    Record,
    Region,
    Side,
    Tick,
)
from daemon.core.witness import BrokerNotice, NoticeKind
from daemon.kis import profits, replies, retold
from daemon.kis.channels import CHANNELS, Channel, Kind, Subject
from daemon.kis.frames import FrameDecoder, NoticeCipher
from daemon.kis.link import HttpResponse
from daemon.kis.listed import Listed
from daemon.kis.replies import Reply
from daemon.kis.session import FeedSession, Registration
from daemon.kis.spec import CODE_MEANINGS, CodeMeaning
from daemon.sim.frames import book_frame, trade_frames, trade_record
from daemon.sim.history import DailyBar
from daemon.sim.market import BookView
from daemon.sim.tape import DayTape, Depth
from tests.kis.fakes import ACCOUNT, FRAMES, IV, KEY, SAMSUNG, fold_orders

RECEIVED = datetime(2026, 7, 10, 1, 0, tzinfo=UTC)
DAY = date(2026, 7, 10)
MOST = 10**30
STATUSES = (200, 200, 200, 400, 429, 500, 502)

_LONG = "9" * 5000
FIELDS = (
    *("", " ", "0", "-1", "+5", "1", " 1 ", "1_0", "٣", "３", "NaN", "inf", "1e999", "0x10", ".5"),
    *("1.5", "-0", "00000000", "240000", "256060", "99991231", "00010101", "\x00", "\ud800"),
    *("🙂", "005930", "ABC!", "01", "02", "03", "null", "9" * 20, "9" * 31, _LONG, "삼성전자"),
    *("12345678901", "1" * 21, "\u00a0", "²", "-", "."),
)
SEALED = ("H0STCNI0", "H0STCNI0", "H0STCNI9", "H0GSCNI0", "H0GSCNI9", "H0IFCNI0", "HDFFF2C0")
COUNTS = ("000", "002", "999", "010", "-01", "1e3", "٠٠١", "1", "", "0001", "00 1", _LONG)
DEEP = b"[" * 1010 + b"]" * 1010
DEEPER = b'{"a":' * 1015 + b"1" + b"}" * 1015
_FRAGMENTS = tuple(
    text.encode()
    for text in (
        *("null", "true", "false", "0", "-1", "1", "1e308", "1e999", "12345678901234567890123"),
        *('""', '" "', '"0"', '"1"', '"NaN"', '"\\u0000"', '"\\ud800"', "[]", "{}", "[[]]"),
        *("[{}]", "[null]", '{"a":1}', "[[[[[[[[[[]]]]]]]]]]", "0.1", "-0", '"-1"', '"٣"'),
        *('"1e5"', '"99991231"', '"240000"', '"00010101"', f'"{"9" * 31}"', f'"{_LONG}"'),
        *('"APBK0013"', '"EGW00201"', '"EGW00123"', '"70070000"', '"OPSQ2000"', '"OPSP0000"'),
    )
)
FRAGMENTS = (*_FRAGMENTS, DEEP, DEEPER)
GARBAGE = (
    *(b"", b"\xef\xbb\xbf{}", b"<html>Bad Gateway</html>", b"null", b"[]", b"0", b"\x00" * 40),
    *(DEEP, DEEPER, b"[" * 5000, b"{}" * 10, '{"rt_cd":"0"}'.encode("utf-16"), b'{"rt_cd":"0"'),
)


class Escaped(Exception):
    """The codec let something through that it must not."""

    def __init__(self, seed: int, case: int, what: str, given: str | bytes, cause: str) -> None:
        raw = given if isinstance(given, bytes) else given.encode("utf-8", "surrogatepass")
        self.seed, self.case, self.what, self.cause = seed, case, what, cause
        self.hex = raw.hex()
        super().__init__(f"seed {seed} case {case} {what}: {cause}: {self.hex[:2000]}")

    def __reduce__(self) -> tuple[type["Escaped"], tuple[object, ...]]:
        return Escaped, (self.seed, self.case, self.what, bytes.fromhex(self.hex), self.cause)


def simulated_frames() -> list[str]:
    """Trades and a book as the simulator writes them."""
    tape = DayTape("005930", Decimal(70_600))
    depth = Depth(Decimal(72_000), Decimal(71_900), 93, 113, 1_668, 822)
    before = DailyBar(date(2026, 7, 9), *(Decimal(70_600),) * 4, 10_000, Decimal(1), Decimal(1))
    records = [
        trade_record(
            tape.record(f"0947{second:02}", Decimal(71_900 + second), second, Side.BUY, depth),
            day=date(2026, 10, 12),
            base=Decimal(70_600),
            yesterday=before,
            listed=1_000_000,
        )
        for second in range(1, 22)
    ]
    asks = tuple(Level(Decimal(66_000 + 100 * step), 28 + step) for step in range(10))
    bids = tuple(Level(Decimal(65_900 - 100 * step), 49 + step) for step in range(4))
    view = BookView("005930", asks, bids, 40, 49, 5, None)
    book = book_frame(view, "140013", Decimal(66_000), day=DAY, auction=False)
    return [*trade_frames(records[:1]), *trade_frames(records), book]


class Body:
    """A JSON text that knows where its values and members lie."""

    def __init__(self, value: object) -> None:
        self.values: list[tuple[int, int]] = []
        self.removable: list[tuple[int, int]] = []
        self.parts: list[tuple[int, int]] = []
        text = bytearray()
        self._write(value, text)
        self.text = bytes(text)

    def _write(self, value: object, text: bytearray) -> None:
        start = len(text)
        if isinstance(value, dict | list) and value:
            pairs = isinstance(value, dict)
            text += b"{" if pairs else b"["
            for number, item in enumerate(value):
                begin = len(text)
                text += b"," if number else b""
                part = len(text)
                if isinstance(value, dict):
                    text += orjson.dumps(item) + b":"
                    self._write(value[item], text)
                else:
                    self._write(item, text)
                self.parts.append((part, len(text)))
                if number:
                    self.removable.append((begin, len(text)))
            text += b"}" if pairs else b"]"
        else:
            text += orjson.dumps(value)
        self.values.append((start, len(text)))


_PLAUSIBLE_KEYS = {
    Subject.STOCK: "005930",
    Subject.INDEX: "0001",
    Subject.OVERSEAS: "DNASAAPL",
    Subject.DERIVATIVE: "101W09",
    Subject.BOND: "KR103502GA34",
    Subject.CUSTOMER: "htsid001",
}


def plausible_row(channel: Channel) -> list[str]:
    """A row that decodes, of every column the channel is known to have."""
    row = ["1"] * channel.known
    row[0] = _PLAUSIBLE_KEYS[channel.subject]
    values = {
        **dict.fromkeys(("STCK_CNTG_HOUR", "BSOP_HOUR", "KHMS", "XHMS"), "100000"),
        **dict.fromkeys(("KYMD", "XYMD", "TYMD"), "20260710"),
        **{"ACNT_NO": ACCOUNT.replace("-", ""), "ACCT_NO": ACCOUNT.replace("-", "")},
        **{"TRHT_YN": "N", "MKOP_CLS_CODE": "112", "SELN_BYOV_CLS": "02", "RCTF_CLS": "0"},
        **{"RFUS_YN": "0", "CNTG_YN": "2", "ACPT_YN": "2", "SERIES": "1OZQ25"},
    }
    if channel.kind is Kind.OVERSEAS_NOTICES:
        values |= {"ODER_COND": "6", "STCK_SHRN_ISCD": "AAPL"}
    for name, value in values.items():
        if name in channel.columns:
            row[channel.columns.index(name)] = value
    return row


def catalogue_frames() -> list[str]:
    """Two frames of every channel, of one record and of two."""
    rows = [(channel.tr_id, "^".join(plausible_row(channel))) for channel in CHANNELS]
    return [
        frame
        for tr_id, row in rows
        for frame in (f"0|{tr_id}|001|{row}", f"0|{tr_id}|002|{row}^{row}")
    ]


class Fuzz:
    """A stream of cases, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.errors: Counter[str] = Counter()
        self._random = Random(seed)
        self._case = 0
        self._now = 0.0
        self._plain: list[str] = []
        self._frames = simulated_frames()
        self._catalogue = catalogue_frames()
        self._controls: list[Body] = []
        for path in sorted((FRAMES / "ws").glob("*.json")):
            stored = json.loads(path.read_text())
            if "plaintext" in stored:
                self._plain.append(stored["plaintext"])
                self._frames.append(f"0|{stored['tr_id']}|001|{stored['plaintext']}")
            if str(stored.get("frame", "")).startswith("{"):
                self._controls.append(Body(orjson.loads(stored["frame"])))
            elif "frame" in stored:
                self._frames.append(stored["frame"])
        self._bodies = [(path.stem, Body(json.loads(path.read_text())["body"]))
                        for path in sorted((FRAMES / "rest").glob("*.json"))]  # fmt: skip
        self._bodies += [("bars", Body(bars())), ("bars", Body({**bars(), "msg_cd": "70070000"}))]
        self._seal = Cipher(algorithms.AES(KEY.encode()), modes.CBC(IV.encode()))
        self._cipher = NoticeCipher(KEY, IV)
        self._renew()

    def run(self, cases: int) -> Counter[str]:
        """Read that many damaged messages; raises `Escaped`. Returns what came of them."""
        for _ in range(cases):
            self._case += 1
            if self._case % 2048 == 0:
                self._renew()
            kind = self._random.random()
            if kind < 0.5:
                self._frame()
            elif kind < 0.65:
                self._control()
            else:
                self._reply()
        return self.errors

    def _renew(self) -> None:
        self._decoder = FrameDecoder(ACCOUNT)
        self._session = FeedSession(
            decoder=self._decoder, notice_channels=("H0STCNI0",), hts_id="htsid001", budget=5
        )
        self._session.want(
            Registration(channel, code)
            for channel in ("H0STCNT0", "H0STASP0")
            for code in ("005930", "000660")
        )
        self._session.opened("key", self._now)

    def _pick(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def _try(
        self,
        what: str,
        given: str | bytes,
        read: Callable[[], object],
        allowed: type[Exception] | tuple[type[Exception], ...],
    ) -> object:
        """What `read` gives; `None` for an error it may raise."""
        try:
            found = read()
        except allowed as error:
            self.errors[type(error).__name__] += 1
            return None
        except Exception as error:
            cause = f"{type(error).__name__}: {str(error)[:200]}"
            raise Escaped(self.seed, self._case, what, given, cause) from error
        self.errors["read"] += 1
        return found

    def _demand(self, holds: bool, what: str, given: str | bytes, found: object) -> None:
        if not holds:
            raise Escaped(self.seed, self._case, what, given, f"senseless: {str(found)[:500]}")

    # --- Frames ---------------------------------------------------------------------------------

    def _frame(self) -> None:
        text = self._sealed() if self._random.random() < 0.25 else self._damaged_frame()
        if self._random.random() < 0.5:
            read = self._decoder.decode
            found = self._try("decode", text, lambda: read(text, RECEIVED, self._cipher), BadData)
        else:
            found = self._try("data", text, lambda: self._session.data(text, RECEIVED), BadData)
        if found:
            assert isinstance(found, Sequence)
            for event in found:
                self._demand(makes_sense(event), "decode", text, event)

    def _damaged_frame(self) -> str:
        # The rare channels are many: taken alike, they would crowd out those that matter most.
        frames = self._catalogue if self._pick(3) == 0 else self._frames
        text = frames[self._pick(len(frames))]
        for _ in range(1 + self._pick(3)):
            text = self._damage(text)
        return text

    def _sealed(self) -> str:
        plain = self._plain[self._pick(len(self._plain))]
        for _ in range(self._pick(3)):
            plain = self._damage(plain)
        data = plain.encode("cp949" if self._pick(20) == 0 else "utf-8", "replace")
        pad = 16 - len(data) % 16
        if self._pick(10):
            data += bytes((pad,)) * pad
        else:
            data += bytes((self._pick(256),)) * pad
        encryptor = self._seal.encryptor()
        sealed = bytearray(encryptor.update(data) + encryptor.finalize())
        if self._pick(3) == 0:
            sealed[self._pick(len(sealed))] ^= 1 << self._pick(8)
        text = b64encode(sealed).decode()
        if self._pick(4) == 0:
            text = self._damage(text)
        channel = SEALED[self._pick(len(SEALED))]
        count = COUNTS[self._pick(len(COUNTS))] if self._pick(6) == 0 else "001"
        return f"1|{channel}|{count}|{text}"

    def _damage(self, text: str) -> str:
        at = self._pick(len(text) + 1)
        match self._pick(14):
            case 0 if at < len(text):
                return text[:at] + chr(ord(text[at]) ^ 1 << self._pick(7)) + text[at + 1 :]
            case 1:
                return text[:at]
            case 2:
                return text[at:]
            case 3:
                other = self._frames[self._pick(len(self._frames))]
                return text[:at] + other[self._pick(len(other)) :]
            case 4:
                return text[:at] + "^|"[self._pick(2)] + text[at:]
            case 5:
                parts = text.split("|", 3)
                parts[min(2, len(parts) - 1)] = COUNTS[self._pick(len(COUNTS))]
                return "|".join(parts)
            case 6:
                code = self._pick(0x110000) if self._pick(2) else self._pick(0x250)
                return text[:at] + chr(code) + text[at:]
            case 7:
                end = at + self._pick(40)
                return text[:at] + text[end:]
            case 8:
                end = at + self._pick(200)
                return text[:end] + text[at:]
            case kind:
                return self._damage_field(text, kind)

    def _damage_field(self, text: str, kind: int) -> str:
        fields = text.split("^")
        index = self._pick(len(fields))
        other = self._pick(len(fields))
        if kind == 9:
            fields[index], fields[other] = fields[other], fields[index]
        elif kind == 10:
            del fields[index]
        elif kind == 11:
            fields.insert(index, fields[other])
        else:
            fields[index] = FIELDS[self._pick(len(FIELDS))]
        return "^".join(fields)

    def _control(self) -> None:
        body = self._controls[self._pick(len(self._controls))]
        text = self._damaged_body(body).decode("utf-8", "replace")
        if self._pick(8) == 0:
            text = self._damage(text)
        session = self._session
        self._now += self._random.random() * 3
        self._try("control", text, lambda: session.control(text, self._now), BadData)
        self._try("next_request", text, lambda: session.next_request(self._now), ())
        self._try("wake_at", text, lambda: session.wake_at(self._now), ())
        if session.overdue(self._now) is not None or session.is_deaf or self._pick(100) == 0:
            session.closed()
            session.opened("key", self._now)

    # --- Bodies ---------------------------------------------------------------------------------

    def _damaged_body(self, body: Body) -> bytes:
        text = body.text
        edge = len(text)
        for _ in range(1 + self._pick(2)):
            kind = self._pick(10)
            spans = body.removable if kind < 2 else body.parts if kind < 4 else body.values
            if not spans:
                continue
            start, end = spans[self._pick(len(spans))]
            if end > edge:
                continue
            edge = start
            if kind < 2:
                new = b""
            elif kind < 4:
                new = text[start:end] + b"," + text[start:end]
            elif kind < 6:
                first, last = body.values[self._pick(len(body.values))]
                new = body.text[first:last]
            else:
                new = FRAGMENTS[self._pick(len(FRAGMENTS))]
            text = text[:start] + new + text[end:]
        return self._damage_bytes(text) if self._pick(8) == 0 else text

    def _damage_bytes(self, text: bytes) -> bytes:
        at = self._pick(len(text))
        match self._pick(6):
            case 0:
                return text[:at]
            case 1:
                return text[:at] + text[at + 1 + self._pick(30) :]
            case 2:
                return text.decode("utf-8", "replace").encode("cp949", "replace")
            case 3:
                return text + text[at:]
            case 4:
                return GARBAGE[self._pick(len(GARBAGE))]
            case _:
                flipped = bytes((text[at] ^ 1 << self._pick(8),)) if text else b""
                return text[:at] + flipped + text[at + 1 :]

    def _reply(self) -> None:
        name, body = self._bodies[self._pick(len(self._bodies))]
        raw = self._damaged_body(body)
        continuation = ("", "F", "M", " M")[self._pick(4)]
        response = HttpResponse(
            status=STATUSES[self._pick(7)], headers={"tr_cont": continuation}, body=raw
        )
        if name.startswith(("order", "rvsecncl", "err")) or self._pick(8) == 0:
            self._order(response)
        elif name.startswith(("access", "approval")):
            named = (TryLater, NeedsOperator, BadData)
            self._try("token", raw, lambda: replies.issued_token(response, RECEIVED), named)
            self._try("approval", raw, lambda: replies.issued_approval(response), named)
        else:
            refusals = (Refused, NeedsOperator)
            page = self._try("read_reply", raw, lambda: replies.read_reply(response), refusals)
            if isinstance(page, Reply):
                self._try("cursors", raw, lambda: replies.cursors(page), BadData)
                what = name if self._pick(10) else _READERS[self._pick(len(_READERS))][0]
                for start, read in _READERS:
                    if what.startswith(start):
                        self._try(what, raw, lambda read=read: read(page), BadData)  # type: ignore[misc]

    def _order(self, response: HttpResponse) -> None:
        """An order's answer is yes, a clear no, or unknown."""
        raw = response.body
        try:
            reply = replies.order_reply(response)
        except OutcomeUnknown:
            self.errors["OutcomeUnknown"] += 1
        except Refused as error:
            self.errors[type(error).__name__] += 1
            self._demand(clearly_refused(raw, error), "order_reply", raw, error)
        except Exception as error:
            cause = f"{type(error).__name__}: {str(error)[:200]}"
            raise Escaped(self.seed, self._case, "order_reply", raw, cause) from error
        else:
            self.errors["read"] += 1
            said = str(orjson.loads(raw)["rt_cd"]).strip()
            self._demand(said == "0", "order_reply", raw, reply)
            self._try("order_ref", raw, lambda: replies.order_ref(reply, DAY), OutcomeUnknown)
            self._try("order_mark", raw, lambda: retold.order_mark(reply), ())


def clearly_refused(raw: bytes, error: Refused) -> bool:
    """Whether a body says no in words of its own: a verdict and a code, and no order number."""
    body = orjson.loads(raw)
    code = str(body.get("msg_cd") or body.get("error_code")).strip()
    if isinstance(error, TryLater):
        return CODE_MEANINGS.get(code) in (CodeMeaning.RATE, CodeMeaning.TOKEN)
    output = body.get("output")
    numbered = isinstance(output, dict) and str(output.get("ODNO") or "").strip(" 0") != ""
    return str(body.get("rt_cd", "")).strip() not in ("", "0") and code != "" and not numbered


def makes_sense(event: object) -> bool:
    """Whether what was read could have happened."""
    match event:
        case Tick():
            return (
                0 < event.price < MOST
                and 0 <= event.quantity < MOST
                and 0 <= event.day_volume < MOST
            )
        case OrderBook():
            levels = (*event.bids, *event.asks)
            return all(0 < price < MOST and 0 < shares < MOST for price, shares in levels)
        case BrokerNotice():
            traded = event.kind is not NoticeKind.FILLED or (
                event.price is not None and event.quantity > 0
            )
            return traded and 0 <= event.quantity < MOST and event.number != ""
        case ExpectedPrice():
            return 0 < event.price < MOST and 0 <= event.quantity < MOST
        case MarketStatus():
            return event.halted or event.phase is not MarketPhase.HALTED
        case Record():
            same = len(event.columns) == len(event.values)
            return same and event.key != "" and event.instrument is not None
    return False


def bars() -> dict[str, object]:
    """A chart as the broker answers with, for days and for minutes."""
    prices = {"stck_oprc": "10", "stck_hgpr": "12", "stck_lwpr": "9", "stck_clpr": "11"}
    rows = [
        {
            **prices,
            "stck_bsop_date": f"202607{day:02}",
            "stck_cntg_hour": "090100",
            "stck_prpr": "11",
            "acml_vol": "5",
            "cntg_vol": "6",
        }
        for day in range(6, 11)
    ]
    return {"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "ok", "output2": [*rows, {}]}


_READERS: tuple[tuple[str, Callable[[Reply], object]], ...] = (
    ("balance", lambda page: replies.account_report([page], account=ACCOUNT, at=RECEIVED)),
    ("daily_ccld", lambda page: fold_orders(replies.rows(page, "output1"))),
    ("inquire_price", lambda page: replies.price_report(page, SAMSUNG)),
    ("inquire_asking", lambda page: replies.order_book(page, SAMSUNG, RECEIVED)),
    ("psbl_order", replies.orderable_cash),
    ("period_trade_profit", lambda page: profits.read([page], Region.KR, Listed(), ())),
    ("period_profit", lambda page: profits.read([page], Region.US, Listed(), ())),
    ("bars", lambda page: replies.daily_bars(page, SAMSUNG)),
    ("bars", lambda page: replies.minute_bars(page, SAMSUNG)),
)
