from datetime import date

from daemon.kis.spec import Api
from tests.sim.rig import OPEN, QUIET, Rig

ASKED = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
DAILY = {**ASKED, "FID_ORG_ADJ_PRC": "0"}
MINUTES = {**ASKED, "FID_ETC_CLS_CODE": ""}
PAST_MINUTES = "/uapi/domestic-stock/v1/quotations/inquire-time-dailychartprice"


def chart(rig: Rig, period: str, first: str, last: str) -> list[dict[str, str]]:
    query = {"FID_INPUT_DATE_1": first, "FID_INPUT_DATE_2": last, "FID_PERIOD_DIV_CODE": period}
    said = rig.get(Api.DAILY_BARS, Api.DAILY_BARS.real, **DAILY, **query)
    rows: list[dict[str, str]] = said.body["output2"]
    return rows


def test_daily_bars_are_a_hundred_at_most_and_newest_first() -> None:
    rig = Rig()
    rig.pass_time(60)
    rows = chart(rig, "D", "20250101", "20261012")
    assert len(rows) == 100
    assert rows[0]["stck_bsop_date"] == "20261012"
    assert rows[1]["stck_clpr"] == "72000"
    days = [row["stck_bsop_date"] for row in rows]
    assert days == sorted(days, reverse=True)
    assert len(chart(rig, "D", "20261005", "20261009")) == 5
    assert chart(rig, "D", "20200101", "20200110") == []


def test_weeks_join_their_days() -> None:
    rig = Rig()
    days = chart(rig, "D", "20261005", "20261009")
    (week,) = chart(rig, "W", "20261005", "20261009")
    assert week["stck_oprc"] == days[-1]["stck_oprc"]
    assert week["stck_clpr"] == days[0]["stck_clpr"]
    assert int(week["stck_hgpr"]) == max(int(day["stck_hgpr"]) for day in days)
    assert int(week["acml_vol"]) == sum(int(day["acml_vol"]) for day in days)
    assert len(chart(rig, "M", "20260101", "20260630")) == 6
    assert len(chart(rig, "Y", "20260101", "20260630")) == 1


def test_daily_prices_are_thirty_rows() -> None:
    rig = Rig()
    query = {**DAILY, "FID_PERIOD_DIV_CODE": "D"}
    rows = rig.get(Api.DAILY_PRICES, Api.DAILY_PRICES.real, **query).body["output"]
    assert len(rows) == 30
    assert rows[1]["stck_clpr"] == "72000"


def test_minutes_go_backwards_and_into_yesterday_when_asked() -> None:
    rig = Rig()
    rig.pass_time(10 * 60)
    query = {**MINUTES, "FID_INPUT_HOUR_1": "090500"}
    said = rig.get(Api.MINUTE_BARS, Api.MINUTE_BARS.real, **query, FID_PW_DATA_INCU_YN="N")
    times = [row["stck_cntg_hour"] for row in said.body["output2"]]
    assert times == [f"09{minute:02}00" for minute in range(5, -1, -1)]
    now = {**query, "FID_INPUT_HOUR_1": "000000", "FID_PW_DATA_INCU_YN": "N"}
    said = rig.get(Api.MINUTE_BARS, Api.MINUTE_BARS.real, **now)
    assert said.body["output2"][0]["stck_cntg_hour"] >= "090900"
    said = rig.get(Api.MINUTE_BARS, Api.MINUTE_BARS.real, **query, FID_PW_DATA_INCU_YN="Y")
    rows = said.body["output2"]
    assert len(rows) == 30
    assert (rows[6]["stck_bsop_date"], rows[6]["stck_cntg_hour"]) == ("20261009", "153000")
    assert said.body["output1"]["hts_kor_isnm"] == "삼성전자"


def test_minutes_of_a_past_day() -> None:
    rig = Rig()
    query = {**MINUTES, "FID_INPUT_HOUR_1": "100000", "FID_INPUT_DATE_1": "20261008"}
    rows = rig.get(PAST_MINUTES, "FHKST03010230", **query).body["output2"]
    assert {row["stck_bsop_date"] for row in rows} == {"20261008"}
    assert len(rows) == 61
    query["FID_INPUT_DATE_1"] = "00010101"
    assert rig.get(PAST_MINUTES, "FHKST03010230", **query).body["output2"] == []
    query["FID_INPUT_HOUR_1"] = "ten"
    assert rig.get(PAST_MINUTES, "FHKST03010230", **query).code == "OPSQ2001"


def test_a_simulated_day_stays_in_the_charts() -> None:
    rig = Rig(listings=QUIET)
    rig.jump(OPEN.replace(day=13, minute=1))
    rig.token = rig.new_token()
    rows = chart(rig, "D", "20261009", "20261013")
    assert [row["stck_bsop_date"] for row in rows] == ["20261013", "20261012", "20261009"]
    query = {**MINUTES, "FID_INPUT_HOUR_1": "153000", "FID_INPUT_DATE_1": "20261012"}
    rows = rig.get(PAST_MINUTES, "FHKST03010230", **query).body["output2"]
    assert rows[0]["stck_cntg_hour"] == "153000"
    assert date(2026, 10, 13).weekday() == 1
