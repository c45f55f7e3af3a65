"""What a bad day at the broker or on the way does to its replies and frames. Pure functions."""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from daemon.core.values import Region
from daemon.kis.spec import NOTICE_CHANNELS, OVERSEAS_NOTICE_CHANNELS, Api
from daemon.sim.replies import RATE_EXCEEDED, WireReply, WireRequest, encode

_TIMEOUTS = (
    ("EGW00300", "Gateway Routing Error", 500),
    ("EGW00301", "Connection Timeout", 504),
    ("EGW00302", "Transaction Timeout", 504),
    ("EGW00303", "Gateway System Error", 500),
)
_NUMBER = re.compile(r"-*[0-9]+(?:\.[0-9]+)?")
_ROWS = "output1"
_ABROAD = "/uapi/overseas-stock/v1/trading"
_ORDERS = frozenset(
    (Api.BUY.path, Api.MODIFY_CANCEL.path, f"{_ABROAD}/order", f"{_ABROAD}/order-rvsecncl")
)
_ORDER_LISTS = frozenset(
    (Api.DAY_ORDERS.path, f"{_ABROAD}/inquire-ccnl", f"{_ABROAD}/inquire-nccs")
)
_BALANCES = frozenset(
    (Api.BALANCE.path, f"{_ABROAD}/inquire-balance", f"{_ABROAD}/inquire-present-balance")
)
_NOTICES = (
    (Region.KR, tuple(NOTICE_CHANNELS.values())),
    (Region.US, tuple(OVERSEAS_NOTICE_CHANNELS.values())),
)


def region_of(request: WireRequest) -> Region:
    """Whose orders, money or holdings a request about an account concerns."""
    return Region.US if request.path.startswith(_ABROAD) else Region.KR


def is_order(request: WireRequest) -> bool:
    """Whether a request places, modifies or cancels."""
    return request.path in _ORDERS


def is_order_list(request: WireRequest) -> bool:
    """Whether a request asks for the list of the day's orders."""
    return request.path in _ORDER_LISTS


def is_balance(request: WireRequest) -> bool:
    """Whether a request asks for cash and holdings."""
    return request.path in _BALANCES


def is_token(request: WireRequest) -> bool:
    """Whether a request asks for an access token."""
    return request.path == Api.TOKEN.path


def is_confirmed(reply: WireReply) -> bool:
    """Whether a reply says that what was asked for was done."""
    return reply.status == 200 and is_success(reply.body)


def is_success(body: bytes) -> bool:
    """Whether a body can be read and says that all went well."""
    try:
        told = orjson.loads(body)
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("rt_cd") == "0"


def is_first_page(request: WireRequest) -> bool:
    """Whether a request does not go on with an answer of more pages."""
    return request.headers.get("tr_cont", "") != "N"


def is_last_page(headers: Mapping[str, str]) -> bool:
    """Whether nothing follows a page with these headers."""
    return headers.get("tr_cont", "") not in ("F", "M")


def too_many_requests() -> WireReply:
    """The gateway refuses for rate, whatever the door counted."""
    return _gateway(*RATE_EXCEEDED, 500)


def token_too_soon() -> WireReply:
    """No second token within a minute."""
    text = "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)"
    body = encode({"error_description": text, "error_code": "EGW00133"})
    return WireReply(status=403, body=body)


def gateway_timeout(random: Random) -> WireReply:
    """The gateway lost the thread: whether the order went through it does not say."""
    return _gateway(*random.choice(_TIMEOUTS))


def server_error(random: Random) -> WireReply:
    """What a proxy says when the server behind it does not: no JSON."""
    status = random.choice((500, 502, 503))
    body = random.choice((b"", b"<html><body>Bad Gateway</body></html>", b"upstream error"))
    return WireReply(status=status, body=body)


