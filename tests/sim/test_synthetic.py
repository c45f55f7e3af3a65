"""Made-up answers: the broker's shape for every call of the catalogue, the same every time."""

from collections import Counter

import pytest

from daemon.kis.apirequest import ApiRequest, prepare
from daemon.kis.apiresult import Result, joined
from daemon.kis.catalog import BY_ID, RestApi
from daemon.kis.codec import sign
from daemon.kis.link import HttpResponse
from daemon.kis.replies import Reply, read_reply
from daemon.kis.spec import REAL, Environment
from daemon.sim.replies import WireRequest
from daemon.sim.synthetic import MARK, PAGES, ROWS
from daemon.sim.wire import is_simulated
from tests.kis.fakes import CREDENTIALS
from tests.kis.valid_calls import ACCOUNT, CALLABLE, HTS_ID, valid
from tests.sim.rig import Rig, Said


@pytest.fixture(scope="module")
def rig() -> Rig:
    return Rig()


def request(api: RestApi, **given: object) -> ApiRequest:
    return prepare(
        api,
        {**valid(api), **given},
        environment=Environment.REAL,
        account=ACCOUNT,
        hts_id=HTS_ID,
    )


def send(rig: Rig, asked: ApiRequest) -> Said:
    signed = sign(asked, profile=REAL, credentials=CREDENTIALS, token=rig.token)
    headers = rig.headers(asked.api.chosen, dict(signed.headers)["tr_cont"])
    rig.pass_time(0)
    got, _ = rig.broker.handle(
        WireRequest(
            method=signed.method,
            path=signed.path,
            query=dict(signed.query),
            headers=headers,
            body=signed.body,
        ),
        rig.now,
        rig.monotonic,
    )
    response = HttpResponse(status=got.status, headers=dict(got.headers), body=got.body)
    asked_reply = read_reply(response)
    return Said(got.status, asked_reply.continuation, dict(asked_reply.body))


def result(rig: Rig, asked: ApiRequest) -> Result:
    said = send(rig, asked)
    return Result(asked.spec, asked.api.chosen, (Reply(said.body, said.tr_cont),))


def synthetic(api: RestApi) -> bool:
    return not is_simulated(api.path)


@pytest.mark.parametrize("api", CALLABLE, ids=lambda api: api.id)
def test_every_call_can_be_made_and_decoded(api: RestApi, rig: Rig) -> None:
    if not synthetic(api):
        return
    got = result(rig, request(api))
    assert got.message.startswith(MARK)
    assert set(got.outputs) == set(api.outputs)
    for output in got.outputs:
        for row in got.rows(output):
            assert set(row) == {field.name for field in api.fields}
            for field in api.fields:
                value = row[field.name]
                assert value is not None
                if field.kind.is_number and field.name.lower() not in ("pdno", "odno"):
                    assert not isinstance(value, str), (field, value)


def test_how_many_are_made_up() -> None:
    counted = Counter(synthetic(api) for api in CALLABLE)
    assert counted[True] + counted[False] == 272
    assert counted[True] >= 240


def test_the_same_call_gets_the_same_answer_and_another_seed_another() -> None:
    asked = request(BY_ID["domestic_stock.daily_short_sale"])
    first, again, other = Rig(), Rig(), Rig(seed=5)
    assert send(first, asked).body == send(again, asked).body
    assert send(first, asked).body != send(other, asked).body


def test_pages_come_to_an_end(rig: Rig) -> None:
    api = BY_ID["overseas_futureoption.inquire_unpd"]
    asked, pages = request(api), []
    while True:
        pages.append(result(rig, asked))
        if not pages[-1].has_more:
            break
        assert api.paging is not None
        body = pages[-1].replies[0].body
        cursors = {name: str(body[name.lower()]) for name in api.paging.cursors}
        asked = asked.next_page(cursors)
    assert len(pages) == PAGES
    rows = joined(pages, complete=True).to_dicts()
    assert len(rows) == PAGES * ROWS
    assert rows[0] != rows[ROWS]


def test_prices_lie_around_those_of_the_market(rig: Rig) -> None:
    api = BY_ID["domestic_stock.inquire_price_2"]
    got = result(rig, request(api, fid_input_iscd="005930")).row()
    base = rig.broker.market.exchange.stocks["005930"].base
    assert abs(got.stck_hgpr - base) < base / 10  # type: ignore[operator]


def test_what_the_broker_would_refuse_is_refused(rig: Rig) -> None:
    api = BY_ID["domestic_stock.daily_short_sale"]
    good = request(api).parameters
    missing = {name: value for name, value in good.items() if name != "FID_INPUT_DATE_2"}
    for query, code in (
        (missing, "OPSQ2001"),
        ({**good, "FID_INPUT_ISCD": " "}, "OPSQ2001"),
    ):
        assert rig.get(api.path, api.tr_ids[0].id, **query).code == code
    assert rig.get(api.path, "FHKST99999999", **good).code == "EGW00213"
    assert rig.send("POST", api.path, headers=rig.headers(api.tr_ids[0].id), body={}).status == 405
    account = BY_ID["domestic_bond.inquire_balance"]
    stranger = {**request(account).parameters, "CANO": "99999999"}
    assert rig.get(account.path, account.tr_ids[0].id, **stranger).code == "OPSQ2000"


def test_a_made_up_order_touches_nothing(rig: Rig) -> None:
    before = rig.broker.market.exchange.totals()
    orders = len(rig.broker.market.exchange.orders)
    got = result(rig, request(BY_ID["domestic_bond.buy"]))
    assert got.row()["odno"]
    assert rig.broker.market.exchange.totals() == before
    assert len(rig.broker.market.exchange.orders) == orders
