"""Every command of an operator against a running daemon, and docs/control.md as it shows them.

With `CONTROL_TRANSCRIPT=FILE` the transcript of the run is written there, for the document.
"""

import asyncio
import os
import re
from pathlib import Path

import orjson
import pytest

from daemon import commands
from tests.e2e.process import ROOT, daemon_command, started

pytestmark = pytest.mark.e2e

DOCUMENT = ROOT / "docs" / "control.md"
WHY = "--reason 점검"
SESSION: tuple[tuple[str, int], ...] = (
    ("status", 0),
    ("strategies", 0),
    (f"submit --symbol 005930 --side buy --quantity 3 --price market {WHY}", 0),
    (f"submit --symbol 000660 --side buy --quantity 1 --price 180,000 {WHY}", 0),
    (f"submit --symbol 005930 --side buy --quantity 100000 --price market {WHY}", 1),
    ("orders --open", 0),
    ("orders --day", 0),
    ("positions", 0),
    (f"cancel all {WHY}", 0),
    (f"cancel 999 {WHY}", 1),
    (f"strategies stop breakout {WHY}", 0),
    ("strategies list", 0),
    (f"strategies start breakout {WHY}", 0),
    (f"strategies reload breakout {WHY}", 0),
    ("subscriptions", 0),
    ("budget", 0),
    ("token", 0),
    ("discrepancies", 0),
    (f"discrepancies accept {WHY}", 1),
    (f"reduce-only {WHY}", 0),
    (f"halt {WHY}", 0),
    (f"reduce-only {WHY}", 1),
    (f"resume {WHY}", 0),
    (f"arm {WHY}", 0),
    (f"flatten {WHY} --json", 0),
)


async def operator(folder: Path, words: str) -> tuple[int, list[str]]:
    """One command; returns its exit code and its lines."""
    flags = ("--mode", "sim", "--data-dir", str(folder), "--wait", "20")
    async with started("-m", "daemon", *words.split(), *flags) as command:
        code = await command.ended()
        await command.until(lambda each: each.process.returncode is not None)
    return code, command.lines


def shape(line: str) -> str:
    """What of a line does not change from run to run: its words."""
    return " ".join(re.findall(r"[가-힣]+|[A-Za-z_]{3,}", line))


def test_every_command_works_on_a_running_daemon_and_the_document_shows_it(
    tmp_path: Path,
) -> None:
    said: list[tuple[str, int, list[str]]] = []

    async def scenario() -> None:
        command = daemon_command(tmp_path, "--strategies", "breakout", "--sim-speed", "2")
        async with started(*command) as daemon:
            await daemon.seen("trading")
            for words, expected in SESSION:
                code, lines = await operator(tmp_path, words)
                assert code == expected, "\n".join([words, *lines])
                said.append((words, code, lines))
            asked = [each["act"] for each in daemon.named("operator_asked")]
            assert asked.count("submit") == 3
            assert {"halt", "resume", "arm", "flatten", "strategies reload"} <= set(asked)
            assert all(each["person"] for each in daemon.named("operator_asked"))
        code, lines = await operator(tmp_path, "status")
        assert code == commands.EXIT_NO_ANSWER, lines
        said.append(("status", code, lines))

    asyncio.run(scenario())
    told = orjson.loads(said[-2][2][-1])
    assert (told["v"], told["ok"], told["act"]) == (1, True, "flatten")
    transcript = os.environ.get("CONTROL_TRANSCRIPT")
    if transcript:
        write(Path(transcript), said, tmp_path)
    document = DOCUMENT.read_text(encoding="utf-8")
    known = {shape(line) for line in document.splitlines()}
    for words, code, lines in said:
        assert f"$ kis-daemon {words}\n" in document
        if code == 0 and not words.endswith("--json"):
            # What became of an order is another story in every run.
            heads = [line for line in lines if not line.startswith("지금")]
            assert all(shape(line) in known for line in heads[:1]), heads[0]


def write(path: Path, said: list[tuple[str, int, list[str]]], folder: Path) -> None:
    """The session as the document shows it."""
    with path.open("w", encoding="utf-8") as file:
        for words, code, lines in said:
            file.write(f"$ kis-daemon {words}\n")
            for line in lines:
                shown = line.replace(str(folder), "var").rstrip()
                if shown:
                    file.write(shown + "\n")
            file.write(f"# {code}\n\n" if code else "\n")


def test_every_command_is_in_the_document() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    for word in commands.COMMANDS:
        assert re.search(rf"kis-daemon {word}\b", document), word
