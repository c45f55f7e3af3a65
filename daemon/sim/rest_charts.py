"""Charts of one symbol: daily, weekly, monthly and yearly bars, and minutes."""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal

from daemon.sim import rest_fields as fields
from daemon.sim.calls import Answer, Call, quoted, symbol_of
from daemon.sim.frames import change_sign, percent
from daemon.sim.history import DailyBar
from daemon.sim.market import Market
from daemon.sim.replies import JsonBody, bad_field, filled
from daemon.sim.rest_quotes import MARKETS
from daemon.sim.tape import MinuteBar

_PERIODS: dict[str, Callable[[date], object]] = {
    "D": lambda day: day,
    "W": lambda day: day.isocalendar()[:2],
    "M": lambda day: (day.year, day.month),
    "Y": lambda day: day.year,
}


def daily_prices(call: Call, market: Market) -> Answer:
    """inquire-daily-price: the last thirty days, weeks or months, newest first."""
    call.one_of("FID_COND_MRKT_DIV_CODE", MARKETS)
    code = symbol_of(call, market)
    period = call.one_of("FID_PERIOD_DIV_CODE", ("D", "W", "M"))
    call.one_of("FID_ORG_ADJ_PRC", ("0", "1"))
    bars = grouped(all_bars(market, code), period)
    rows = []
    for number, bar in list(enumerate(bars))[:-31:-1]:
        before = bars[number - 1].volume if number else bar.volume
        change = bar.close - bar.previous
        values: JsonBody = {
            "stck_bsop_date": f"{bar.day:%Y%m%d}",
            "stck_oprc": f"{bar.open}",
            "stck_hgpr": f"{bar.high}",
            "stck_lwpr": f"{bar.low}",
            "stck_clpr": f"{bar.close}",
            "acml_vol": str(bar.volume),
            "prdy_vrss_vol_rate": percent(bar.volume - before, before),
            "prdy_vrss": f"{change}",
            "prdy_vrss_sign": change_sign(change),
            "prdy_ctrt": percent(change, bar.previous),
            "hts_frgn_ehrt": "50.00",
            "flng_cls_code": "00",
            "acml_prtt_rate": "0.00",
        }
        rows.append(filled(fields.DAILY_PRICE_ROW, values))
    return quoted({"output": rows})


def daily_chart(call: Call, market: Market) -> Answer:
    """inquire-daily-itemchartprice: up to a hundred bars of a range of days, newest first."""
    call.one_of("FID_COND_MRKT_DIV_CODE", MARKETS)
    code = symbol_of(call, market)
    first, last = call.day("FID_INPUT_DATE_1"), call.day("FID_INPUT_DATE_2")
    period = call.one_of("FID_PERIOD_DIV_CODE", tuple(_PERIODS))
    call.one_of("FID_ORG_ADJ_PRC", ("0", "1"))
    bars = [bar for bar in all_bars(market, code) if first <= bar.day <= last]
    chosen = grouped(bars, period)[:-101:-1]
    rows = [
        filled(
            fields.DAILY_CHART_ROW,
            {
                "stck_bsop_date": f"{bar.day:%Y%m%d}",
                "stck_clpr": f"{bar.close}",
                "stck_oprc": f"{bar.open}",
                "stck_hgpr": f"{bar.high}",
                "stck_lwpr": f"{bar.low}",
                "acml_vol": str(bar.volume),
                "acml_tr_pbmn": f"{bar.value}",
                "flng_cls_code": "00",
                "prtt_rate": "0.00",
                "mod_yn": "N",
                "prdy_vrss_sign": change_sign(bar.close - bar.previous),
                "prdy_vrss": f"{bar.close - bar.previous}",
                "revl_issu_reas": "",
            },
        )
        for bar in chosen
    ]
    return quoted({"output1": _daily_head(market, code), "output2": rows})