def garbled(reply: WireReply, random: Random) -> WireReply:
    """A body of the right length and the wrong bytes."""
    body = bytearray(reply.body)
    for _ in range(1 + len(body) // 40):
        body[random.randrange(len(body))] = random.randrange(256)
    body[0] = 0x3C
    return replace(reply, body=bytes(body))


def truncated(reply: WireReply, random: Random) -> WireReply:
    """A body cut short."""
    return replace(reply, body=reply.body[: random.randrange(len(reply.body))])


def without_some_rows(reply: WireReply, random: Random) -> WireReply:
    """A page with a hole: a run of rows is missing and nothing says so."""
    body = orjson.loads(reply.body)
    # The lists of orders abroad have a name of their own.
    name = _ROWS if _ROWS in body else "output"
    rows = body.get(name)
    if not isinstance(rows, list) or not rows:
        return reply
    first = random.randrange(len(rows))
    last = first + 1 + random.randrange(len(rows) - first)
    body[name] = rows[:first] + rows[last:]
    return replace(reply, body=encode(body))


def emptied(reply: WireReply, random: Random) -> WireReply:
    """A balance without holdings, sometimes with totals of zero as well, and no error."""
    body = orjson.loads(reply.body)
    if _ROWS not in body:
        return reply
    body[_ROWS] = []
    if random.random() < 0.5 and body.get("output2"):
        told = body["output2"]
        if isinstance(told, list):
            body["output2"] = [_zeroed(totals) for totals in told]
        else:
            body["output2"] = _zeroed(told)
    return replace(reply, body=encode(body))


def _zeroed(totals: Mapping[str, str]) -> dict[str, str]:
    return {name: "0" if _NUMBER.fullmatch(value) else value for name, value in totals.items()}


def is_notice(frame: str) -> bool:
    """Whether a frame tells of an order."""
    return frame.startswith("1|")


def is_subscription_answer(frame: str) -> bool:
    """Whether a text answers a registration."""
    return frame.startswith("{") and "PINGPONG" not in frame[:60]


def confirmed_notices(frame: str) -> Region | None:
    """Whose order notices a text confirms to come, if it does."""
    if not is_subscription_answer(frame) or '"rt_cd":"0"' not in frame:
        return None
    for region, channels in _NOTICES:
        if any(channel in frame for channel in channels):
            return region
    return None


def market_code(frame: str) -> str:
    """The instrument a frame of market data is about; empty for any other message."""
    if frame[:2] != "0|":
        return ""
    return frame.split("|", 3)[3].partition("^")[0]


def releases(text: str, code: str) -> bool:
    """Whether a client's message gives a registration of the instrument up."""
    message = orjson.loads(text)
    given = message.get("body", {}).get("input", {})
    return bool(message["header"].get("tr_type") == "2" and given.get("tr_key") == code)


def refused_subscription(frame: str) -> str:
    """A confirmation turned into an internal error."""
    answer = orjson.loads(frame)
    if answer.get("body", {}).get("rt_cd") != "0":
        return frame
    answer["body"] = {"rt_cd": "1", "msg_cd": "OPSP0007", "msg1": "SUBSCRIBE INTERNAL ERROR"}
    return encode(answer).decode()


def widened(frame: str, ciphers: Mapping[str, tuple[str, str]], random: Random) -> str:
    """A frame whose records have columns nobody announced."""
    if frame[:2] not in ("0|", "1|"):
        return frame
    kind, channel, count, text = frame.split("|", 3)
    extra = "^NEW" * random.randint(1, 3)
    if kind == "1":
        pair = ciphers[channel]
        return f"1|{channel}|{count}|{_sealed(_opened(text, pair) + extra, pair)}"
    columns = text.split("^")
    width = len(columns) // int(count)
    records = [columns[at : at + width] for at in range(0, len(columns), width)]
    return f"0|{channel}|{count}|" + "^".join("^".join(each) + extra for each in records)


def cut(frame: str, random: Random) -> str:
    """The first part of a frame."""
    return frame[: random.randrange(1, len(frame))]


def _gateway(code: str, text: str, status: int) -> WireReply:
    body = encode({"rt_cd": "1", "msg_cd": code, "msg1": text})
    return WireReply(status=status, body=body)


def _cipher(pair: tuple[str, str]) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(pair[0].encode()), modes.CBC(pair[1].encode()))


def _opened(sealed: str, pair: tuple[str, str]) -> str:
    decryptor = _cipher(pair).decryptor()
    padded = decryptor.update(b64decode(sealed)) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    return (unpadder.update(padded) + unpadder.finalize()).decode()


def _sealed(text: str, pair: tuple[str, str]) -> str:
    padder = PKCS7(128).padder()
    data = padder.update(text.encode()) + padder.finalize()
    encryptor = _cipher(pair).encryptor()
    return b64encode(encryptor.update(data) + encryptor.finalize()).decode()
