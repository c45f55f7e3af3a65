"""Replies of catalogue calls as light records: raw texts, read by kind when they are asked for."""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

from daemon.core.errors import BadData, Refused
from daemon.kis.catalog import Field, Kind, RestApi, Shape
from daemon.kis.fields import day_of, decimal_or_none
from daemon.kis.replies import Reply

Value = Decimal | int | date | str | bool | None

_FRAME = ("rt_cd", "msg_cd", "msg1")


def read(text: str, kind: Kind) -> Value:
    """A text as what its kind says; blank is `None`, and what cannot be read so stays a text.

    Counts are `int` when they are whole, other numbers `Decimal`; flags are `bool`; times of
    day stay texts, since the market they are local to is the caller's to know.
    """
    stripped = text.strip()
    if not stripped:
        return None
    if kind is Kind.FLAG:
        return {"Y": True, "N": False}.get(stripped, stripped)
    try:
        if kind is Kind.DATE:
            return day_of(stripped, "")
        if kind.is_number:
            number = decimal_or_none(stripped, "")
            if number is not None and kind is Kind.QUANTITY and number == int(number):
                return int(number)
            return number
    except BadData:
        pass
    return stripped


class Row(Mapping[str, Value]):
    """One record of a reply: `row["stck_prpr"]` or `row.stck_prpr` is its value by kind.

    Names count in any case. Fields that the catalogue does not know are texts.
    """

    __slots__ = ("_names", "_raw", "_spec")

    def __init__(self, raw: Mapping[str, object], spec: Mapping[str, Field]) -> None:
        self._raw = {name: _scalar(value) for name, value in raw.items()}
        self._names = {name.lower(): name for name in self._raw}
        self._spec = spec

    def __getitem__(self, name: str) -> Value:
        known = self._spec.get(name.lower())
        return read(self.text(name), known.kind if known else Kind.TEXT)

    def __getattr__(self, name: str) -> Value:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __repr__(self) -> str:
        return f"Row({dict(self)!r})"

    def text(self, name: str) -> str:
        """The value as it came; raises `KeyError` when there is no such field."""
        return self._raw[self._names[name.lower()]]

    def label(self, name: str) -> str:
        """The Korean name of a field, or its own where none is known."""
        known = self._spec.get(name.lower())
        return known.label if known else name

    def kind(self, name: str) -> Kind:
        """How a field is read."""
        known = self._spec.get(name.lower())
        return known.kind if known else Kind.TEXT

    def to_dict(self, *, labels: bool = False) -> dict[str, Value]:
        """All values by wire names, or by Korean labels (the name added where two share one)."""
        if not labels:
            return dict(self)
        told: dict[str, Value] = {}
        for name, value in self.items():
            label = self.label(name)
            told[label if label not in told else f"{label} ({name})"] = value
        return told


def _scalar(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value)


@dataclass(frozen=True, slots=True)
class _Part:
    rows: tuple[Row, ...]
    is_list: bool


@dataclass(frozen=True)
class Result:
    """One page, or several joined: `result.output1` is a list of rows, or one row.

    `complete` is false when the page limit ended the asking before the broker had told all.
    """

    api: RestApi
    tr_id: str
    replies: tuple[Reply, ...] = field(repr=False)
    complete: bool = True
    note: str = ""

    @property
    def code(self) -> str:
        """The broker's code of the last page."""
        return _scalar(self.replies[-1].body.get("msg_cd")).strip()

    @property
    def message(self) -> str:
        """The broker's words of the last page."""
        return _scalar(self.replies[-1].body.get("msg1")).strip()

    @property
    def has_more(self) -> bool:
        """Whether the broker holds further pages."""
        paging = self.api.paging
        return paging is not None and self.replies[-1].continuation in paging.more

    @cached_property
    def _parts(self) -> dict[str, _Part]:
        spec = {each.name.lower(): each for each in self.api.fields}
        parts: dict[str, _Part] = {}
        for reply in self.replies:
            for name, value in reply.body.items():
                found = _rows(value)
                if found is None:
                    continue
                rows = tuple(Row(each, spec) for each in found)
                key = name.lower()
                shape = self.api.outputs.get(key, Shape.EITHER)
                is_list = isinstance(value, list) or shape is Shape.LIST
                earlier = parts.get(key)
                if earlier is not None and is_list:
                    rows = (*earlier.rows, *rows)
                parts[key] = _Part(rows, is_list)
        if not parts and self.replies:
            frame = {n: v for n, v in self.replies[-1].body.items() if n not in _FRAME}
            if frame:
                parts["output"] = _Part((Row(frame, spec),), is_list=False)
        return parts

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names under which the reply holds records."""
        return tuple(self._parts)

    def rows(self, output: str = "") -> list[Row]:
        """The records of an output; without a name, those of its first list, else of its first.

        Raises `KeyError` for an output that the reply does not have.
        """
        return list(self._part(output).rows)

    def row(self, output: str = "") -> Row:
        """The first record of an output; raises `Refused` when there is none."""
        rows = self._part(output).rows
        if not rows:
            raise Refused("NO_ROWS", f"{self.api.id}: the reply holds no record")
        return rows[0]

    def _part(self, output: str) -> _Part:
        if output:
            return self._parts[output.lower()]
        lists = [part for part in self._parts.values() if part.is_list]
        return next(iter([*lists, *self._parts.values()]), _Part((), is_list=True))

    def __getattr__(self, name: str) -> Row | list[Row]:
        if name.startswith("_"):
            raise AttributeError(name)
        part = self._parts.get(name.lower())
        if part is None:
            raise AttributeError(f"{self.api.id} has no {name}; it has {', '.join(self.outputs)}")
        if part.is_list:
            return list(part.rows)
        return part.rows[0] if part.rows else Row({}, {})

    def to_dicts(self, output: str = "", *, labels: bool = False) -> list[dict[str, Value]]:
        """The records of an output as plain dictionaries."""
        return [row.to_dict(labels=labels) for row in self.rows(output)]

    def to_frame(self, output: str = "", *, labels: bool = False) -> Any:
        """The records of an output as a pandas `DataFrame`; raises `Refused` without pandas."""
        try:
            pandas = importlib.import_module("pandas")
        except ImportError:
            fix = "pandas 가 없습니다 / pandas is not installed: pip install pandas"
            raise Refused("NO_PANDAS", fix) from None
        return pandas.DataFrame(self.to_dicts(output, labels=labels))


def _rows(value: object) -> list[Mapping[str, object]] | None:
    """The records under a key of a body; an object of blanks stands for an empty list."""
    if isinstance(value, dict):
        return [value] if any(_scalar(each).strip() for each in value.values()) else []
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return list(value)
    return None


def joined(pages: Iterable[Result], *, complete: bool) -> Result:
    """Pages of one call as one result; there is at least one."""
    parts = list(pages)
    replies = tuple(reply for part in parts for reply in part.replies)
    first = parts[0]
    return Result(first.api, first.tr_id, replies, complete=complete, note=first.note)
