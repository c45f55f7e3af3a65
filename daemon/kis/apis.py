"""The catalogue as attributes: `apis.domestic_stock.inquire_price(FID_INPUT_ISCD="005930", …)`.

What editors and type checkers see is `apis.pyi`, made from the catalogue; names there are those
on the wire. Written for both faces of a client: `call` decides what a call gives back.
"""

from typing import Generic, TypeVar

from daemon.kis.catalog import APIS, BY_ID

R = TypeVar("R")

OPTIONS = frozenset({"tr_id", "unchecked", "all_pages", "limit"})
"""Names of arguments that are not parameters of the broker's."""


class Group(Generic[R]):
    """The calls of one category."""

    def __init__(self, category, call):
        self._category = category
        self._call = call

    def __getattr__(self, name):
        api = BY_ID.get(f"{self._category}.{name}")
        if api is None or api.is_key:
            raise AttributeError(f"{self._category} has no call {name!r}")

        def bound(**given):
            options = {each: given.pop(each) for each in OPTIONS & given.keys()}
            return self._call(api.id, given, **options)

        bound.__name__, bound.__doc__ = name, api.title
        return bound

    def __dir__(self):
        return [api.name for api in APIS if api.category == self._category]


class Apis(Generic[R]):
    """All categories. `call(id, parameters, **options)` makes the call."""

    def __init__(self, call):
        self._call = call

    def __getattr__(self, category):
        if not any(api.category == category and not api.is_key for api in APIS):
            raise AttributeError(f"there is no category {category!r}")
        return Group(category, self._call)

    def __dir__(self):
        return list(dict.fromkeys(api.category for api in APIS if not api.is_key))
