"""Every REST call and stream channel of the broker by name: what it takes and what it gives back.

`apis.json` holds one REST call a line. Its source is the vendor's sample repository (July 2026),
completed by the portal's workbook (September 2026) where the two differ or the samples are
silent. Ids have the form `category.name`, as in `domestic_stock.inquire_price`; the channels of
`channels.py` are found by their ids here, too. The kind of a field was told apart by its name and
its Korean label: it says how a value is read, and a value that cannot be read so stays a text.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

from daemon.kis.channels import CHANNELS, Channel, NoSuchChannel, channel_of
from daemon.kis.spec import Environment


class NoSuchApi(LookupError):
    """Nothing in the catalogue has that name; the message names what comes close."""


class Kind(StrEnum):
    """How the value of a field is read. The letter is the one in `apis.json`."""

    TEXT = "t"
    CODE = "c"
    FLAG = "f"
    """Y or N."""
    DATE = "d"
    """YYYYMMDD."""
    TIME = "h"
    """HHMMSS, local to the market."""
    PRICE = "p"
    QUANTITY = "q"
    AMOUNT = "a"
    RATE = "r"
    """Per cent, or a factor."""
    NUMBER = "n"

    @property
    def is_number(self) -> bool:
        """Whether values are decimal numbers."""
        return self in _NUMBERS


_NUMBERS = frozenset({Kind.PRICE, Kind.QUANTITY, Kind.AMOUNT, Kind.RATE, Kind.NUMBER})


class Shape(StrEnum):
    """What stands under a key of the reply's body."""

    LIST = "list"
    OBJECT = "object"
    EITHER = "either"
    """The samples are ready for both."""


class Field(NamedTuple):
    """One field of a reply: its name on the wire, its Korean label, how it is read."""

    name: str
    label: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a call.

    `values` are the allowed ones with their Korean meanings, empty where anything goes. A
    `fixed` value is sent whatever is given, a `default` where nothing is; `derived` ones follow
    from a selector. A `conditional` parameter is left out when it is not given, all others are
    sent blank.
    """

    name: str
    label: str
    required: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    fixed: str | None = None
    default: str | None = None
    derived: tuple[tuple[str, Mapping[str, tuple[str, ...]]], ...] = ()
    conditional: bool = False
    example: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrId:
    """An id, the world it belongs to (`None`: both), and the selector values that choose it."""

    id: str
    environment: Environment | None = None
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Paging(NamedTuple):
    """How a call goes on: the tr_cont letters that mean "more", and its cursor parameters."""

    more: frozenset[str]
    cursors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestApi:
    """One REST call.

    `selectors` choose the TR id and are not sent unless they are parameters, too. `older` maps
    deprecated TR ids to the current ones, `also` other ids in use for the same thing (the
    sources differ). `virtual` tells whether the virtual world offers the call, as far as is
    known. `fields` are those of all outputs together: the sources do not tell them apart.
    """

    id: str
    title: str
    menu: str
    document: str
    method: str
    path: str
    virtual: bool
    tr_ids: tuple[TrId, ...]
    selectors: Mapping[str, Mapping[str, str]]
    older: Mapping[str, str]
    also: Mapping[str, str]
    parameters: tuple[Parameter, ...]
    paging: Paging | None
    outputs: Mapping[str, Shape]
    fields: tuple[Field, ...]
    page_rows: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def category(self) -> str:
        """The first half of the id."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """The second half of the id."""
        return self.id.partition(".")[2]

    @property
    def is_order(self) -> bool:
        """Whether a call may move money: it is sent once and never again by itself."""
        return self.method == "POST" and not self.is_key

    @property
    def is_key(self) -> bool:
        """Whether it is about tokens and keys, which a session looks after by itself."""
        return self.category == "auth"

    @property
    def known_ids(self) -> frozenset[str]:
        """Every TR id of the call, current, older and disputed."""
        return frozenset((*(each.id for each in self.tr_ids), *self.older, *self.also))

    def parameter(self, name: str) -> Parameter | None:
        """A parameter by its name in any case."""
        wanted = name.lower()
        return next((each for each in self.parameters if each.name.lower() == wanted), None)

    def offered(self, environment: Environment) -> bool:
        """Whether a world is known to offer the call."""
        return environment is Environment.REAL or self.virtual


Entry = RestApi | Channel


def _api(row: Mapping[str, Any]) -> RestApi:
    pages = row.get("pages")
    return RestApi(
        id=row["id"],
        title=row["title"],
        menu=row["menu"],
        document=row.get("doc", ""),
        method=row.get("method", "GET"),
        path=row["path"],
        virtual=row.get("virtual", False),
        tr_ids=tuple(_tr_id(each) for each in row.get("tr", ())),
        selectors=row.get("selectors", {}),
        older=row.get("older", {}),
        also=row.get("also", {}),
        parameters=tuple(_parameter(each) for each in row.get("params", ())),
        paging=Paging(frozenset(pages["more"]), tuple(pages.get("cursors", ()))) if pages else None,
        outputs={name: Shape(shape) for name, shape in row.get("outputs", {}).items()},
        fields=tuple(Field(name, label, Kind(kind)) for name, label, kind in row["fields"]),
        page_rows=row.get("rows", {}),
        notes=tuple(row.get("notes", ())),
    )


def _tr_id(row: Mapping[str, Any]) -> TrId:
    world = row.get("in")
    when = {name: tuple(values) for name, values in row.get("when", {}).items()}
    return TrId(id=row["id"], environment=Environment(world) if world else None, when=when)


def _parameter(row: Mapping[str, Any]) -> Parameter:
    derived = tuple(
        (each["value"], {name: tuple(values) for name, values in each["when"].items()})
        for each in row.get("derived", ())
    )
    return Parameter(**{**row, "derived": derived})


APIS: tuple[RestApi, ...] = tuple(
    _api(row) for row in orjson.loads(files("daemon.kis").joinpath("apis.json").read_bytes())
)
"""Every REST call."""

BY_ID: Mapping[str, RestApi] = {api.id: api for api in APIS}
BY_PATH: Mapping[str, RestApi] = {api.path: api for api in APIS}
BY_TR_ID: Mapping[str, RestApi] = {tr_id: api for api in reversed(APIS) for tr_id in api.known_ids}
"""Every REST call by its TR ids in both worlds, deprecated and disputed ones included.

