"""Control messages of the stream, read: heartbeats, and answers to registrations."""

from datetime import datetime
from typing import NamedTuple

import orjson

from daemon.core.errors import BadData
from daemon.kis.channels import BY_TR_ID
from daemon.kis.fields import day_of, instant_of
from daemon.kis.frames import NoticeCipher
from daemon.kis.spec import WsCode


class Ping(NamedTuple):
    """The broker's heartbeat, to be answered with its own text; it tells the time, if readable."""

    text: str
    told_at: datetime | None = None


class Ack(NamedTuple):
    """A registration is now active, or gone; `cipher` opens what comes, where it is sealed.

    Answers for plain channels carry a key too, which is never used.
    """

    channel: str
    key: str
    active: bool
    cipher: NoticeCipher | None


class Refusal(NamedTuple):
    """A request or the whole session was refused; `channel` may be the text `(null)`."""

    channel: str
    key: str
    code: str
    reason: str


Control = Ping | Ack | Refusal

_ACTIVE = frozenset({WsCode.SUBSCRIBED, WsCode.ALREADY_SUBSCRIBED})
_GONE = frozenset({WsCode.UNSUBSCRIBED, WsCode.NOT_SUBSCRIBED})


def _instant(text: str) -> datetime | None:
    """The UTC instant of a YYYYMMDDHHMMSS in KST."""
    try:
        return instant_of(day_of(text[:8], "datetime"), text[8:], "datetime")
    except BadData:
        return None


def decode_control(text: str) -> Control:
    """A JSON message of the stream; raises `BadData`."""
    try:
        message = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise BadData("not JSON", raw=text) from None
    header = message.get("header") if isinstance(message, dict) else None
    if not isinstance(header, dict):
        raise BadData("no header", field="header", raw=text)
    if header.get("tr_id") == "PINGPONG":
        return Ping(text, _instant(_word(header, "datetime")))
    body = message.get("body")
    if not isinstance(body, dict):
        raise BadData("no body", field="body", raw=text)
    channel, key = _word(header, "tr_id"), _word(header, "tr_key")
    code = _word(body, "msg_cd")
    if code in _ACTIVE:
        known = BY_TR_ID.get(channel)
        sealed = known is not None and known.encrypted
        return Ack(channel, key, True, _cipher(body.get("output")) if sealed else None)
    if code in _GONE:
        return Ack(channel, key, False, None)
    if not code:
        raise BadData("no code", field="msg_cd", raw=text)
    return Refusal(channel, key, code, _word(body, "msg1"))


def _word(holder: dict[str, object], field: str) -> str:
    value = holder.get(field)
    return value.strip()[: BadData.RAW_LIMIT] if isinstance(value, str) else ""


def _cipher(output: object) -> NoticeCipher | None:
    if not isinstance(output, dict):
        return None
    key, iv = output.get("key"), output.get("iv")
    if not isinstance(key, str) or not isinstance(iv, str) or not key or not iv:
        return None
    return NoticeCipher(key, iv)
