"""A call of the catalogue made ready to send: parameters checked, TR id chosen. No socket."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from difflib import get_close_matches

import orjson

from daemon.core.errors import Refused
from daemon.core.values import AccountId
from daemon.kis.catalog import Parameter, RestApi
from daemon.kis.spec import BLIND_TR_IDS, Environment

ENVIRONMENT = "environment"
"""The name under which `BadCall` and `unchecked` speak of the world a call is made in."""

TR_ID = "tr_id"


class BadCall(Refused):
    """A call that was not sent, because of one of its parameters.

    `parameter` is its name on the wire, `label` its Korean name, `allowed` the values it takes
    with their meanings, empty where there is no list.
    """

    def __init__(
        self,
        api: RestApi,
        problem: str,
        *,
        parameter: str,
        label: str = "",
        allowed: Mapping[str, str] | Iterable[str] = (),
    ) -> None:
        self.api = api.id
        self.parameter = parameter
        self.label = label
        meanings = allowed if isinstance(allowed, Mapping) else dict.fromkeys(allowed, "")
        self.allowed = dict(meanings)
        listed = ", ".join(
            f"{value or '(blank)'} {text}".strip() for value, text in self.allowed.items()
        )
        name = f"{parameter} ({label})" if label else parameter
        known = f"; 가능한 값 / allowed: {listed}" if listed else ""
        super().__init__("BAD_CALL", f"{api.id}: {name} {problem}{known}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a request goes, in the form `codec.sign` takes it."""

    name: str
    method: str
    path: str
    chosen: str

    def tr_id(self, environment: Environment) -> str:
        """The id that was chosen when the call was prepared for its world."""
        return self.chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A checked call; `parameters` are all that go on the wire, in the order of the catalogue."""

    spec: RestApi
    api: Endpoint
    parameters: Mapping[str, str] = field(repr=False)
    continued: bool = False

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The query string of a GET."""
        return tuple(self.parameters.items()) if self.spec.method == "GET" else ()

    @property
    def body(self) -> bytes:
        """The JSON body of a POST."""
        return b"" if self.spec.method == "GET" else orjson.dumps(self.parameters)

    def next_page(self, cursors: Mapping[str, str]) -> "ApiRequest":
        """The request for the page after the one that carried these cursors."""
        return replace(self, parameters={**self.parameters, **cursors}, continued=True)


def prepare(
    api: RestApi,
    given: Mapping[str, object],
    *,
    environment: Environment,
    account: AccountId | None = None,
    hts_id: str = "",
    tr_id: str | None = None,
    older: bool = False,
    unchecked: Iterable[str] = (),
) -> ApiRequest:
    """Check the parameters of a call and choose its TR id; raises `BadCall`.

    Names count in any case. Values may be text, whole numbers, `Decimal`, dates (YYYYMMDD) and
    booleans (Y, N). The account and the HTS id fill the parameters they belong to unless those
    are given. `tr_id` forces one of the call's ids, `older` the deprecated ones where there are
    any that still answer. What is named in `unchecked` may hold values that the catalogue does not
    know; "environment" there allows a call that the virtual world is not known to offer.
    """
    trusted = {name.lower() for name in unchecked}
    values = _texts(api, given)
    chosen = _choose(api, values, environment, tr_id=tr_id, older=older, trusted=trusted)
    own = _own(account, hts_id)
    wire: dict[str, str] = {}
    for parameter in api.parameters:
        value = _value(api, parameter, values, own, trusted)
        if value is not None:
            wire[parameter.name] = value
    return ApiRequest(spec=api, api=Endpoint(api.id, api.method, api.path, chosen), parameters=wire)


def _own(account: AccountId | None, hts_id: str) -> dict[str, str]:
    own = {"user_id": hts_id} if hts_id else {}
    if account is not None:
        own["cano"], _, own["acnt_prdt_cd"] = account.partition("-")
    return own


def _texts(api: RestApi, given: Mapping[str, object]) -> dict[str, str]:
    """The values by lower case names; what is no parameter and no selector is refused."""
    names = [*(each.name for each in api.parameters), *api.selectors]
    known = {name.lower() for name in names}
    known.update(name for each in api.tr_ids for name in each.when)
    values: dict[str, str] = {}
    for name, value in given.items():
        if name.lower() not in known:
            near = get_close_matches(name.lower(), known, n=1)
            hint = f" (혹시 / did you mean {near[0].upper()}?)" if near else ""
            problem = f"은(는) 모르는 매개변수입니다 / is no parameter of this call{hint}"
            raise BadCall(api, problem, parameter=name, allowed=names)
        values[name.lower()] = _text(api, name, value)
    return values


