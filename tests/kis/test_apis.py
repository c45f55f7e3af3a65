"""The catalogue as attributes, and the stub that tells editors of it."""

import ast
import inspect
from typing import Any

import pytest

from daemon.kis import apis as module
from daemon.kis.apirequest import prepare
from daemon.kis.catalog import BY_ID
from daemon.kis.spec import Environment
from tests.kis import stubs
from tests.kis.valid_calls import ACCOUNT, CALLABLE, HTS_ID, valid


def recorded(name: str, given: Any, /, **options: Any) -> tuple[str, Any, dict[str, Any]]:
    return name, given, options


def test_the_stub_is_that_of_the_catalogue() -> None:
    assert stubs.PLACE.read_text(encoding="utf-8") == stubs.stub(), (
        "make it anew: uv run python -m tests.kis.stubs"
    )


def test_the_stub_names_every_call_and_parameter() -> None:
    classes = {
        node.name: node for node in ast.parse(stubs.stub()).body if isinstance(node, ast.ClassDef)
    }
    for api in CALLABLE:
        body = classes[stubs.group(api.category)].body
        (method,) = [
            node for node in body if isinstance(node, ast.FunctionDef) and node.name == api.name
        ]
        names = [argument.arg for argument in method.args.kwonlyargs]
        assert len(set(names)) == len(names)
        assert {each.name for each in api.parameters} <= set(names)
        assert set(names) - {each.name for each in api.parameters} - set(api.selectors) == set(
            module.OPTIONS
        )
        # What the stub lets out, the call can do without.
        needed = {
            argument.arg
            for argument, default in zip(
                method.args.kwonlyargs, method.args.kw_defaults, strict=True
            )
            if default is None
        }
        given = {
            name: value for name, value in valid(api).items() if name in {n.lower() for n in needed}
        }
        prepare(api, given, environment=Environment.REAL, account=ACCOUNT, hts_id=HTS_ID)


def test_attributes_make_the_calls() -> None:
    apis: module.Apis[Any] = module.Apis(recorded)
    told = apis.domestic_stock.inquire_price(
        FID_COND_MRKT_DIV_CODE="J", FID_INPUT_ISCD="005930", all_pages=True
    )
    assert told == (
        "domestic_stock.inquire_price",
        {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"},
        {"all_pages": True},
    )
    assert inspect.getdoc(apis.elw.sensitivity) == BY_ID["elw.sensitivity"].title
    seen = [f"{category}.{name}" for category in dir(apis) for name in dir(getattr(apis, category))]
    assert sorted(seen) == sorted(api.id for api in CALLABLE)
    for wrong in ("auth", "nothing"):
        with pytest.raises(AttributeError):
            getattr(apis, wrong)
    with pytest.raises(AttributeError):
        getattr(apis.domestic_stock, "nothing")  # noqa: B009  the stub does not know it
