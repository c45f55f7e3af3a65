"""A script's orders through a daemon: what is certain, what is not, and one order an order."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from daemon.core.errors import OutcomeUnknown, Refused
from daemon.core.values import InstrumentId
from daemon.kis.through import DaemonOrders
from daemon.ops.client import ControlClient

SAMSUNG = InstrumentId("krx:005930")
ORDER = {
    "id": "20261102-0001",
    "state": "working",
    "side": "buy",
    "quantity": 3,
    "price": "71000",
    "number": "17",
    "branch": "06010",
    "day": "2026-11-02",
}
DONE = (200, {"v": 1, "ok": True, "result": {"order": ORDER}})
Answer = tuple[int, dict[str, Any]] | None


@contextmanager
def daemon(path: Path, *answers: Answer) -> Iterator[list[dict[str, Any]]]:
    """Answers one request after another, `None` by hanging up; yields what was asked."""
    asked: list[dict[str, Any]] = []

    def serve() -> None:
        for answer in answers:
            connection, _ = listening.accept()
            with connection:
                text = connection.recv(65_536)
                while b"\r\n\r\n" not in text or not text.endswith(b"}"):
                    text += connection.recv(65_536)
                asked.append(orjson.loads(text.partition(b"\r\n\r\n")[2]))
                if answer is not None:
                    body = orjson.dumps(answer[1])
                    head = f"HTTP/1.1 {answer[0]} X\r\nContent-Length: {len(body)}\r\n\r\n"
                    connection.sendall(head.encode() + body)
        listening.close()

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join()


def place(path: Path, **changes: Any) -> Any:
    orders = DaemonOrders(ControlClient(path))
    wish = {"instrument": SAMSUNG, "action": "BUY", "quantity": 3, "price": 71_000, **changes}
    return asyncio.run(orders.place(**wish))


def refusal(status: int, code: str) -> Answer:
    error = {"code": code, "field": "", "problem": "no", "fix": "do"}
    return status, {"v": 1, "ok": False, "error": error}


def test_an_order_is_worded_for_the_daemon_and_read_back(tmp_path: Path) -> None:
    with daemon(tmp_path / "s", DONE) as asked:
        placed = place(tmp_path / "s")
    assert (placed.order_no, placed.branch, placed.ticker) == ("17", "06010", "005930")
    assert (placed.action, placed.quantity, placed.price) == ("BUY", 3, Decimal(71_000))
    assert placed.day.isoformat() == "2026-11-02"
    [body] = asked
    assert {name: body[name] for name in ("instrument", "side", "quantity", "price", "owner")} == {
        "instrument": "krx:005930",
        "side": "buy",
        "quantity": 3,
        "price": "71000",
        "owner": "script",
    }


@pytest.mark.parametrize("price", [None, 0, "0", 0.0])
def test_no_price_is_at_market(tmp_path: Path, price: object) -> None:
    with daemon(tmp_path / "s", DONE) as asked:
        place(tmp_path / "s", price=price)
    assert "price" not in asked[0]


def test_a_lost_answer_is_asked_for_again_by_the_same_request(tmp_path: Path) -> None:
    with daemon(tmp_path / "s", None, None, DONE) as asked:
        assert place(tmp_path / "s").order_no == "17"
    assert len({each["request"] for each in asked}) == 1
    with (
        daemon(tmp_path / "t", None),
        pytest.raises(OutcomeUnknown),
    ):
        place(tmp_path / "t")


def test_a_refusal_is_certain_and_what_goes_on_is_not(tmp_path: Path) -> None:
    with daemon(tmp_path / "a", refusal(409, "DENIED")), pytest.raises(Refused) as caught:
        place(tmp_path / "a")
    assert caught.value.code == "DENIED"
    with daemon(tmp_path / "b", refusal(504, "NOT_DONE_YET")), pytest.raises(OutcomeUnknown):
        place(tmp_path / "b")
    doubted = {**ORDER, "state": "in_doubt", "number": None}
    answer = (200, {"v": 1, "ok": True, "result": {"order": doubted}})
    with daemon(tmp_path / "c", answer), pytest.raises(OutcomeUnknown, match="in_doubt"):
        place(tmp_path / "c")
    with pytest.raises(Refused) as nobody:
        place(tmp_path / "d")
    assert nobody.value.code == "NO_DAEMON"


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "FATAL"), (500, "BUG"), (504, "NOT_DONE_YET"), (409, "OUTCOME_UNKNOWN")],
)
def test_a_daemon_that_broke_or_ended_after_it_began_proves_nothing(
    tmp_path: Path, status: int, code: str
) -> None:
    with daemon(tmp_path / "s", refusal(status, code)), pytest.raises(OutcomeUnknown, match=code):
        place(tmp_path / "s")


def test_a_daemon_too_busy_to_begin_certainly_did_nothing(tmp_path: Path) -> None:
    with daemon(tmp_path / "s", refusal(503, "BUSY")), pytest.raises(Refused) as caught:
        place(tmp_path / "s")
    assert caught.value.code == "BUSY"
