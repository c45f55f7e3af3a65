"""Quotations of the US markets: price, best of the book, daily and minute bars, in USD.

The change from the day before carries no sign of its own: `sign` has it (captured 2026).
"""

import re
from collections.abc import Iterable
from datetime import date

from daemon.sim.american import PLACES, USD_IN_KRW, stream_key
from daemon.sim.calls import Answer, Call, quoted
from daemon.sim.frames import change_sign, percent
from daemon.sim.frames_overseas import DECIMALS, both_clocks, priced
from daemon.sim.history import DailyBar
from daemon.sim.market import Market
from daemon.sim.replies import JsonBody, bad_field, filled
from daemon.sim.rest_charts import all_bars, grouped
from daemon.sim.tape import MinuteBar
from daemon.sim.universe import Listing

_PRICE = "rsym zdiv base pvol last sign diff rate tvol tamt ordy"
_DETAIL = (
    "rsym pvol open high low last base tomv pamt uplp dnlp h52p h52d l52p l52d perx pbrx epsx "
    "bpsx shar mcap curr zdiv vnit t_xprc t_xdif t_xrat p_xprc p_xdif p_xrat t_rate p_rate "
    "t_xsgn p_xsng e_ordyn e_hogau e_icod e_parp tvol tamt etyp_nm"
)
_BOOK_HEAD = (
    "rsym zdiv curr base open high low last dymd dhms bvol avol bdvl advl code ropen rhigh rlow "
    "rclose"
)
_BOOK_EXTRA = "vstm vetm csbp cshi cslo iep iev"
_DAILY_ROW = "xymd clos sign diff rate open high low tvol tamt pbid vbid pask vask"
_MINUTE_HEAD = "rsym zdiv stim etim sktm ektm next more nrec"
_MINUTE_ROW = "tymd xymd xhms kymd khms open high low last evol eamt"
_PERIODS = {"0": "D", "1": "W", "2": "M"}
_MOST_DAYS, _MOST_MINUTES = 100, 120
_DAY_MARKETS = {"BAQ": "NAS", "BAY": "NYS", "BAA": "AMS"}
_KEY = re.compile(r"[0-9]{14}")


def price(call: Call, market: Market) -> Answer:
    """price: an unknown symbol is answered with blanks."""
    listing = _listing(call, market)
    if listing is None:
        return quoted({"output": filled(_PRICE, {}, default="")})
    code = listing.code
    stock, tape = market.exchange.stocks[code], market.tapes[code]
    change = stock.last - stock.base
    values: JsonBody = {
        "rsym": stream_key(listing),
        "zdiv": DECIMALS,
        "base": priced(stock.base),
        "pvol": str(market.yesterday[code].volume),
        "last": priced(stock.last),
        "sign": change_sign(change),
        "diff": priced(abs(change)),
        "rate": percent(change, stock.base),
        "tvol": str(tape.volume),
        "tamt": f"{tape.value:.0f}",
        "ordy": "매도불가",
    }
    return quoted({"output": filled(_PRICE, values)})


