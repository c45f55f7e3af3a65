"""The decoder alone against others on the same frames; no loop, no sockets."""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench import figures
from bench.broker import trade
from bench.rig import CREDENTIALS, market_clock
from daemon.kis.frames import FrameDecoder

FOREIGN = """
import json, sys, time
from pykis.api.websocket import WEBSOCKET_RESPONSES_MAP
from pykis.responses.websocket import KisWebsocketResponse
for line in sys.stdin:
    frames = json.loads(line)
    started = time.process_time()
    for frame in frames:
        _, name, count, body = frame.split("|", 3)
        kind = WEBSOCKET_RESPONSES_MAP[name]
        for _ in KisWebsocketResponse.parse(body, count=int(count), response_type=kind):
            pass
    print((time.process_time() - started) / len(frames) * 1e6, flush=True)
"""
"""What python-kis does with a message, without its dispatch to listeners."""


class Plain:
    """What a script of one's own would make of a trade: the columns that a tick has, as numbers."""

    __slots__ = ("aggressor", "code", "day_volume", "price", "quantity", "time")

    def __init__(
        self, code: str, time: str, price: int, quantity: int, day_volume: int, aggressor: str
    ) -> None:
        self.code = code
        self.time = time
        self.price = price
        self.quantity = quantity
        self.day_volume = day_volume
        self.aggressor = aggressor


def plain(frame: str) -> Plain:
    """Split it all, keep six columns of a single record; nothing is checked."""
    fields = frame.split("|", 3)[3].split("^")
    return Plain(fields[0], fields[1], int(fields[2]), int(fields[12]), int(fields[13]), fields[21])


def _microseconds(decode: Callable[..., object], frames: Sequence[str], *more: object) -> float:
    """Processor time of a frame, the call included."""
    started = time.process_time()
    for frame in frames:
        decode(frame, *more)
    return (time.process_time() - started) / len(frames) * 1e6


class Foreign:
    """python-kis in an interpreter that can import it."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-c", FOREIGN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def microseconds(self, frames: Sequence[str]) -> float | None:
        """A frame's cost, `None` when the package is not there."""
        assert self._process.stdin is not None, "it is a pipe"
        assert self._process.stdout is not None, "it is a pipe"
        try:
            self._process.stdin.write(json.dumps(list(frames)) + "\n")
            self._process.stdin.flush()
            return float(self._process.stdout.readline())
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def decode_arms(frames: int, repeats: int, foreign: str | None) -> dict[str, Any]:
    """Microseconds a frame and ratios of rates; python-kis's are `None` where it is missing."""
    texts = [trade(number, codes=20) for number in range(1, frames + 1)]
    decoder, now = FrameDecoder(CREDENTIALS.account), market_clock().now()
    arms: dict[str, Callable[[], float]] = {
        "ours": lambda: _microseconds(decoder.decode, texts, now),
        "plain": lambda: _microseconds(plain, texts),
        "split": lambda: _microseconds(str.split, texts, "^"),
    }
    other = Foreign(foreign) if foreign else None
    few = texts[: max(frames // 10, 100)]
    there = other is not None and other.microseconds(few) is not None
    if other is not None and there:
        arms["python_kis"] = lambda: other.microseconds(few) or 0.0
    found = figures.interleave(arms, repeats)
    if other is not None:
        other.close()
    return {
        "microseconds": {name: figures.middle(each) for name, each in found.items()},
        "rate_to_plain": figures.ratio(found["plain"], found["ours"]),
        "times_faster_than_python_kis": (
            round(figures.ratio(found["python_kis"], found["ours"]), 1) if there else None
        ),
    }
