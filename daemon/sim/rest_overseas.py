"""Account queries of the US markets: orders, holdings, and what could be bought, in USD.

Dates asked for are those of the exchange; an order placed after midnight in Seoul belongs to the
day that has yet to end in New York.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice

from daemon.core.calendar import KST
from daemon.core.values import Market as Listed
from daemon.core.values import Side
from daemon.sim.american import PLACES, USD_IN_KRW
from daemon.sim.calls import Answer, Call, account_of, cursors, query_text, succeeded
from daemon.sim.facts import Action, Order
from daemon.sim.ledgers import Account, Holding
from daemon.sim.market import Market
from daemon.sim.replies import Denied, JsonBody, bad_field, filled, padded
from daemon.sim.rest_accounts import LAST_PAGE

_WIDTH = 200
_ORDER_ROW = (
    "ord_dt ord_gno_brno odno orgn_odno sll_buy_dvsn_cd sll_buy_dvsn_cd_name rvse_cncl_dvsn "
    "rvse_cncl_dvsn_name pdno prdt_name ft_ord_qty ft_ord_unpr3 ft_ccld_qty ft_ccld_unpr3 "
    "ft_ccld_amt3 nccs_qty prcs_stat_name rjct_rson rjct_rson_name ord_tmd tr_mket_name tr_natn "
    "tr_natn_name ovrs_excg_cd tr_crcy_cd dmst_ord_dt thco_ord_tmd loan_type_cd loan_dt "
    "mdia_dvsn_name usa_amk_exts_rqst_yn splt_buy_attr_name"
)
_OPEN_ROW = (
    "ord_dt ord_gno_brno odno orgn_odno pdno prdt_name sll_buy_dvsn_cd sll_buy_dvsn_cd_name "
    "rvse_cncl_dvsn_cd rvse_cncl_dvsn_cd_name rjct_rson rjct_rson_name ord_tmd tr_mket_name "
    "tr_crcy_cd natn_cd natn_kor_name ft_ord_qty ft_ccld_qty nccs_qty ft_ord_unpr3 ft_ccld_unpr3 "
    "ft_ccld_amt3 ovrs_excg_cd prcs_stat_name loan_type_cd loan_dt usa_amk_exts_rqst_yn"
)
_BALANCE_ROW = (
    "cano acnt_prdt_cd prdt_type_cd ovrs_pdno ovrs_item_name frcr_evlu_pfls_amt evlu_pfls_rt "
    "pchs_avg_pric ovrs_cblc_qty ord_psbl_qty frcr_pchs_amt1 ovrs_stck_evlu_amt now_pric2 "
    "tr_crcy_cd ovrs_excg_cd loan_type_cd loan_dt expd_dt"
)
_PROFITS = (
    "frcr_pchs_amt1 ovrs_rlzt_pfls_amt ovrs_tot_pfls rlzt_erng_rt tot_evlu_pfls_amt tot_pftrt "
    "frcr_buy_amt_smtl1 ovrs_rlzt_pfls_amt2 frcr_buy_amt_smtl2"
)
_PRESENT_ROW = (
    "prdt_name cblc_qty13 thdt_buy_ccld_qty1 thdt_sll_ccld_qty1 ccld_qty_smtl1 ord_psbl_qty1 "
    "frcr_pchs_amt frcr_evlu_amt2 evlu_pfls_amt2 evlu_pfls_rt1 pdno bass_exrt buy_crcy_cd "
    "ovrs_now_pric1 avg_unpr3 tr_mket_name natn_kor_name pchs_rmnd_wcrc_amt "
    "thdt_buy_ccld_frcr_amt thdt_sll_ccld_frcr_amt unit_amt std_pdno prdt_type_cd "
    "scts_dvsn_name loan_rmnd loan_dt loan_expd_dt ovrs_excg_cd item_lnkg_excg_cd"
)
_CURRENCY_ROW = (
    "crcy_cd crcy_cd_name frcr_buy_amt_smtl frcr_sll_amt_smtl frcr_dncl_amt_2 frst_bltn_exrt "
    "frcr_buy_mgn_amt frcr_etc_mgna frcr_drwg_psbl_amt_1 frcr_evlu_amt2 acpl_cstd_crcy_yn "
    "nxdy_frcr_drwg_psbl_amt"
)
_TOTALS = (
    "pchs_amt_smtl evlu_amt_smtl evlu_pfls_amt_smtl dncl_amt cma_evlu_amt tot_dncl_amt etc_mgna "
    "wdrw_psbl_tot_amt frcr_evlu_tota evlu_erng_rt1 pchs_amt_smtl_amt evlu_amt_smtl_amt "
    "tot_evlu_pfls_amt tot_asst_amt buy_mgn_amt mgna_tota frcr_use_psbl_amt ustl_sll_amt_smtl "
    "ustl_buy_amt_smtl tot_frcr_cblc_smtl tot_loan_amt"
)
_ORDERABLE = (
    "tr_crcy_cd ord_psbl_frcr_amt sll_ruse_psbl_amt ovrs_ord_psbl_amt max_ord_psbl_qty "
    "echm_af_ord_psbl_amt echm_af_ord_psbl_qty ord_psbl_qty exrt frcr_ord_psbl_amt1 "
    "ovrs_max_ord_psbl_qty"
)
_ALL_US = "NASD"
"""In queries the code of Nasdaq means every US exchange; of balances on the real host only."""

_ORDER_CODES = ("", "%", "NASD", "NYSE", "AMEX", "SEHK", "SHAA", "SZAA", "TKSE", "HASE", "VNSE")
_BALANCE_CODES = ("NASD", "NAS", *_ORDER_CODES[3:])
_CHANGE_NAMES = {
    Action.NEW: ("00", ""),
    Action.MODIFY: ("01", "정정"),
    Action.CANCEL: ("02", "취소"),
}


def open_orders(call: Call, market: Market) -> Answer:
    """inquire-nccs: what still stands; real only, forty a page."""
    if call.is_virtual:
        raise Denied("90000000", padded("모의투자에서는 해당업무가 제공되지 않습니다."))
    account = account_of(call)
    exchange = call.one_of("OVRS_EXCG_CD", _ORDER_CODES)
    call.one_of("SORT_SQN", ("", "DS", "AS"))
    newest_first = call.get("SORT_SQN") == "DS"
    found = (
        order
        for order in _ordered(market, newest_first=newest_first)
        if order.request.account == account and order.is_open and _on(order, exchange)
    )
    page, more = _page(call, found, 40, newest_first=newest_first)
    rows = [filled(_OPEN_ROW, _open_row(order, market), default="") for order in page]
    return _told(call, {"output": rows}, page, more)


def day_orders(call: Call, market: Market) -> Answer:
    """inquire-ccnl: every order of a range of the exchange's days, twenty a page, fifteen virtual.

    Where there is nothing the list becomes one object of blanks. The virtual world knows no
    filters but the dates.
    """
    account = account_of(call)
    newest_first = call.get("SORT_SQN") != "AS"
    found = _selected(call, market, account, newest_first=newest_first)
    page, more = _page(call, found, 15 if call.is_virtual else 20, newest_first=newest_first)
    if not page:
        return _told(call, {"output": filled(_ORDER_ROW, {}, default="")}, page, more)
    rows = [filled(_ORDER_ROW, _order_row(order, market), default="") for order in page]
    return _told(call, {"output": rows}, page, more)


def balance(call: Call, market: Market) -> Answer:
    """inquire-balance: holdings by trade date, a hundred a page, and the totals of all of them."""
    account = market.exchange.accounts[account_of(call)]
    exchange = call.one_of("OVRS_EXCG_CD", _BALANCE_CODES)
    call.one_of("TR_CRCY_CD", ("USD", "HKD", "CNY", "JPY", "VND"))
    told = _told_holdings(call, market, account, exchange)
    start = _cursor(call)
    left = [each for each in told if "!".join(each) > start]
    page, more = left[:100], len(left) > 100
    rows = [_balance_row(call, market, account, code, place) for code, place in page]
    if rows and not more:
        # The list has been seen to end with a row of nothing.
        rows.append(filled(_BALANCE_ROW, {}, default=""))
    body: JsonBody = {
        **cursors(_condition(call), "!".join(page[-1]) if more else "", _WIDTH),
        "output1": rows,
        "output2": _profits(market, account),
    }
    code, text = query_text(call, more=more, empty=not told)
    return Answer(
        body=succeeded(code, text, body),
        tr_cont=("M" if start else "F") if more else LAST_PAGE,
    )


def present_balance(call: Call, market: Market) -> Answer:
    """inquire-present-balance: all at once; the virtual world tells the totals alone."""
    account = market.exchange.accounts[account_of(call)]
    if not market.is_booked and not call.is_virtual:
        account = account.before_today()
    in_won = call.one_of("WCRC_FRCR_DVSN_CD", ("", "01", "02")) != "02"
    wanted = call.one_of("NATN_CD", ("", "000", "840", "344", "156", "392", "704"))
    told = _told_holdings(call, market, account, _ALL_US) if wanted in ("", "000", "840") else []
    rate = USD_IN_KRW if in_won else Decimal(1)
    rows = [_present_row(market, account, code, place, rate) for code, place in told]
    money = [_currency_row(account)] if account.cash or told else []
    if call.is_virtual:
        rows, money = [], []
    body: JsonBody = {
        "output1": rows,
        "output2": money,
        "output3": _present_totals(market, account),
    }
    code, text = query_text(call, empty=not told)
    return Answer(body=succeeded(code, text, body), tr_cont=LAST_PAGE)


def orderable(call: Call, market: Market) -> Answer:
    """inquire-psamount: how much could be bought at a price."""
    account = market.exchange.accounts[account_of(call)]
    call.need("OVRS_EXCG_CD", "OVRS_ORD_UNPR", "ITEM_CD")
    if call.get("ITEM_CD") not in market.listings:
        raise bad_field("ITEM_CD")
    try:
        price = Decimal(call.get("OVRS_ORD_UNPR"))
    except ArithmeticError:
        raise bad_field("OVRS_ORD_UNPR") from None
    if not price.is_finite() or price <= 0:
        raise bad_field("OVRS_ORD_UNPR")
    cash, shares = account.orderable, int(account.orderable // price)
    amounts = ("ord_psbl_frcr_amt", "ovrs_ord_psbl_amt", "frcr_ord_psbl_amt1")
    counts = ("max_ord_psbl_qty", "ord_psbl_qty", "ovrs_max_ord_psbl_qty")
    output = filled(
        _ORDERABLE,
        {
            **dict.fromkeys(amounts, f"{cash:.2f}"),
            **dict.fromkeys(counts, str(shares)),
            **{"tr_crcy_cd": "USD", "sll_ruse_psbl_amt": "0.00", "echm_af_ord_psbl_amt": "0.00"},
            "exrt": f"{USD_IN_KRW:.10f}",
        },
    )
    code, text = query_text(call)
    return Answer(body=succeeded(code, text, {"output": output}))


def _key(order: Order) -> tuple[date, int]:
    return order.day, order.number


def _on(order: Order, exchange: str) -> bool:
    return exchange in ("", "%", _ALL_US, order.request.venue)


def _ordered(market: Market, *, newest_first: bool) -> Iterator[Order]:
    orders = market.exchange.orders.values()  # their numbers only grow
    return reversed(orders) if newest_first else iter(orders)


def _selected(call: Call, market: Market, account: str, *, newest_first: bool) -> Iterator[Order]:
    first, last = call.day("ORD_STRT_DT"), call.day("ORD_END_DT")
    if first > last:
        raise bad_field("ORD_STRT_DT")
    sides = {"00": (Side.BUY, Side.SELL), "01": (Side.SELL,), "02": (Side.BUY,)}
    side = call.get("SLL_BUY_DVSN") or "00"
    filling = call.one_of("CCLD_NCCS_DVSN", ("", "00", "01", "02"))
    exchange, code = call.one_of("OVRS_EXCG_CD", _ORDER_CODES), call.get("PDNO")
    if side not in sides:
        raise bad_field("SLL_BUY_DVSN")
    if call.is_virtual:
        side, filling, exchange, code = "00", "00", "", ""
    return (
        order
        for order in _ordered(market, newest_first=newest_first)
        if order.request.account == account
        and first <= order.day <= last
        and order.request.side in sides[side]
        and (filling in ("", "00") or (order.filled > 0 if filling == "01" else order.is_open))
        and _on(order, exchange)
        and code in ("", "%", order.request.code)
    )


def _cursor(call: Call) -> str:
    return call.get("CTX_AREA_NK200") if call.tr_cont.strip().upper() == "N" else ""


def _page(
    call: Call, orders: Iterable[Order], size: int, *, newest_first: bool
) -> tuple[list[Order], bool]:
    """The orders behind the cursor that fit on a page, and whether others follow."""
    cursor = _cursor(call)
    if cursor:
        day, _, number = cursor.partition("!^")
        number = number.rstrip("!^")
        if not (number.isascii() and number.isdigit() and len(number) <= 15):
            raise bad_field("CTX_AREA_NK200")
        try:
            start = datetime.strptime(day, "%Y%m%d").date(), int(number)  # noqa: DTZ007  a date
        except ValueError:
            raise bad_field("CTX_AREA_NK200") from None
        orders = (o for o in orders if (_key(o) < start if newest_first else _key(o) > start))
    found = list(islice(orders, size + 1))
    return found[:size], len(found) > size


def _condition(call: Call) -> str:
    names = ("CANO", "ACNT_PRDT_CD", "OVRS_EXCG_CD", "TR_CRCY_CD", "SORT_SQN")
    return "".join(f"{call.get(name)}^" for name in names if name in call.parameters)


def _told(call: Call, body: JsonBody, page: Sequence[Order], more: bool) -> Answer:
    following = "{:%Y%m%d}!^{:010}!^".format(*_key(page[-1])) if more else ""
    code, text = query_text(call, more=more, empty=not page)
    whole = {**cursors(_condition(call) if page else "", following, _WIDTH), **body}
    going_on = "M" if _cursor(call) else "F"
    return Answer(body=succeeded(code, text, whole), tr_cont=going_on if more else LAST_PAGE)


def _order_row(order: Order, market: Market) -> JsonBody:
    request = order.request
    change, change_name = _CHANGE_NAMES[order.action]
    korean = order.at.astimezone(KST)
    open_shares = order.remaining if order.is_open else 0
    called_refused = order.refused and not market.refused_by_reason
    return {
        **_order_head(order, market),
        "rvse_cncl_dvsn": change,
        "rvse_cncl_dvsn_name": change_name,
        "ft_ord_unpr3": f"{request.price or Decimal(0):.4f}",
        "ft_ccld_unpr3": f"{order.average_price:.4f}",
        "ft_ccld_amt3": f"{order.notional:.4f}",
        "nccs_qty": str(open_shares),
        "prcs_stat_name": "거부" if called_refused else "접수" if open_shares else "완료",
        "rjct_rson": "0001" if order.refused else "",
        "rjct_rson_name": "거래소 거부" if order.refused else "",
        **{"tr_natn": "840", "tr_natn_name": "미국"},
        "dmst_ord_dt": f"{korean:%Y%m%d}",
        "thco_ord_tmd": f"{korean:%H%M%S}",
        "mdia_dvsn_name": "OpenAPI" if request.origin == "OpnAPI" else request.origin,
    }


def _open_row(order: Order, market: Market) -> JsonBody:
    change, change_name = _CHANGE_NAMES[order.action]
    return {
        **_order_head(order, market),
        "rvse_cncl_dvsn_cd": change,
        "rvse_cncl_dvsn_cd_name": change_name,
        "ft_ord_unpr3": f"{order.request.price or Decimal(0):.8f}",
        "ft_ccld_unpr3": f"{order.average_price:.8f}",
        "ft_ccld_amt3": f"{order.notional:.5f}",
        "nccs_qty": str(order.remaining),
        **{"natn_cd": "840", "natn_kor_name": "미국"},
    }


def _order_head(order: Order, market: Market) -> JsonBody:
    """What both lists of orders call by the same names."""
    request = order.request
    listing = market.listings[request.code]
    buys = request.side is Side.BUY
    return {
        "ord_dt": f"{order.day:%Y%m%d}",
        "ord_gno_brno": request.branch,
        "odno": f"{order.number:010}",
        "orgn_odno": f"{order.original:010}" if order.original is not None else "",
        "sll_buy_dvsn_cd": "02" if buys else "01",
        "sll_buy_dvsn_cd_name": "매수" if buys else "매도",
        "pdno": request.code,
        "prdt_name": listing.name,
        "ft_ord_qty": str(request.quantity),
        "ft_ccld_qty": str(order.filled),
        "ord_tmd": f"{order.at.astimezone(KST):%H%M%S}",
        "tr_mket_name": PLACES[listing.market].name,
        "ovrs_excg_cd": PLACES[listing.market].order,
        **{"tr_crcy_cd": "USD", "loan_type_cd": "10", "usa_amk_exts_rqst_yn": "N"},
    }


def _told_holdings(
    call: Call, market: Market, account: Account, exchange: str
) -> list[tuple[str, str]]:
    """Symbols held, each with the exchange it is told under, sorted.

    A broker that tells holdings twice tells those of other exchanges under Nasdaq as well.
    """
    nasdaq = PLACES[Listed.NASDAQ]
    twice = exchange == _ALL_US and market.told_twice
    everything = exchange == _ALL_US and not call.is_virtual
    exchange = nasdaq.order if exchange == nasdaq.quote else exchange
    told = []
    for code, holding in account.holdings.items():
        place = PLACES[market.listings[code].market]
        if not _shown(holding):
            continue
        if everything or place.order == exchange:
            told.append((code, place.order))
        if twice and place is not nasdaq:
            told.append((code, nasdaq.order))
    return sorted(told)


def _shown(holding: Holding) -> bool:
    return bool(holding.quantity or holding.sold_today)


def _worth(market: Market, account: Account, code: str) -> tuple[Decimal, Decimal, Decimal]:
    """Price, worth and profit of a holding in USD."""
    holding, last = account.holdings[code], market.exchange.stocks[code].last
    worth = last * holding.quantity
    return last, worth, worth - holding.cost


def _rate(profit: Decimal, cost: Decimal) -> Decimal:
    return profit / cost * 100 if cost else Decimal(0)


def _balance_row(
    call: Call, market: Market, account: Account, code: str, exchange: str
) -> JsonBody:
    holding, listing = account.holdings[code], market.listings[code]
    last, worth, profit = _worth(market, account, code)
    return filled(
        _BALANCE_ROW,
        {
            "cano": call.get("CANO"),
            "acnt_prdt_cd": call.get("ACNT_PRDT_CD"),
            "prdt_type_cd": PLACES[listing.market].product,
            "ovrs_pdno": code,
            "ovrs_item_name": listing.name,
            "frcr_evlu_pfls_amt": f"{profit:.6f}",
            "evlu_pfls_rt": f"{_rate(profit, holding.cost):.2f}",
            "pchs_avg_pric": f"{holding.average_price:.4f}",
            "ovrs_cblc_qty": str(holding.quantity),
            "ord_psbl_qty": str(holding.sellable),
            "frcr_pchs_amt1": f"{holding.cost:.5f}",
            "ovrs_stck_evlu_amt": f"{worth:.8f}",
            "now_pric2": f"{last:.6f}",
            "tr_crcy_cd": "USD",
            "ovrs_excg_cd": exchange,
            "loan_type_cd": "10",
        },
        default="",
    )


def _sums(market: Market, account: Account) -> tuple[Decimal, Decimal]:
    """Cost and worth of all holdings in USD."""
    held = account.holdings.items()
    cost = sum((holding.cost for _, holding in held), Decimal(0))
    return cost, sum((_worth(market, account, code)[1] for code, _ in held), Decimal(0))


def _profits(market: Market, account: Account) -> JsonBody:
    cost, worth = _sums(market, account)
    if not account.holdings:
        return filled(_PROFITS, {})
    profit = worth - cost
    return filled(
        _PROFITS,
        {
            "frcr_pchs_amt1": f"{cost:.5f}",
            "ovrs_tot_pfls": f"{profit:.5f}",
            "tot_evlu_pfls_amt": f"{profit:.8f}",
            "tot_pftrt": f"{_rate(profit, cost):.8f}",
            "frcr_buy_amt_smtl1": f"{cost:.6f}",
            "frcr_buy_amt_smtl2": f"{cost:.6f}",
        },
        default="0.00000",
    )


def _present_row(
    market: Market, account: Account, code: str, exchange: str, rate: Decimal
) -> JsonBody:
    holding, listing = account.holdings[code], market.listings[code]
    place = PLACES[listing.market]
    last, worth, profit = _worth(market, account, code)
    return filled(
        _PRESENT_ROW,
        {
            "prdt_name": listing.name,
            # What was held when the day began; today's trades are told beside it.
            "cblc_qty13": f"{holding.quantity - holding.bought_today + holding.sold_today:.8f}",
            "thdt_buy_ccld_qty1": f"{holding.bought_today:.8f}",
            "thdt_sll_ccld_qty1": f"{holding.sold_today:.8f}",
            "ccld_qty_smtl1": f"{holding.quantity:.8f}",
            "ord_psbl_qty1": f"{holding.sellable:.8f}",
            "frcr_pchs_amt": f"{holding.cost:.5f}",
            "frcr_evlu_amt2": f"{worth * rate:.6f}",
            "evlu_pfls_amt2": f"{profit * rate:.6f}",
            "evlu_pfls_rt1": f"{_rate(profit, holding.cost):.2f}",
            "pdno": code,
            "bass_exrt": f"{USD_IN_KRW:.8f}",
            "buy_crcy_cd": "USD",
            "ovrs_now_pric1": f"{last * rate:.5f}",
            "avg_unpr3": f"{holding.average_price * rate:.4f}",
            "tr_mket_name": place.name,
            "natn_kor_name": "미국",
            "pchs_rmnd_wcrc_amt": f"{holding.cost * USD_IN_KRW:.6f}",
            **dict.fromkeys(("thdt_buy_ccld_frcr_amt", "thdt_sll_ccld_frcr_amt"), "0.000000"),
            "unit_amt": "1.000000",
            **{"prdt_type_cd": place.product, "scts_dvsn_name": "해외주식"},
            "loan_rmnd": "0.000000",
            **{"ovrs_excg_cd": exchange, "item_lnkg_excg_cd": place.quote},
        },
        default="",
    )


def _currency_row(account: Account) -> JsonBody:
    """The deposit does not know of today's trades before they settle: they stand beside it."""
    deposit = account.cash - account.flow_today
    return filled(
        _CURRENCY_ROW,
        {
            **{"crcy_cd": "USD", "crcy_cd_name": "미국 달러", "acpl_cstd_crcy_yn": "Y"},
            "frcr_buy_amt_smtl": f"{account.bought_today:.6f}",
            "frcr_sll_amt_smtl": f"{account.sold_today:.6f}",
            "frcr_dncl_amt_2": f"{deposit:.6f}",
            "frst_bltn_exrt": f"{USD_IN_KRW:.8f}",
            "frcr_buy_mgn_amt": f"{account.reserved:.6f}",
            "frcr_drwg_psbl_amt_1": f"{account.orderable:.6f}",
            "frcr_evlu_amt2": f"{deposit * USD_IN_KRW:.6f}",
            "nxdy_frcr_drwg_psbl_amt": f"{account.orderable:.6f}",
        },
        default="0.000000",
    )


def _present_totals(market: Market, account: Account) -> JsonBody:
    cost, worth = (each * USD_IN_KRW for each in _sums(market, account))
    cash = account.cash * USD_IN_KRW
    profit = worth - cost
    return filled(
        _TOTALS,
        {
            **dict.fromkeys(("pchs_amt_smtl", "pchs_amt_smtl_amt"), f"{cost:.0f}"),
            **dict.fromkeys(("evlu_amt_smtl", "evlu_amt_smtl_amt"), f"{worth:.0f}"),
            "evlu_pfls_amt_smtl": f"{profit:.0f}",
            "frcr_evlu_tota": f"{cash:.0f}",
            "evlu_erng_rt1": f"{_rate(profit, cost):.2f}",
            "tot_evlu_pfls_amt": f"{profit:.2f}",
            "tot_asst_amt": f"{cash + worth:.0f}",
            "buy_mgn_amt": f"{account.reserved * USD_IN_KRW:.0f}",
            "frcr_use_psbl_amt": f"{account.orderable:.2f}",
            "tot_frcr_cblc_smtl": f"{cash:.6f}",
        },
    )