def detail(call: Call, market: Market) -> Answer:
    """price-detail."""
    listing = _listing(call, market)
    if listing is None:
        return quoted({"output": filled(_DETAIL, {}, default="")})
    code = listing.code
    stock, tape, yesterday = (
        market.exchange.stocks[code],
        market.tapes[code],
        market.yesterday[code],
    )
    change, before = stock.last - stock.base, yesterday.close - yesterday.previous
    _, _, year = market.history.extremes(code, market.day)
    values: JsonBody = {
        "rsym": stream_key(listing),
        "pvol": str(yesterday.volume),
        **{"open": priced(tape.open), "high": priced(tape.high), "low": priced(tape.low)},
        **{"last": priced(stock.last), "base": priced(stock.base)},
        "tomv": f"{stock.last * listing.shares:.0f}",
        "pamt": f"{yesterday.value:.0f}",
        **{"h52p": priced(year.highest.close), "h52d": f"{year.highest.day:%Y%m%d}"},
        **{"l52p": priced(year.lowest.close), "l52d": f"{year.lowest.day:%Y%m%d}"},
        **{"perx": "25.00", "pbrx": "5.00"},
        **{"epsx": f"{stock.base / 25:.2f}", "bpsx": f"{stock.base / 5:.2f}"},
        **{"shar": str(listing.shares), "curr": "USD", "zdiv": DECIMALS, "vnit": "1"},
        "t_xprc": f"{stock.last * USD_IN_KRW:.0f}",
        "t_xdif": f"{abs(change) * USD_IN_KRW:.0f}",
        "t_xrat": percent(change, stock.base),
        "p_xprc": f"{yesterday.close * USD_IN_KRW:.0f}",
        "p_xdif": f"{abs(before) * USD_IN_KRW:.0f}",
        "p_xrat": percent(before, yesterday.previous),
        **dict.fromkeys(("t_rate", "p_rate"), f"{USD_IN_KRW}"),
        **{"t_xsgn": change_sign(change), "p_xsng": change_sign(before)},
        **{"e_ordyn": "매매 가능", "e_hogau": f"{market.rules.step(stock.last)}"},
        **{"e_icod": listing.industry, "e_parp": "0.00", "etyp_nm": ""},
        **{"tvol": str(tape.volume), "tamt": f"{tape.value:.0f}"},
    }
    return quoted({"output": filled(_DETAIL, values, default="0.0000")})


def book(call: Call, market: Market) -> Answer:
    """inquire-asking-price: the documentation promises one level, US markets are told with ten."""
    listing = _listing(call, market)
    if listing is None:
        raise bad_field("SYMB")
    code = listing.code
    stock, tape, view = market.exchange.stocks[code], market.tapes[code], market.view(code)
    head: JsonBody = {
        "rsym": stream_key(listing),
        **{"zdiv": DECIMALS, "curr": "USD", "base": priced(stock.base), "code": code},
        **{"open": priced(tape.open), "high": priced(tape.high), "low": priced(tape.low)},
        **{"last": priced(stock.last), "dymd": f"{market.today:%Y%m%d}"},
        "dhms": market.local_time,
        **{"bvol": str(view.total_bid), "avol": str(view.total_ask)},
        "rclose": percent(stock.last - stock.base, stock.base),
    }
    levels: JsonBody = {}
    for number in range(10):
        for side, shown in (("bid", view.bids), ("ask", view.asks)):
            known = number < len(shown)
            levels[f"p{side}{number + 1}"] = priced(shown[number].price) if known else "0.0000"
            levels[f"v{side}{number + 1}"] = str(shown[number].quantity) if known else "0"
            levels[f"d{side}{number + 1}"] = "0"
    return quoted(
        {
            "output1": filled(_BOOK_HEAD, head),
            "output2": levels,
            "output3": filled(_BOOK_EXTRA, {}, default=""),
        }
    )


def daily_prices(call: Call, market: Market) -> Answer:
    """dailyprice: a hundred days, weeks or months up to BYMD, newest first."""
    listing = _listing(call, market)
    period = _PERIODS[call.one_of("GUBN", tuple(_PERIODS))]
    call.one_of("MODP", ("0", "1"))
    last = call.day("BYMD") if call.get("BYMD") else market.day
    if listing is None:
        return quoted({"output1": filled("rsym zdiv nrec", {}, default=""), "output2": []})
    bars = [bar for bar in all_bars(market, listing.code) if bar.day <= last]
    rows = [_daily_row(bar) for bar in grouped(bars, period)[: -_MOST_DAYS - 1 : -1]]
    head = {"rsym": stream_key(listing), "zdiv": DECIMALS, "nrec": str(len(rows))}
    return quoted({"output1": head, "output2": rows})


def _daily_row(bar: DailyBar) -> JsonBody:
    change = bar.close - bar.previous
    return filled(
        _DAILY_ROW,
        {
            "xymd": f"{bar.day:%Y%m%d}",
            "clos": priced(bar.close),
            "sign": change_sign(change),
            "diff": priced(abs(change)),
            "rate": percent(change, bar.previous),
            **{"open": priced(bar.open), "high": priced(bar.high), "low": priced(bar.low)},
            **{"tvol": str(bar.volume), "tamt": f"{bar.value:.0f}"},
            **{"pbid": priced(bar.close), "pask": priced(bar.close)},
        },
    )


