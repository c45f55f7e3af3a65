"""Makes `daemon/kis/apis.pyi` from the catalogue: `uv run python -m tests.kis.stubs`."""

from pathlib import Path

from daemon.kis.catalog import APIS, Parameter, RestApi

PLACE = Path(__file__).parents[2] / "daemon" / "kis" / "apis.pyi"
HEAD = '''"""Made from the catalogue by tests/kis/stubs.py: every REST call and what it takes."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

Text: TypeAlias = str | int | Decimal | date | bool | None
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

OPTIONS: frozenset[str]

class Call(Protocol[R_co]):
    def __call__(
        self,
        name: str,
        parameters: Mapping[str, object],
        /,
        *,
        tr_id: str | None = ...,
        unchecked: Iterable[str] = ...,
        all_pages: bool = ...,
        limit: int = ...,
    ) -> R_co: ...

class Group(Generic[R]): ...
'''
OPTIONS = (
    "tr_id: str | None = ...",
    "unchecked: Iterable[str] = ...",
    "all_pages: bool = ...",
    "limit: int = ...",
)


def group(category: str) -> str:
    return "".join(word.title() for word in category.split("_"))


def literal(values: list[str]) -> str:
    return f"Literal[{', '.join(map(_quoted, values))}]"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def argument(api: RestApi, parameter: Parameter) -> str:
    own = parameter.name.lower() in ("cano", "acnt_prdt_cd", "user_id")
    cursor = api.paging is not None and parameter.name in api.paging.cursors
    needed = parameter.required and not own and not cursor and parameter.fixed is None
    values = list(parameter.values)
    if values and not needed and "" not in values:
        values.append("")
    kind = literal(values) if values else "Text"
    return f"{parameter.name}: {kind}{'' if needed and '' not in parameter.values else ' = ...'}"


def method(api: RestApi) -> str:
    names = {parameter.name.lower() for parameter in api.parameters}
    chosen = [
        f"{name}: {literal(list(told))}"
        for name, told in api.selectors.items()
        if name not in names
    ]
    arguments = [*chosen, *(argument(api, each) for each in api.parameters), *OPTIONS]
    lines = "".join(f"        {each},\n" for each in arguments)
    title = api.title.replace("\\", "")
    head = f"    def {api.name}(\n        self,\n        *,\n{lines}    ) -> R:\n"
    return f'{head}        """{title}"""\n'


def stub() -> str:
    parts = [HEAD]
    categories = list(dict.fromkeys(api.category for api in APIS if not api.is_key))
    for category in categories:
        methods = "\n".join(method(api) for api in APIS if api.category == category)
        parts.append(f"\nclass {group(category)}(Group[R]):\n{methods}")
    fields = "".join(f"    {each}: {group(each)}[R]\n" for each in categories)
    parts.append(
        f"\nclass Apis(Generic[R]):\n{fields}    def __init__(self, call: Call[R]) -> None: ...\n"
    )
    return "".join(parts)


if __name__ == "__main__":
    PLACE.write_text(stub(), encoding="utf-8")
