"""The stream's dialogue: registrations in, acknowledgements out, and who gets which channel.

Texts in, texts out; connections belong to the server.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from daemon.kis.channels import ALIASES, BY_TR_ID, Channel, NoSuchChannel, Subject, interest_of
from daemon.kis.spec import (
    BOOK_CHANNEL,
    NOTICE_CHANNELS,
    OVERSEAS_NOTICE_CHANNELS,
    TRADES_CHANNEL,
    WsCode,
)
from daemon.sim import frames_overseas
from daemon.sim.facts import OrderFact
from daemon.sim.frames import notice_frame, notice_record
from daemon.sim.keys import KeyOffice
from daemon.sim.options import Customer, SimulatorOptions
from daemon.sim.replies import encode
from daemon.sim.universe import Listing

_NOTICES = {channel: environment for environment, channel in NOTICE_CHANNELS.items()}
_OVERSEAS_NOTICES = tuple(OVERSEAS_NOTICE_CHANNELS.values())
_BUSY_CHANNELS = frozenset({TRADES_CHANNEL, BOOK_CHANNEL, *_NOTICES, *_OVERSEAS_NOTICES})
_NO_TR_ID = "(null)"


@dataclass(slots=True, eq=False)
class StreamSession:
    """One connection's registrations. `closing` asks the server to hang up.

    `others` are those besides KRX trades, books and order notices, always in the same order.
    """

    registered: set[tuple[str, str]] = field(default_factory=set)
    others: tuple[tuple[str, str], ...] = ()
    ciphers: dict[str, tuple[str, str]] = field(default_factory=dict)
    closing: bool = False
    unanswered: int = 0


class _Refused(Exception):
    def __init__(self, code: str, text: str, rt_cd: str = "1") -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.rt_cd = rt_cd


class StreamWire:
    """All stream sessions of one app key, of which only one at a time may register."""

    def __init__(self, customer: Customer, options: SimulatorOptions, keys: KeyOffice) -> None:
        self._hts_id = customer.hts_id
        self._options = options
        self._keys = keys
        self._codes = {listing.code for listing in options.listings}
        self._holder: StreamSession | None = None

    @property
    def holder(self) -> StreamSession | None:
        """The session that holds the app key's one place."""
        return self._holder

    def wants(self, channel: str, key: str) -> bool:
        """Whether anybody has registered `key` on `channel`."""
        return self._holder is not None and (channel, key) in self._holder.registered

    @property
    def others(self) -> tuple[tuple[str, str], ...]:
        """What the holder has besides KRX trades, books and order notices."""
        return self._holder.others if self._holder is not None else ()

    def leave(self, session: StreamSession) -> None:
        """The connection is gone: its place is free again."""
        if self._holder is session:
            self._holder = None

    def receive(self, session: StreamSession, text: str, now: datetime) -> list[str]:
        """Answer one text frame of a client."""
        try:
            message = orjson.loads(text)
        except ValueError:
            return [_reply(_NO_TR_ID, "", "9", WsCode.BAD_JSON, "JSON PARSING ERROR")]
        header = message.get("header") if isinstance(message, dict) else None
        if not isinstance(header, dict):
            return [_reply(_NO_TR_ID, "", "9", WsCode.BAD_JSON, "JSON PARSING ERROR : header")]
        if header.get("tr_id") == "PINGPONG":
            session.unanswered = 0
            return []
        tr_id, tr_key = _wanted(message.get("body"))
        try:
            return [self._register(session, header, tr_id, tr_key, now)]
        except _Refused as refused:
            shown = _NO_TR_ID if refused.code == WsCode.KEY_IN_USE else tr_id
            return [_reply(shown or _NO_TR_ID, tr_key, refused.rt_cd, refused.code, refused.text)]

    def answered_ping(self, session: StreamSession) -> None:
        """A pong control frame counts like an echoed PINGPONG text."""
        session.unanswered = 0

    def pingpong(self, now: datetime) -> str:
        """The application heartbeat of the simulated instant `now`."""
        local = (now + timedelta(hours=9)).strftime("%Y%m%d%H%M%S")
        return encode({"header": {"tr_id": "PINGPONG", "datetime": local}}).decode()

    def notices(self, fact: OrderFact, name: str) -> list[str]:
        """The frames that tell the holder of an order fact, one per notice channel it has."""
        session = self._holder
        if session is None:
            return []
        frames = []
        for channel, environment in _NOTICES.items():
            if (channel, self._hts_id) in session.registered:
                record = notice_record(
                    fact, hts_id=self._hts_id, name=name, environment=environment
                )
                frames.append(notice_frame(record, environment, *session.ciphers[channel]))
        return frames

    def overseas_notices(self, fact: OrderFact, listing: Listing) -> list[str]:
        """The frames that tell the holder of an order fact of a US market."""
        session = self._holder
        if session is None:
            return []
        hts_id = self._hts_id
        return [
            frames_overseas.notice_frame(
                frames_overseas.notice_record(fact, hts_id=hts_id, listing=listing),
                channel,
                *session.ciphers[channel],
            )
            for channel in _OVERSEAS_NOTICES
            if (channel, hts_id) in session.registered
        ]

    def _register(
        self,
        session: StreamSession,
        header: Mapping[str, object],
        tr_id: str,
        tr_key: str,
        now: datetime,
    ) -> str:
        self._check(session, header, tr_id, tr_key, now)
        removing = header["tr_type"] == "2"
        wanted = (tr_id, tr_key)
        if removing and wanted not in session.registered:
            raise _Refused(WsCode.NOT_SUBSCRIBED, "UNSUBSCRIBE ERROR(not found!)")
        if not removing and wanted in session.registered:
            raise _Refused(WsCode.ALREADY_SUBSCRIBED, "ALREADY IN SUBSCRIBE")
        if not removing and len(session.registered) >= self._options.registrations:
            raise _Refused(WsCode.TOO_MANY, "MAX SUBSCRIBE OVER")
        if removing:
            session.registered.discard(wanted)
            code, text = WsCode.UNSUBSCRIBED, "UNSUBSCRIBE SUCCESS"
            pair = session.ciphers[tr_id]
        else:
            session.registered.add(wanted)
            code, text = WsCode.SUBSCRIBED, "SUBSCRIBE SUCCESS"
            pair = session.ciphers[tr_id] = self._keys.cipher_pair()
        session.others = tuple(
            sorted(each for each in session.registered if each[0] not in _BUSY_CHANNELS)
        )
        key, iv = pair
        return _reply(tr_id, tr_key, "0", code, text, {"iv": iv, "key": key})

    def _check(
        self,
        session: StreamSession,
        header: Mapping[str, object],
        tr_id: str,
        tr_key: str,
        now: datetime,
    ) -> None:
        approval = header.get("approval_key")
        if not isinstance(approval, str) or not self._keys.knows_approval(approval, now):
            raise _Refused(WsCode.BAD_APPROVAL, "invalid approval : NOT FOUND", "9")
        if self._holder is not None and self._holder is not session:
            session.closing = True
            raise _Refused(WsCode.KEY_IN_USE, "ALREADY IN USE appkey", "9")
        self._holder = session
        if header.get("custtype") not in ("P", "B"):
            raise _Refused(WsCode.BAD_CUSTOMER_TYPE, "invalid custtype")
        if header.get("tr_type") not in ("1", "2"):
            raise _Refused(WsCode.BAD_TR_TYPE, "invalid tr_type")
        channel = _channel(tr_id)
        if channel is None:
            raise _Refused(WsCode.BAD_TR_ID, "invalid tr_id")
        if not tr_key:
            raise _Refused(WsCode.BAD_TR_KEY, "invalid tr_key")
        if not self._names_something(channel, tr_key):
            raise _Refused(WsCode.BAD_TR_KEY_VALUE, "invalid tr_key : NOT FOUND")

    def _names_something(self, channel: Channel, tr_key: str) -> bool:
        """Stocks must be listed here; of everything else any name of the right form will do."""
        if channel.subject is Subject.CUSTOMER:
            return tr_key == self._hts_id
        if channel.id.startswith("domestic_stock.") and channel.subject is Subject.STOCK:
            return tr_key in self._codes
        try:
            interest_of(channel.tr_id, tr_key)
        except NoSuchChannel:
            return False
        return True