def _daily_head(market: Market, code: str) -> JsonBody:
    listing, stock, tape = market.listings[code], market.exchange.stocks[code], market.tapes[code]
    yesterday, view = market.yesterday[code], market.view(code)
    values: JsonBody = {
        **_head_values(market, code),
        "stck_shrn_iscd": code,
        "prdy_vol": str(yesterday.volume),
        "stck_mxpr": f"{stock.upper}",
        "stck_llam": f"{stock.lower}",
        "stck_oprc": f"{tape.open}",
        "stck_hgpr": f"{tape.high}",
        "stck_lwpr": f"{tape.low}",
        "stck_prdy_oprc": f"{yesterday.open}",
        "stck_prdy_hgpr": f"{yesterday.high}",
        "stck_prdy_lwpr": f"{yesterday.low}",
        "askp": f"{view.asks[0].price}" if view.asks else "0",
        "bidp": f"{view.bids[0].price}" if view.bids else "0",
        "prdy_vrss_vol": str(tape.volume - yesterday.volume),
        "vol_tnrt": percent(tape.volume, listing.shares),
        "stck_fcam": "100",
        "lstn_stcn": str(listing.shares),
        "cpfn": str(listing.shares // 1_000_000),
        "hts_avls": str(int(stock.last * listing.shares / 100_000_000)),
        "per": "12.50",
        "eps": f"{stock.base / Decimal('12.5'):.2f}",
        "pbr": "1.30",
        "itewhol_loan_rmnd_ratem": "0.10",
    }
    return filled(fields.DAILY_CHART_HEAD, values)


def _head_values(market: Market, code: str) -> JsonBody:
    stock, tape = market.exchange.stocks[code], market.tapes[code]
    change = stock.last - stock.base
    return {
        "prdy_vrss": f"{change}",
        "prdy_vrss_sign": change_sign(change),
        "prdy_ctrt": percent(change, stock.base),
        "stck_prdy_clpr": f"{stock.base}",
        "acml_vol": str(tape.volume),
        "acml_tr_pbmn": f"{tape.value}",
        "hts_kor_isnm": market.listings[code].name,
        "stck_prpr": f"{stock.last}",
    }


def all_bars(market: Market, code: str) -> list[DailyBar]:
    """Finished days and, once it has traded, the present one; oldest first."""
    bars, tape = market.history.daily(code), market.tapes[code]
    if not tape.volume or bars[-1].day == market.day:
        return bars
    today = DailyBar(
        market.day,
        tape.open,
        tape.high,
        tape.low,
        tape.last,
        tape.volume,
        tape.value,
        tape.base,
    )
    return [*bars, today]


def grouped(bars: Iterable[DailyBar], period: str) -> list[DailyBar]:
    """Bars joined by week, month or year; each carries the last day of its group."""
    key = _PERIODS[period]
    joined: list[DailyBar] = []
    for bar in bars:
        if joined and key(joined[-1].day) == key(bar.day):
            last = joined[-1]
            joined[-1] = DailyBar(
                bar.day,
                last.open,
                max(last.high, bar.high),
                min(last.low, bar.low),
                bar.close,
                last.volume + bar.volume,
                last.value + bar.value,
                last.previous,
            )
        else:
            joined.append(bar)
    return joined


def minute_chart(call: Call, market: Market) -> Answer:
    """inquire-time-itemchartprice: thirty minutes backwards from a time of today."""
    call.one_of("FID_COND_MRKT_DIV_CODE", MARKETS)
    code = symbol_of(call, market)
    until = _hour(call)
    past = call.one_of("FID_PW_DATA_INCU_YN", ("Y", "N")) == "Y"
    return _minutes(market, code, market.day, until, past=past, size=30)


def past_minute_chart(call: Call, market: Market) -> Answer:
    """inquire-time-dailychartprice: 120 minutes backwards from a time of a past day."""
    call.one_of("FID_COND_MRKT_DIV_CODE", MARKETS)
    code = symbol_of(call, market)
    day, until = call.day("FID_INPUT_DATE_1"), _hour(call)
    past = call.one_of("FID_PW_DATA_INCU_YN", ("Y", "N", "")) == "Y"
    return _minutes(market, code, min(day, market.day), until, past=past, size=120)


def _hour(call: Call) -> str:
    hour = call.get("FID_INPUT_HOUR_1")
    if len(hour) != 6 or not (hour.isascii() and hour.isdigit()):
        raise bad_field("FID_INPUT_HOUR_1")
    # Midnight means "up to now": clients start with it.
    return hour if hour != "000000" else "240000"


def _minutes(market: Market, code: str, day: date, until: str, *, past: bool, size: int) -> Answer:
    found: list[tuple[date, MinuteBar]] = []
    earliest = market.history.daily(code)[0].day
    while len(found) < size and day >= earliest:
        bars = market.tapes[code].minutes
        if day != market.day:
            bars = market.history.minutes(code, day)
        found.extend((day, bar) for bar in reversed(bars) if bar.time <= until)
        if not past:
            break
        day, until = market.calendar.previous_trading_day(day), "240000"
    rows = []
    for on, bar in found[:size]:
        values: JsonBody = {
            "stck_bsop_date": f"{on:%Y%m%d}",
            "stck_cntg_hour": bar.time,
            "acml_tr_pbmn": f"{bar.value}",
            "stck_prpr": f"{bar.close}",
            "stck_oprc": f"{bar.open}",
            "stck_hgpr": f"{bar.high}",
            "stck_lwpr": f"{bar.low}",
            "cntg_vol": str(bar.volume),
        }
        rows.append(filled(fields.MINUTE_CHART_ROW, values))
    head = filled(fields.MINUTE_CHART_HEAD, _head_values(market, code))
    return quoted({"output1": head, "output2": rows})