Two calls share an id in the samples: it finds the first of them.
"""


class Found(NamedTuple):
    """A REST call, what the name given already selects, and what to tell the caller of it."""

    api: RestApi
    selected: Mapping[str, str]
    note: str = ""


def find(name: str) -> Found:
    """The REST call of a catalogue id or a TR id; raises `NoSuchApi`.

    A deprecated TR id finds the call it has become, with a note that says so.
    """
    text = name.strip()
    api = BY_ID.get(text.lower())
    if api is not None:
        return Found(api, {})
    api = BY_TR_ID.get(text.upper())
    if api is None:
        raise NoSuchApi(_unknown(text))
    current = api.older.get(text.upper(), text.upper())
    current = api.also.get(current, current)
    chosen = next(each for each in api.tr_ids if each.id == current)
    selected = {n: values[0] for n, values in chosen.when.items() if len(values) == 1}
    note = ""
    others = [each.id for each in APIS if each is not api and current in each.known_ids]
    if others:
        note = f"{current} 은(는) 다른 API의 것이기도 합니다 / is an id of {', '.join(others)}, too"
    if text.upper() in api.older:
        note = f"{text.upper()} 은(는) {current} 로 바뀌었습니다 / is now {current} ({api.id})"
    return Found(api, selected, note)


def entry(name: str) -> Entry:
    """A REST call or a stream channel by id or TR id; raises `NoSuchApi`."""
    try:
        return find(name).api
    except NoSuchApi as error:
        try:
            return channel_of(name)
        except NoSuchChannel:
            raise error from None


def _unknown(name: str) -> str:
    near = get_close_matches(name.lower(), BY_ID, n=3, cutoff=0.6)
    hint = f"; 비슷한 이름 / close to it: {', '.join(near)}" if near else ""
    return (
        f"{name[:60]!r} 은(는) 목록에 없습니다 / is no REST call of the catalogue{hint}. "
        "찾기 / search: python -m daemon api search 낱말"
    )


def entries() -> Iterator[Entry]:
    """All REST calls, then all channels."""
    yield from APIS
    yield from CHANNELS


def search(words: Sequence[str], *, category: str = "") -> list[Entry]:
    """What all `words` occur in, Korean or English, best first.

    Looked into are ids, titles, menus, paths and TR ids, and last the labels of parameters and
    fields. Blanks in labels do not matter.
    """
    wanted = [_plain(word) for word in words if word.strip()]
    ranked: list[tuple[int, str, Entry]] = []
    for each in entries():
        if category and each.id.partition(".")[0] != category:
            continue
        head, body = _texts(each)
        if all(word in head for word in wanted):
            title = _plain(each.title)
            best = any(word in title or word in each.id for word in wanted)
            ranked.append((0 if best else 1, each.id, each))
        elif all(word in head or word in body for word in wanted):
            ranked.append((2, each.id, each))
    return [each for _, _, each in sorted(ranked, key=lambda row: row[:2])]


def _plain(text: str) -> str:
    return "".join(text.lower().split())


def _texts(each: Entry) -> tuple[str, str]:
    if isinstance(each, Channel):
        head: tuple[str, ...] = (each.id, each.title, each.tr_id, each.virtual or "")
        body: tuple[str, ...] = (*each.columns, *each.labels)
    else:
        head = (each.id, each.title, each.menu, each.path, *each.known_ids)
        body = (
            *(f"{known.name} {known.label}" for known in each.fields),
            *(f"{parameter.name} {parameter.label}" for parameter in each.parameters),
        )
    return _plain("\n".join(head)), _plain("\n".join(body))