def approval_in(text: str) -> str:
    """The stream key that a client's message shows, empty for one without."""
    try:
        header = orjson.loads(text)["header"]
        return str(header["approval_key"])
    except (ValueError, KeyError, TypeError):
        return ""


def _channel(tr_id: str) -> Channel | None:
    """The channel of a TR id; the guide's other names are not known on the wire."""
    return None if tr_id in ALIASES else BY_TR_ID.get(tr_id)


def _wanted(body: object) -> tuple[str, str]:
    inner = body.get("input") if isinstance(body, dict) else None
    if not isinstance(inner, dict):
        return "", ""
    tr_id, tr_key = inner.get("tr_id"), inner.get("tr_key")
    return (
        tr_id if isinstance(tr_id, str) else "",
        tr_key if isinstance(tr_key, str) else "",
    )


def _reply(
    tr_id: str,
    tr_key: str,
    rt_cd: str,
    code: str,
    text: str,
    output: Mapping[str, str] | None = None,
) -> str:
    body: dict[str, object] = {"rt_cd": rt_cd, "msg_cd": str(code), "msg1": text}
    if output is not None:
        body["output"] = dict(output)
    # Both letters are documented for notices; the official sample deciphers only after "Y".
    channel = _channel(tr_id)
    encrypt = "Y" if channel is not None and channel.encrypted else "N"
    header = {"tr_id": tr_id, "tr_key": tr_key, "encrypt": encrypt}
    return encode({"header": header, "body": body}).decode()
