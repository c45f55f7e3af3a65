from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from daemon.sim.rules import AMERICAN
from tests.sim.rig import AMERICAN_OPTIONS, NIGHT, QUOTED, Rig, Said


def asked(
    rig: Rig, call: str, tr_id: str, code: str = "AAPL", place: str = "NAS", **more: str
) -> Said:
    return rig.get(QUOTED + call, tr_id, AUTH="", EXCD=place, SYMB=code, **more)


def output(said: Said) -> dict[str, Any]:
    assert said.code == "MCA00000"
    values: dict[str, Any] = said.body["output"]
    return values


def test_a_price_tells_its_move_without_a_sign() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    rig.pass_time(600)
    stock = rig.broker.overseas.exchange.stocks["AAPL"]
    told = output(asked(rig, "price", "HHDFS00000300"))
    assert (told["rsym"], told["zdiv"]) == ("DNASAAPL", "4")
    assert (Decimal(told["last"]), Decimal(told["base"])) == (stock.last, stock.base)
    assert Decimal(told["diff"]) == abs(stock.last - stock.base)
    assert (told["sign"] == "5") == (stock.last < stock.base)
    assert int(told["tvol"]) == rig.broker.overseas.tapes["AAPL"].volume > 0


def test_a_symbol_of_another_exchange_has_no_price() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    for code, place in (("AAPL", "NYS"), ("NOPE", "NAS")):
        for call, tr_id in (("price", "HHDFS00000300"), ("price-detail", "HHDFS76200200")):
            assert set(output(asked(rig, call, tr_id, code, place)).values()) == {""}
    assert asked(rig, "price", "HHDFS00000300", "").code == "OPSQ2001"
    assert asked(rig, "inquire-asking-price", "HHDFS76200100", "NOPE").code == "OPSQ2001"


def test_details_have_no_limits_and_the_step_of_the_price() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    told = output(asked(rig, "price-detail", "HHDFS76200200"))
    assert (told["e_hogau"], told["curr"], told["uplp"]) == ("0.01", "USD", "0.0000")
    small = output(asked(rig, "price-detail", "HHDFS76200200", "ZVZZT"))
    assert small["e_hogau"] == "0.0001"
    assert Decimal(told["l52p"]) <= Decimal(told["base"]) <= Decimal(told["h52p"])


def test_the_book_has_ten_levels_a_side() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    bid, ask = rig.best_abroad("BRK/B")
    said = asked(rig, "inquire-asking-price", "HHDFS76200100", "BRK/B", "NYS").body
    levels = said["output2"]
    assert (Decimal(levels["pbid1"]), Decimal(levels["pask1"])) == (bid, ask)
    bids = [Decimal(levels[f"pbid{number}"]) for number in range(1, 11)]
    assert bids == sorted(bids, reverse=True)
    assert all(AMERICAN.is_valid(price) for price in bids)
    assert int(said["output1"]["bvol"]) >= sum(int(levels[f"vbid{n}"]) for n in range(1, 11))


def test_daily_prices_come_a_hundred_at_a_time_and_end_with_the_day_that_runs() -> None:
    rig = Rig(AMERICAN_OPTIONS)
    query = {"GUBN": "0", "BYMD": "", "MODP": "1"}
    said = asked(rig, "dailyprice", "HHDFS76240000", **query).body
    rows = said["output2"]
    assert (said["output1"]["nrec"], len(rows), rows[0]["xymd"]) == ("100", 100, "20261012")
    assert Decimal(rows[1]["clos"]) == Decimal("262.52")
    assert all(Decimal(row["low"]) <= Decimal(row["clos"]) <= Decimal(row["high"]) for row in rows)
    earlier = asked(rig, "dailyprice", "HHDFS76240000", **{**query, "BYMD": rows[-1]["xymd"]}).body
    assert earlier["output2"][0] == rows[-1]
    weeks = asked(rig, "dailyprice", "HHDFS76240000", **{**query, "GUBN": "1"}).body["output2"]
    days = [date.fromisoformat(row["xymd"]) for row in weeks]
    assert all(newer - older > timedelta(days=2) for newer, older in pairwise(days))
    assert asked(rig, "dailyprice", "HHDFS76240000", **{**query, "GUBN": "9"}).code == "OPSQ2001"


def test_minute_bars_go_back_past_midnight_by_a_key() -> None:
    rig = Rig(AMERICAN_OPTIONS, start=NIGHT.replace(day=13, hour=1))
    query = {"NMIN": "5", "PINC": "1", "NEXT": "", "NREC": "120", "FILL": "", "KEYB": ""}
    said = asked(rig, "inquire-time-itemchartprice", "HHDFS76950200", **query).body
    head, rows = said["output1"], said["output2"]
    assert (head["stim"], head["sktm"], head["nrec"], head["more"]) == (
        *("093000", "223000"),
        *("120", "1"),
    )
    newest = rows[0]
    assert newest["tymd"] == "20261012"
    assert newest["kymd"] >= "20261012"
    keys = [row["xymd"] + row["xhms"] for row in rows]
    assert keys == sorted(keys, reverse=True)
    assert {int(row["xhms"][2:4]) % 5 for row in rows} == {0}
    more = {**query, "NEXT": "1", "KEYB": keys[-1]}
    earlier = asked(rig, "inquire-time-itemchartprice", "HHDFS76950200", **more).body["output2"]
    assert earlier[0] == rows[-1]
    assert earlier[1]["xymd"] + earlier[1]["xhms"] < keys[-1]
    today = asked(rig, "inquire-time-itemchartprice", "HHDFS76950200", **{**query, "PINC": "0"})
    assert {row["tymd"] for row in today.body["output2"]} == {"20261012"}
    for wrong in ({"NMIN": "0"}, {"NEXT": "1", "KEYB": "soon"}, {"NREC": "many"}, {"PINC": "2"}):
        call = {**query, **wrong}
        said_no = asked(rig, "inquire-time-itemchartprice", "HHDFS76950200", **call)
        assert said_no.code == "OPSQ2001"