def minute_chart(call: Call, market: Market) -> Answer:
    """inquire-time-itemchartprice: up to 120 bars of NMIN minutes backwards, newest first.

    With NEXT 1, KEYB names the local date and time of the oldest bar known: those before follow.
    """
    listing = _listing(call, market)
    width, count = call.number("NMIN"), call.number("NREC")
    with_past = call.one_of("PINC", ("0", "1")) == "1"
    if listing is None:
        raise bad_field("SYMB")
    if not 1 <= width <= 60:
        raise bad_field("NMIN")
    count = min(max(count, 1), _MOST_MINUTES)
    before = call.get("KEYB") if call.get("NEXT") == "1" else ""
    if before and not _KEY.fullmatch(before):
        raise bad_field("KEYB")
    found: list[tuple[date, MinuteBar]] = []
    day, earliest = market.day, market.history.daily(listing.code)[0].day
    while len(found) <= count and day >= earliest:
        is_today = day == market.day
        bars = market.tapes[listing.code].minutes if is_today else []
        bars = bars or market.history.minutes(listing.code, day)
        found.extend(
            (day, bar)
            for bar in reversed(_joined(bars, width))
            if not before or f"{day:%Y%m%d}{bar.time}" < before
        )
        if not with_past:
            break
        day = market.calendar.previous_trading_day(day)
    more = "1" if len(found) > count else "0"
    open_at, close_at = "093000", "160000"
    _, _, _, korean_open = both_clocks(market.day, open_at, market.utc_offset)
    _, _, _, korean_close = both_clocks(market.day, close_at, market.utc_offset)
    head = {
        **{"rsym": stream_key(listing), "zdiv": DECIMALS, "stim": open_at, "etim": close_at},
        **{"sktm": korean_open, "ektm": korean_close, "next": more, "more": more},
        "nrec": str(len(found[:count])),
    }
    rows = [_minute_row(market, on, bar) for on, bar in found[:count]]
    return quoted({"output1": filled(_MINUTE_HEAD, head), "output2": rows})


def _joined(bars: Iterable[MinuteBar], width: int) -> list[MinuteBar]:
    """Bars of `width` minutes, counted from the hour, each with the time it begins at."""
    joined: list[MinuteBar] = []
    for bar in bars:
        minutes = int(bar.time[:2]) * 60 + int(bar.time[2:4])
        minutes -= minutes % width
        time = f"{minutes // 60:02}{minutes % 60:02}00"
        if not joined or joined[-1].time != time:
            joined.append(
                MinuteBar(time, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.value)
            )
            continue
        last = joined[-1]
        last.high, last.low = max(last.high, bar.high), min(last.low, bar.low)
        last.close = bar.close
        last.volume += bar.volume
        last.value += bar.value
    return joined


def _minute_row(market: Market, day: date, bar: MinuteBar) -> JsonBody:
    offset = market.rules.offset_on(day)
    local_day, local, korean_day, korean = both_clocks(day, bar.time, offset)
    return filled(
        _MINUTE_ROW,
        {
            **{"tymd": local_day, "xymd": local_day, "xhms": local},
            **{"kymd": korean_day, "khms": korean},
            **{"open": priced(bar.open), "high": priced(bar.high), "low": priced(bar.low)},
            **{"last": priced(bar.close), "evol": str(bar.volume), "eamt": f"{bar.value:.0f}"},
        },
    )


def _listing(call: Call, market: Market) -> Listing | None:
    """The listing a call names by exchange and symbol."""
    call.need("EXCD", "SYMB")
    exchange = call.get("EXCD")
    exchange = _DAY_MARKETS.get(exchange, exchange)
    listing = market.listings.get(call.get("SYMB"))
    if listing is None or PLACES[listing.market].quote != exchange:
        return None
    return listing
