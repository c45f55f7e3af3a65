"""A valid call of every REST API of the catalogue, made from the catalogue itself."""

from daemon.core.values import AccountId
from daemon.kis.catalog import APIS, RestApi

ACCOUNT = AccountId("12345678-01")
HTS_ID = "sim-user"
CALLABLE = [api for api in APIS if not api.is_key]


def valid(api: RestApi) -> dict[str, object]:
    """All selectors and all required parameters, each with a value that is allowed."""
    given: dict[str, object] = {name: next(iter(told)) for name, told in api.selectors.items()}
    for parameter in api.parameters:
        if parameter.required and parameter.name.lower() not in ("cano", "acnt_prdt_cd", "user_id"):
            listed = next(iter(parameter.values), "")
            given.setdefault(parameter.name.lower(), listed or parameter.example or "1")
    for each in api.tr_ids[:1]:
        for name, values in each.when.items():
            given[name] = values[0]
    return given
