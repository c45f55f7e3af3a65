from daemon.kis.spec import Api
from daemon.sim.rest_fields import BOOK_EXPECTED, BOOK_LEVELS, PRICE, PRODUCT_INFO, STOCK_INFO
from tests.sim.rig import Rig

ASKED = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
INFO = "/uapi/domestic-stock/v1/quotations/search-info"
STOCK = "/uapi/domestic-stock/v1/quotations/search-stock-info"


def test_the_price_reply_is_whole_and_hangs_together() -> None:
    rig = Rig()
    rig.pass_time(120)
    output = rig.get(Api.PRICE, Api.PRICE.real, **ASKED).body["output"]
    assert list(output) == PRICE.split()
    assert all(isinstance(value, str) for value in output.values())
    assert (output["stck_sdpr"], output["stck_mxpr"], output["stck_llam"]) == (
        "72000",
        "93600",
        "50400",
    )
    assert int(output["stck_prpr"]) - 72_000 == int(output["prdy_vrss"])
    assert int(output["stck_lwpr"]) <= int(output["stck_prpr"]) <= int(output["stck_hgpr"])
    assert output["aspr_unit"] == "100"


def test_the_book_reply_shows_ten_levels_that_do_not_cross() -> None:
    rig = Rig()
    said = rig.get(Api.ORDER_BOOK, Api.ORDER_BOOK.real, **ASKED)
    levels, expected = said.body["output1"], said.body["output2"]
    assert list(levels) == BOOK_LEVELS.split()
    assert list(expected) == BOOK_EXPECTED.split()
    asks = [int(levels[f"askp{n}"]) for n in range(1, 11)]
    bids = [int(levels[f"bidp{n}"]) for n in range(1, 11)]
    assert [*reversed(bids), *asks] == sorted([*bids, *asks])
    assert sum(int(levels[f"askp_rsqn{n}"]) for n in range(1, 11)) <= int(levels["total_askp_rsqn"])


def test_recent_trades_are_newest_first() -> None:
    rig = Rig()
    rig.pass_time(120)
    rows = rig.get(Api.RECENT_TRADES, Api.RECENT_TRADES.real, **ASKED).body["output"]
    times = [row["stck_cntg_hour"] for row in rows]
    assert len(rows) == 30
    assert times == sorted(times, reverse=True)


def test_unknown_symbols_and_markets() -> None:
    rig = Rig()
    said = rig.get(Api.PRICE, Api.PRICE.real, **{**ASKED, "FID_INPUT_ISCD": "999999"})
    assert said.body["msg1"].strip() == "ERROR : INPUT INVALID_CHECK_FID_INPUT_ISCD"
    said = rig.get(Api.PRICE, Api.PRICE.real, **{**ASKED, "FID_COND_MRKT_DIV_CODE": "Z"})
    assert said.code == "OPSQ2001"


def test_what_is_known_about_a_stock() -> None:
    rig = Rig()
    product = rig.get(INFO, "CTPF1604R", PDNO="005930", PRDT_TYPE_CD="300").body["output"]
    assert list(product) == PRODUCT_INFO.split()
    assert (product["shtn_pdno"], product["prdt_abrv_name"]) == ("005930", "삼성전자")
    stock = rig.get(STOCK, "CTPF1002R", PDNO="005930", PRDT_TYPE_CD="300").body["output"]
    assert list(stock) == STOCK_INFO.split()
    assert stock["bfdy_clpr"] == "72000"
    said = rig.get(INFO, "CTPF1604R", PDNO="005930", PRDT_TYPE_CD="512")
    assert (said.code, said.body["rt_cd"]) == ("APBK0656", "7")
