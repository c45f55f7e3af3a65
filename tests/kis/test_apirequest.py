"""Calls made ready: every API of the catalogue accepts a valid call and refuses bad ones."""

from datetime import date
from decimal import Decimal

import orjson
import pytest

from daemon.core.errors import Refused
from daemon.kis.apirequest import ApiRequest, BadCall, prepare
from daemon.kis.catalog import APIS, BY_ID, RestApi
from daemon.kis.codec import sign
from daemon.kis.spec import REAL, VIRTUAL, Environment
from tests.kis.fakes import CREDENTIALS
from tests.kis.valid_calls import ACCOUNT, CALLABLE, HTS_ID, valid


def ready(
    api: RestApi | str, environment: Environment = Environment.REAL, **changes: object
) -> ApiRequest:
    api = BY_ID[api] if isinstance(api, str) else api
    given = {**valid(api), **changes}
    return prepare(api, given, environment=environment, account=ACCOUNT, hts_id=HTS_ID)


def refusal(api: RestApi, given: dict[str, object]) -> BadCall:
    with pytest.raises(BadCall) as caught:
        prepare(api, given, environment=Environment.REAL, account=ACCOUNT, hts_id=HTS_ID)
    assert api.id in str(caught.value)
    return caught.value


@pytest.mark.parametrize("api", CALLABLE, ids=lambda api: api.id)
def test_a_valid_call_carries_every_parameter_and_an_id(api: RestApi) -> None:
    request = ready(api)
    assert request.api.chosen in {
        each.id for each in api.tr_ids if each.environment in (Environment.REAL, None)
    }
    always = {each.name for each in api.parameters if not each.conditional}
    assert always <= set(request.parameters)
    signed = sign(request, profile=REAL, credentials=CREDENTIALS, token="t")
    assert dict(signed.headers)["tr_id"] == request.api.chosen
    if api.method == "GET":
        assert dict(signed.query) == request.parameters
        assert signed.body == b""
    else:
        assert orjson.loads(signed.body) == request.parameters
        assert signed.query == ()


@pytest.mark.parametrize("api", CALLABLE, ids=lambda api: api.id)
def test_every_kind_of_bad_parameter_is_refused(api: RestApi) -> None:
    error = refusal(api, {**valid(api), "no_such_parameter": "1"})
    assert error.parameter == "no_such_parameter"
    for parameter in api.parameters:
        name = parameter.name.lower()
        if parameter.fixed is not None:
            continue
        cursors = api.paging.cursors if api.paging else ()
        if parameter.required and "" not in parameter.values and parameter.name not in cursors:
            error = refusal(api, {**valid(api), name: ""})
            assert error.label
            assert error.parameter.lower() == name
        if parameter.values:
            error = refusal(api, {**valid(api), name: "no such value"})
            assert error.parameter.lower() == name
            assert set(error.allowed) <= set(parameter.values)
            assert error.allowed
    for name in api.selectors:
        without = {key: value for key, value in valid(api).items() if key != name}
        for given in (without, {**without, name: "neither"}):
            error = refusal(api, given)
            assert error.parameter == name
            assert error.allowed == api.selectors[name]


@pytest.mark.parametrize("api", CALLABLE, ids=lambda api: api.id)
def test_the_virtual_world_has_its_own_ids_or_refuses(api: RestApi) -> None:
    if api.virtual:
        request = ready(api, Environment.VIRTUAL)
        assert request.api.chosen[0] in "VFH"
        signed = sign(request, profile=VIRTUAL, credentials=CREDENTIALS, token="t")
        assert dict(signed.headers)["tr_id"] == request.api.chosen
        return
    with pytest.raises(BadCall) as caught:
        ready(api, Environment.VIRTUAL)
    assert caught.value.parameter == "environment"
    assert caught.value.allowed == {"real": "실전투자"}
    forced = prepare(
        api,
        valid(api),
        environment=Environment.VIRTUAL,
        account=ACCOUNT,
        hts_id=HTS_ID,
        unchecked=("environment",),
    )
    assert forced.api.chosen in api.known_ids


def test_keys_are_the_sessions_own_business() -> None:
    for api in APIS:
        if api.is_key:
            assert refusal(api, {}).parameter == "tr_id"


@pytest.mark.parametrize(
    ("side", "place", "environment", "tr_id"),
    [
        ("buy", "NASD", Environment.REAL, "TTTT1002U"),
        ("sell", "NYSE", Environment.REAL, "TTTT1006U"),
        ("sell", "AMEX", Environment.VIRTUAL, "VTTT1001U"),
        ("buy", "SEHK", Environment.REAL, "TTTS1002U"),
        ("sell", "TKSE", Environment.VIRTUAL, "VTTS0307U"),
    ],
)
def test_selectors_and_parameters_choose_the_id_together(
    side: str, place: str, environment: Environment, tr_id: str
) -> None:
    request = ready("overseas_stock.order", environment, ord_dv=side, ovrs_excg_cd=place)
    assert request.api.chosen == tr_id
    assert request.parameters["SLL_TYPE"] == ("00" if side == "sell" else "")
    assert "ord_dv" not in {name.lower() for name in request.parameters}


