"""docs/logs.md as data, and what is wrong with a line by it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
    "any": (object,),
}


@dataclass(frozen=True)
class Entry:
    """A row of the tables of events."""

    event: str
    level: str
    needed: frozenset[str]
    optional: frozenset[str]
    korean: str
    english: str


def _rows(section: str) -> list[list[str]]:
    part = TEXT.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def _entry(row: list[str]) -> Entry:
    event, level, fields, korean, english = row
    optional = frozenset(re.findall(r"`(\w+)`\?", fields))
    every = frozenset(re.findall(r"`(\w+)`", fields))
    return Entry(event.strip("`"), level, every - optional, optional, korean, english)


EVENTS = {entry.event: entry for entry in map(_entry, _rows("사건 / Events"))}
FIELDS = {row[0].strip("`"): row[1] for row in _rows("필드 / Fields")}
ENVELOPE = frozenset(
    name for row in _rows("모든 줄에 / In every line") for name in re.findall(r"`([^`]+)`", row[0])
)
ALWAYS = frozenset(
    {
        *("@timestamp", "log.level", "message", "event.name", "log.logger", "event.sequence"),
        *("service.name", "service.version", "service.instance.id"),
    }
)


def problems(line: dict[str, Any]) -> list[str]:
    """What of a line the document does not know, or misses."""
    name = line.get("event.name", "")
    entry = EVENTS.get(name)
    if entry is None:
        return [f"{name}: not in docs/logs.md"]
    found = [f"{name}: no {each}" for each in sorted(ALWAYS - line.keys())]
    own = line.keys() - ENVELOPE
    found += [
        f"{name}: unknown field {each}" for each in sorted(own - entry.needed - entry.optional)
    ]
    found += [f"{name}: no field {each}" for each in sorted(entry.needed - own)]
    if not {"any", line["log.level"]} & set(entry.level.split()):
        found.append(f"{name}: level {line['log.level']}, not {entry.level}")
    for each in sorted(own & FIELDS.keys()):
        value = line[each]
        kind = FIELDS[each]
        wrong = kind != "any" and (
            not isinstance(value, TYPES[kind]) or (kind == "number" and isinstance(value, bool))
        )
        if wrong and not (value is None and each in entry.optional):
            found.append(f"{name}: {each} is {value!r}, not {kind}")
    return found
