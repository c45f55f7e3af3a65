"""What the tape costs: `uv run python bench/tape.py`.

On frames of the simulated market as the real feed received them: nanoseconds to record one,
against decoding it; processor time to compress and write a thousand, and how small they get in
writes of a second at several paces; for how long the writing thread keeps the one that trades from
running. Prints one JSON line.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

# Beside the tests, which know how to record; not installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

from daemon.core.values import AccountId
from daemon.kis.frames import FrameDecoder
from daemon.store.tape import TapeSettings, TapeWriter
from daemon.store.tapefile import TapeFrame, frame_line, read_tape
from tests.lab.recording import record
from tests.lab.scene import Scene

SETTINGS = TapeSettings(keep_free_mib=0)
PACES = (10, 100, 1_000, 5_000)
"""Frames a second."""

PIECE = 32 * 1024


def ns_each(work: Callable[[str | bytes, datetime], object], frames: Sequence[TapeFrame]) -> float:
    """Nanoseconds a frame."""
    began = time.perf_counter()
    for at, frame in frames:
        work(frame, at)
    return (time.perf_counter() - began) / len(frames) * 1e9


def nothing(frame: str | bytes, at: datetime) -> None:
    """What calling alone costs."""


def hot_path(frames: Sequence[TapeFrame], repeats: int) -> dict[str, float]:
    """Recording, and decoding the same frames; what calling alone costs is taken off."""
    data = [frame for frame in frames if str(frame.frame)[:2] == "0|"][:10_000]
    figures: dict[str, list[float]] = {"record_ns": [], "decode_ns": []}
    for _ in range(repeats):
        tape = TapeWriter(Path("nowhere"), SETTINGS)
        decoder: Any = FrameDecoder(AccountId("12345678-01"))
        calling = ns_each(nothing, data)
        figures["record_ns"].append(ns_each(tape.record, data) - calling)
        figures["decode_ns"].append(ns_each(decoder.decode, data) - calling)
        assert tape.stats.dropped == 0
    medians = {name: round(median(values)) for name, values in figures.items()}
    return {**medians, "record_to_decode": round(medians["record_ns"] / medians["decode_ns"], 3)}


def written(frames: Sequence[TapeFrame], pace: int) -> dict[str, float]:
    """A write for every second of frames at `pace`: processor time and size."""
    frames = frames[: max(pace * 4, 2_000)]
    with tempfile.TemporaryDirectory() as folder:
        tape = TapeWriter(Path(folder) / "tape", SETTINGS)
        spent = 0.0
        for start in range(0, len(frames), pace):
            for at, frame in frames[start : start + pace]:
                tape.record(frame, at)
            began = time.process_time()
            tape.flush()
            spent += time.process_time() - began
        tape.close()
        (path,) = tape.folder.iterdir()
        raw = sum(len(frame.frame) for frame in frames)
        size = path.stat().st_size
        began = time.perf_counter()
        assert sum(1 for _ in read_tape(path)) == len(frames)
        reading = time.perf_counter() - began
    return {
        "ratio": round(raw / size, 2),
        "bytes_a_frame": round(size / len(frames), 1),
        "ms_a_thousand": round(spent / len(frames) * 1e6, 2),
        "read_us_a_frame": round(reading / len(frames) * 1e6, 2),
    }


def held(frames: Sequence[TapeFrame]) -> list[float]:
    """Microseconds of processor time between two points where the writing thread lets others run:

    the making of a piece's lines, before it is compressed without holding the interpreter.
    """
    stretches: list[float] = []
    size, began = 0, time.thread_time()
    for at, frame in frames:
        size += len(frame_line(at, frame))
        if size >= PIECE:
            stretches.append((time.thread_time() - began) * 1e6)
            size, began = 0, time.thread_time()
    return sorted(stretches)


def market(seconds: float) -> list[TapeFrame]:
    """The frames of a stretch of the simulated market."""

    async def script(scene: Scene) -> None:
        await asyncio.sleep(seconds)

    return record(script).frames


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--market-seconds", type=float, default=1_800.0)
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    recorded = market(arguments.market_seconds)
    frames = list(islice(cycle(recorded), 20_000))
    stretches = held(frames)
    figures = {
        "frames": len(recorded),
        "letters_a_frame": round(sum(len(each.frame) for each in recorded) / len(recorded)),
        **hot_path(frames, arguments.repeats),
        "frames_a_second": {str(pace): written(frames, pace) for pace in PACES},
        "held_us": {
            "median": round(median(stretches)),
            "p99": round(stretches[int(len(stretches) * 0.99)]),
        },
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
