"""Quotations of one symbol: price, book, last trades and what is known about the stock."""

from decimal import Decimal

from daemon.core.calendar import Phase, price_step
from daemon.sim import rest_fields as fields
from daemon.sim.calls import Answer, Call, query_text, quoted, succeeded, symbol_of
from daemon.sim.frames import change_sign, percent
from daemon.sim.history import DailyBar
from daemon.sim.market import Market
from daemon.sim.replies import Denied, JsonBody, filled, whole

MARKETS = ("J", "UN", "NX")


def price(call: Call, market: Market) -> Answer:
    """inquire-price."""
    call.one_of("FID_COND_MRKT_DIV_CODE", MARKETS)
    code = symbol_of(call, market)
    listing, stock, tape = market.listings[code], market.exchange.stocks[code], market.tapes[code]
    yesterday = market.yesterday[code]
    change = stock.last - stock.base
    worth = stock.last * listing.shares / 100_000_000
    values: JsonBody = {
        **{"iscd_stat_cls_code": "55", "marg_rate": "20.00", "rprs_mrkt_kor_name": "KOSPI200"},
        **{"bstp_kor_isnm": listing.industry, "new_hgpr_lwpr_cls_code": "", "apprch_rate": ""},
        **dict.fromkeys(("temp_stop_yn", "oprc_rang_cont_yn", "clpr_rang_cont_yn"), "N"),
        **{"crdt_able_yn": "Y", "grmn_rate_cls_code": "40", "elw_pblc_yn": "Y"},
        "stck_prpr": f"{stock.last}",
        **_move(change, stock.base),
        "acml_tr_pbmn": f"{tape.value}",
        "acml_vol": str(tape.volume),
        "prdy_vrss_vol_rate": percent(tape.volume, yesterday.volume),
        "stck_oprc": f"{tape.open}",
        "stck_hgpr": f"{tape.high}",
        "stck_lwpr": f"{tape.low}",
        "stck_mxpr": f"{stock.upper}",
        "stck_llam": f"{stock.lower}",
        "stck_sdpr": f"{stock.base}",
        "wghn_avrg_stck_prc": f"{tape.average:.2f}",
        "rstc_wdth_prc": whole(stock.base * Decimal("0.3")),
        **{"stck_fcam": "100", "hts_deal_qty_unit_val": "1", "stac_month": "12"},
        "stck_sspr": whole(stock.base * Decimal("0.8")),
        "aspr_unit": f"{price_step(stock.last)}",
        "lstn_stcn": str(listing.shares),
        "hts_avls": whole(worth),
        "cpfn": str(listing.shares // 1_000_000),
        **{"per": "12.50", "pbr": "1.30", "hts_frgn_ehrt": "50.00"},
        "eps": f"{stock.base / Decimal('12.5'):.2f}",
        "bps": f"{stock.base / Decimal('1.3'):.2f}",
        "vol_tnrt": percent(tape.volume, listing.shares),
        **_pivots(yesterday),
        **_ranges(market, code),
        **{"whol_loan_rmnd_rate": "0.10", "ssts_yn": "N", "stck_shrn_iscd": code},
        **{"fcam_cnnm": "100", "cpfn_cnnm": f"{listing.shares // 1_000_000:,} 억"},
        **{"vi_cls_code": "N", "ovtm_vi_cls_code": "N", "invt_caful_yn": "N"},
        **{"mrkt_warn_cls_code": "00", "short_over_yn": "N", "sltr_yn": "N"},
        "mang_issu_cls_code": "N",
    }
    return quoted({"output": filled(fields.PRICE, values)})


def _move(change: Decimal, base: Decimal) -> dict[str, str]:
    return {
        "prdy_vrss": f"{change}",
        "prdy_vrss_sign": change_sign(change),
        "prdy_ctrt": percent(change, base),
    }


def _pivots(bar: DailyBar) -> dict[str, str]:
    pivot = (bar.high + bar.low + bar.close) / 3
    width = bar.high - bar.low
    return {
        "pvt_pont_val": whole(pivot),
        "pvt_frst_dmrs_prc": whole(2 * pivot - bar.low),
        "pvt_frst_dmsp_prc": whole(2 * pivot - bar.high),
        "pvt_scnd_dmrs_prc": whole(pivot + width),
        "pvt_scnd_dmsp_prc": whole(pivot - width),
        "dmrs_val": whole(pivot + width / 2),
        "dmsp_val": whole(pivot - width / 2),
    }


def _ranges(market: Market, code: str) -> dict[str, str]:
    """Highest and lowest close of 250 days, of the year and of 52 weeks."""
    last = market.exchange.stocks[code].last
    names = (
        ("d250_hgpr", "d250_lwpr", "_vrss_prpr_rate"),
        ("stck_dryy_hgpr", "stck_dryy_lwpr", ""),
        ("w52_hgpr", "w52_lwpr", "_vrss_prpr_ctrt"),
    )
    values: dict[str, str] = {}
    periods = market.history.extremes(code, market.day)
    for (high_name, low_name, suffix), period in zip(names, periods, strict=True):
        for name, bar in ((high_name, period.highest), (low_name, period.lowest)):
            values[name] = f"{bar.close}"
            short = name.removeprefix("stck_")
            values[f"{short}_date"] = f"{bar.day:%Y%m%d}"
            values[f"{short}{suffix or '_vrss_prpr_rate'}"] = percent(last - bar.close, bar.close)
    return values


def book(call: Call, market: Market) -> Answer:
    """inquire-asking-price-exp-ccn."""
    call.one_of("FID_COND_MRKT_DIV_CODE", MARKETS)
    code = symbol_of(call, market)
    stock, tape, view = market.exchange.stocks[code], market.tapes[code], market.view(code)
    levels: JsonBody = {
        "aspr_acpt_hour": market.local_time,
        "total_askp_rsqn": str(view.total_ask),
        "total_bidp_rsqn": str(view.total_bid),
        "ntby_aspr_rsqn": str(view.total_bid - view.total_ask),
        "new_mkop_cls_code": "20" if market.phase is Phase.CONTINUOUS else "31",
    }
    for side, shown in (("askp", view.asks), ("bidp", view.bids)):
        for number, level in enumerate(shown, start=1):
            levels[f"{side}{number}"] = f"{level.price}"
            levels[f"{side}_rsqn{number}"] = str(level.quantity)
    expected = view.expected
    made = expected.price if expected is not None else stock.last
    change = made - stock.base
    antc: JsonBody = {
        "antc_mkop_cls_code": "112",
        "stck_prpr": f"{stock.last}",
        "stck_oprc": f"{tape.open}",
        "stck_hgpr": f"{tape.high}",
        "stck_lwpr": f"{tape.low}",
        "stck_sdpr": f"{stock.base}",
        "antc_cnpr": f"{made}",
        "antc_cntg_vrss_sign": change_sign(change),
        "antc_cntg_vrss": f"{change}",
        "antc_cntg_prdy_ctrt": percent(change, stock.base),
        "antc_vol": str(expected.quantity) if expected is not None else "0",
        "stck_shrn_iscd": code,
        "vi_cls_code": "N",
    }
    return quoted(
        {
            "output1": filled(fields.BOOK_LEVELS, levels),
            "output2": filled(fields.BOOK_EXPECTED, antc),
        }
    )


def recent_trades(call: Call, market: Market) -> Answer:
    """inquire-ccnl: the last thirty trades, newest first."""
    call.one_of("FID_COND_MRKT_DIV_CODE", MARKETS)
    code = symbol_of(call, market)
    base = market.exchange.stocks[code].base
    rows = []
    for traded in list(market.tapes[code].recent)[:-31:-1]:
        values: JsonBody = {
            "stck_cntg_hour": traded.time,
            "stck_prpr": f"{traded.price}",
            **_move(traded.price - base, base),
            "cntg_vol": str(traded.quantity),
            "tday_rltv": percent(traded.bought, traded.sold),
        }
        rows.append(filled(fields.RECENT_TRADE, values))
    return quoted({"output": rows})


def product(call: Call, market: Market) -> Answer:
    """search-info: what kind of product a code is."""
    return _described(call, market, fields.PRODUCT_INFO)


def stock_info(call: Call, market: Market) -> Answer:
    """search-stock-info: the listing in detail."""
    return _described(call, market, fields.STOCK_INFO)


def _described(call: Call, market: Market, names: str) -> Answer:
    call.need("PDNO", "PRDT_TYPE_CD")
    code = call.get("PDNO").upper()
    listing = market.listings.get(code)
    if listing is None or call.get("PRDT_TYPE_CD") != "300":
        raise Denied("APBK0656", "해당종목정보가 없습니다.", rt_cd="7")
    stock = market.exchange.stocks[code]
    padded_code = f"00000A{code}"
    values: JsonBody = {
        **{"pdno": padded_code, "prdt_type_cd": "300", "shtn_pdno": code},
        **dict.fromkeys(("prdt_name", "prdt_name120"), f"{listing.name}보통주"),
        "prdt_abrv_name": listing.name,
        **dict.fromkeys(("prdt_eng_name", "prdt_eng_name120"), listing.english),
        "prdt_eng_abrv_name": listing.english,
        **{"std_pdno": f"KR7{code}003", "prdt_clsf_cd": "101210", "prdt_clsf_name": "주식"},
        **{"mket_id_cd": "STK", "scty_grp_id_cd": "ST", "excg_dvsn_cd": "02"},
        **{"setl_mmdd": "12", "lstg_stqt": str(listing.shares), "papr": "100"},
        **{"kospi200_item_yn": "Y", "scts_mket_lstg_dt": "20000104", "tr_stop_yn": "N"},
        **{"admn_item_yn": "N", "thdt_clpr": f"{stock.last}", "bfdy_clpr": f"{stock.base}"},
        **{"idx_bztp_lcls_cd_name": "시가총액규모대", "idx_bztp_mcls_cd_name": listing.industry},
        **{"cptt_trad_tr_psbl_yn": "N", "nxt_tr_stop_yn": "N", "stck_kind_cd": "101"},
        **{"sale_strt_dt": "", "sale_end_dt": "", "frst_erlm_dt": "20000104"},
        **{"ivst_prdt_type_cd_name": "주식"},
    }
    code_ok, text = query_text(call)
    body = succeeded(code_ok, text, {"output": filled(names, values, default="")})
    return Answer(body=body)