def _text(api: RestApi, name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    if isinstance(value, date):
        return f"{value:%Y%m%d}"
    known = api.parameter(name)
    problem = (
        f"은(는) {type(value).__name__} 를 받지 않습니다 / takes text, int, Decimal, date or bool, "
        f"not {type(value).__name__}"
    )
    raise BadCall(api, problem, parameter=name, label=known.label if known else "")


def _value(
    api: RestApi,
    parameter: Parameter,
    values: Mapping[str, str],
    own: Mapping[str, str],
    trusted: set[str],
) -> str | None:
    """What is sent for a parameter, `None` where it is left out."""
    key = parameter.name.lower()
    if parameter.fixed is not None:
        return parameter.fixed
    value = values.get(key)
    if value is None:
        value = own.get(key, _derived(parameter, values))
    if value is None:
        value = parameter.default
    if value is None and parameter.conditional:
        return None
    value = value or ""
    if key in trusted:
        return value
    cursor = api.paging is not None and parameter.name in api.paging.cursors
    if not value.strip() and parameter.required and not cursor and "" not in parameter.values:
        problem = "이(가) 필요합니다 / is required"
        if parameter.example:
            problem += f", 예 / such as {parameter.example}"
        raise _bad(api, parameter, problem)
    if value and parameter.values and value not in parameter.values:
        problem = f"은(는) {value[:40]!r} 를 받지 않습니다 / does not take {value[:40]!r}"
        raise _bad(api, parameter, problem)
    return value


def _bad(api: RestApi, parameter: Parameter, problem: str) -> BadCall:
    return BadCall(
        api, problem, parameter=parameter.name, label=parameter.label, allowed=parameter.values
    )


def _derived(parameter: Parameter, values: Mapping[str, str]) -> str | None:
    for value, when in parameter.derived:
        if all(values.get(name) in allowed for name, allowed in when.items()):
            return value
    return None


def _choose(
    api: RestApi,
    values: Mapping[str, str],
    environment: Environment,
    *,
    tr_id: str | None,
    older: bool,
    trusted: set[str],
) -> str:
    if api.is_key:
        problem = (
            "은(는) 세션이 스스로 합니다 / is done by the session itself: client.auth, KisRest.run"
        )
        raise BadCall(api, problem, parameter=TR_ID)
    if ENVIRONMENT not in trusted and not api.offered(environment):
        raise _not_offered(api)
    for name, meanings in api.selectors.items():
        _check_selector(api, name, meanings, values)
    if tr_id is not None:
        if tr_id not in api.known_ids:
            problem = f"은(는) {tr_id[:20]!r} 가 아닙니다 / cannot be {tr_id[:20]!r}"
            raise BadCall(api, problem, parameter=TR_ID, allowed=sorted(api.known_ids))
        return tr_id
    current = _current(api, values, environment)
    if older:
        answered = (old for old in api.older if old not in BLIND_TR_IDS)
        return next((old for old in answered if api.older[old] == current), current)
    return current


def _not_offered(api: RestApi) -> BadCall:
    return BadCall(
        api,
        "에 없는 API입니다 / does not offer this call, as far as is known; "
        'unchecked=("environment",) 로 보낼 수 있습니다 / sends it all the same',
        parameter=ENVIRONMENT,
        label="모의투자",
        allowed={Environment.REAL.value: "실전투자"},
    )


def _check_selector(
    api: RestApi, name: str, meanings: Mapping[str, str], values: Mapping[str, str]
) -> None:
    value = values.get(name, "")
    if value not in meanings:
        problem = (
            f"은(는) {value[:40]!r} 를 받지 않습니다 / does not take {value[:40]!r}"
            if value
            else "이(가) 필요합니다 / is required"
        )
        raise BadCall(api, problem, parameter=name, label="TR ID 선택", allowed=meanings)


def _current(api: RestApi, values: Mapping[str, str], environment: Environment) -> str:
    """The id of the world, and of the selectors; quotation ids serve both worlds."""
    worlds = (environment, None) if _has(api, environment) else (None, Environment.REAL)
    here = [each for each in api.tr_ids if each.environment in worlds]
    for each in here:
        if all(values.get(name, "") in allowed for name, allowed in each.when.items()):
            return each.id
    names = {name: None for each in here for name in each.when}
    for name in names:
        allowed = dict.fromkeys(value for each in here for value in each.when.get(name, ()))
        if values.get(name, "") in allowed and len(names) > 1:
            continue
        parameter = api.parameter(name)
        told = (parameter.values if parameter else None) or api.selectors.get(name, {})
        raise BadCall(
            api,
            f"은(는) 여기서 {values.get(name, '')[:40]!r} 일 수 없습니다 / "
            f"cannot be {values.get(name, '')[:40]!r} in {environment.value}",
            parameter=parameter.name if parameter else name,
            label=parameter.label if parameter else "TR ID 선택",
            allowed={value: told.get(value, "") for value in allowed},
        )
    raise _not_offered(api)


def _has(api: RestApi, environment: Environment) -> bool:
    return any(each.environment is environment for each in api.tr_ids)