def test_a_place_without_an_id_names_the_places_that_have_one() -> None:
    api = BY_ID["domestic_futureoption.order"]
    with pytest.raises(BadCall) as caught:
        ready(api, Environment.VIRTUAL, ord_dv="night")
    assert caught.value.parameter == "ord_dv"
    assert caught.value.allowed == {"day": "주간"}


def test_deprecated_and_disputed_ids_can_be_forced() -> None:
    cash, overseas = BY_ID["domestic_stock.order_cash"], BY_ID["overseas_stock.order"]

    def chosen(api: RestApi, *, older: bool = False, tr_id: str | None = None) -> str:
        request = prepare(
            api,
            {**valid(api), "ord_dv": "sell"},
            environment=Environment.VIRTUAL,
            account=ACCOUNT,
            older=older,
            tr_id=tr_id,
        )
        return request.api.chosen

    assert chosen(cash) == "VTTC0011U"
    assert chosen(cash, older=True) == "VTTC0801U"
    assert chosen(overseas, tr_id="VTTT1006U") == "VTTT1006U"
    with pytest.raises(BadCall) as caught:
        chosen(cash, tr_id="TTTT1002U")
    assert set(caught.value.allowed) == set(cash.known_ids)


@pytest.mark.parametrize(
    ("environment", "period", "forced", "chosen"),
    [
        (Environment.VIRTUAL, "inner", None, "VTTC0081R"),
        (Environment.VIRTUAL, "inner", "VTTC8001R", "VTTC8001R"),
        (Environment.VIRTUAL, "before", None, "VTSC9115R"),
        (Environment.REAL, "inner", None, "TTTC8001R"),
    ],
)
def test_the_deprecated_id_that_hides_every_order_is_sent_by_name_only(
    environment: Environment, period: str, forced: str | None, chosen: str
) -> None:
    api = BY_ID["domestic_stock.inquire_daily_ccld"]
    request = prepare(
        api,
        {**valid(api), "pd_dv": period},
        environment=environment,
        account=ACCOUNT,
        older=True,
        tr_id=forced,
    )
    assert request.api.chosen == chosen


def test_values_of_many_types_become_texts() -> None:
    request = ready(
        "domestic_stock.order_cash", ord_qty=3, ord_unpr=Decimal("7.1E+4"), ord_dvsn="00"
    )
    assert request.parameters["ORD_QTY"] == "3"
    assert request.parameters["ORD_UNPR"] == "71000"
    assert request.parameters["CANO"] == "12345678"
    assert request.parameters["ACNT_PRDT_CD"] == "01"
    daily = ready("domestic_stock.daily_short_sale", fid_input_date_1=date(2026, 1, 2))
    assert daily.parameters["FID_INPUT_DATE_1"] == "20260102"
    with pytest.raises(BadCall, match="float"):
        ready("domestic_stock.order_cash", ord_unpr=71000.0)


def test_the_account_and_the_hts_id_give_way_to_what_is_said() -> None:
    assert ready("domestic_stock.psearch_title").parameters["user_id"] == HTS_ID
    other = ready("domestic_futureoption.inquire_balance", acnt_prdt_cd="03")
    assert other.parameters["ACNT_PRDT_CD"] == "03"
    with pytest.raises(BadCall) as caught:
        prepare(BY_ID["domestic_stock.psearch_title"], {}, environment=Environment.REAL)
    assert caught.value.parameter == "user_id"


def test_new_values_of_the_broker_can_be_sent_unchecked() -> None:
    api = BY_ID["domestic_stock.inquire_price"]
    given = {"FID_COND_MRKT_DIV_CODE": "ZZ", "FID_INPUT_ISCD": "005930"}
    error = refusal(api, dict(given))
    assert "UN" in error.allowed
    request = prepare(
        api, given, environment=Environment.REAL, unchecked=("fid_cond_mrkt_div_code",)
    )
    assert request.parameters["FID_COND_MRKT_DIV_CODE"] == "ZZ"


def test_the_error_is_a_refusal_that_says_all() -> None:
    error = refusal(BY_ID["domestic_stock.inquire_price"], {"fid_input_iscd": "005930"})
    assert isinstance(error, Refused)
    for words in ("FID_COND_MRKT_DIV_CODE", error.label, "J", "NX", "UN"):
        assert words in str(error)
