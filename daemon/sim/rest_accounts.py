"""Account queries: balance, orders of days, open orders, buying and selling power."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from daemon.core.calendar import KST
from daemon.core.values import Side
from daemon.sim import rest_fields as fields
from daemon.sim.calls import Answer, Call, account_of, cursors, query_text, succeeded, symbol_of
from daemon.sim.facts import Action, Order, OrderRequest
from daemon.sim.ledgers import Account, Holding
from daemon.sim.market import Market
from daemon.sim.replies import Denied, JsonBody, bad_field, filled, padded, whole

_ONE_INQUIRY_FROM = date(2026, 2, 11)
"""Since this day INQR_DVSN 02 of inquire-balance is refused."""

LAST_PAGE = "D"
"""The tr_cont of a query that has no more to give, also when it gave nothing: blank is documented
too, but common clients take only D and E for an end."""

_OLD_VIRTUAL_DAY_ORDERS = "VTTC8001R"
_DIVISION_NAMES = {
    "00": "지정가",
    "01": "시장가",
    "11": "IOC지정가",
    "12": "FOK지정가",
    "13": "IOC시장가",
    "14": "FOK시장가",
    "05": "장전시간외",
    "06": "장후시간외",
    "41": "애프터마켓지정가",
    "42": "애프터마켓IOC지정가",
    "43": "애프터마켓FOK지정가",
    "44": "애프터마켓최유리",
    "45": "애프터마켓IOC최유리",
    "46": "애프터마켓FOK최유리",
    "47": "애프터마켓최우선",
}
_BLANK_ROW_FIELDS = {
    **dict.fromkeys(
        (
            *("orgn_odno", "cncl_yn", "loan_dt", "cpbc_ordp_ord_rcit_dvsn_cd", "infm_tmd"),
            *("cpbc_ordp_infm_mthd_dvsn_cd", "ctac_tlno", "prdt_type_cd", "rsvn_ord_end_dt"),
            *("cpbc_ordp_mtrl_dvsn_cd", "stpm_efct_occr_dtmd"),
        ),
        "",
    ),
    "ccld_cndt_name": "없음",
    "inqr_ip_addr": "127.000.000.001",
    "ord_orgno": "00000",
}


def balance(call: Call, market: Market) -> Answer:
    """inquire-balance: holdings page by page, and the totals of the whole account."""
    account = market.exchange.accounts[account_of(call)]
    call.one_of("AFHR_FLPR_YN", ("N", "Y", "X"))
    by_loan_day_too = market.today < _ONE_INQUIRY_FROM
    call.one_of("INQR_DVSN", ("01", "02") if by_loan_day_too else ("01",))
    call.need("UNPR_DVSN", "FUND_STTL_ICLD_YN", "FNCG_AMT_AUTO_RDPT_YN", "PRCS_DVSN")
    size = 20 if call.is_virtual else 50
    codes = sorted(code for code, holding in account.holdings.items() if _shown(holding))
    start = call.cursor.rstrip("^")
    left = [code for code in codes if code > start] if start else codes
    page, more = left[:size], len(left) > size
    condition = f"{call.get('CANO')}^{call.get('ACNT_PRDT_CD')}^N^N^01^01^N^"
    code, text = query_text(call, more=more)
    body: JsonBody = {
        **cursors(condition, f"{page[-1]}^" if more else ""),
        "output1": [_balance_row(market, account, held) for held in page],
        "output2": [_balance_totals(market, account)],
    }
    return Answer(
        body=succeeded(code, text, body),
        tr_cont=("M" if start else "F") if more else LAST_PAGE,
    )


def _shown(holding: Holding) -> bool:
    # A holding sold out today stays visible until the day is over.
    return bool(holding.quantity or holding.sold_today or holding.bought_today)


def _balance_row(market: Market, account: Account, code: str) -> JsonBody:
    holding = account.holdings[code]
    last, base = market.exchange.stocks[code].last, market.exchange.stocks[code].base
    worth = last * holding.quantity
    profit = worth - holding.cost
    rate = profit / holding.cost * 100 if holding.cost else Decimal(0)
    return filled(
        fields.BALANCE_ROW,
        {
            "pdno": code,
            "prdt_name": market.listings[code].name,
            "trad_dvsn_name": "현금",
            "bfdy_buy_qty": str(holding.bought_yesterday),
            "bfdy_sll_qty": str(holding.sold_yesterday),
            "thdt_buyqty": str(holding.bought_today),
            "thdt_sll_qty": str(holding.sold_today),
            "hldg_qty": str(holding.quantity),
            "ord_psbl_qty": str(holding.sellable),
            "pchs_avg_pric": f"{holding.average_price:.4f}",
            "pchs_amt": whole(holding.cost),
            "prpr": f"{last}",
            "evlu_amt": f"{worth}",
            "evlu_pfls_amt": whole(profit),
            "evlu_pfls_rt": f"{rate:.2f}",
            "evlu_erng_rt": f"{rate:.8f}",
            "loan_dt": "",
            "expd_dt": "",
            "fltt_rt": f"{(last - base) / base * 100:.8f}",
            "bfdy_cprs_icdc": f"{last - base}",
            "item_mgna_rt_name": "20%",
            "grta_rt_name": "45%",
            "sbst_pric": whole(base * Decimal("0.7")),
            "stck_loan_unpr": "0.0000",
        },
    )


def _balance_totals(market: Market, account: Account) -> JsonBody:
    stocks = market.exchange.stocks
    held = [(stocks[code].last, h) for code, h in account.holdings.items()]
    worth = sum((last * h.quantity for last, h in held), Decimal(0))
    cost = sum((h.cost for _, h in held), Decimal(0))
    before = sum(
        (stocks[code].base * h.quantity for code, h in account.holdings.items()), Decimal(0)
    )
    total = account.cash + worth
    return filled(
        fields.BALANCE_TOTALS,
        {
            "dnca_tot_amt": f"{account.cash - account.flow_today - account.flow_yesterday}",
            "nxdy_excc_amt": f"{account.cash - account.flow_today}",
            "prvs_rcdl_excc_amt": f"{account.cash}",
            "bfdy_buy_amt": f"{account.bought_yesterday}",
            "thdt_buy_amt": f"{account.bought_today}",
            "bfdy_sll_amt": f"{account.sold_yesterday}",
            "thdt_sll_amt": f"{account.sold_today}",
            "bfdy_tlex_amt": whole(account.charged_yesterday),
            "thdt_tlex_amt": whole(account.charged_today),
            "scts_evlu_amt": f"{worth}",
            "tot_evlu_amt": f"{total}",
            "nass_amt": f"{total}",
            "fncg_gld_auto_rdpt_yn": "",
            "pchs_amt_smtl_amt": whole(cost),
            "evlu_amt_smtl_amt": f"{worth}",
            "evlu_pfls_smtl_amt": whole(worth - cost),
            "bfdy_tot_asst_evlu_amt": f"{account.cash + before}",
            "asst_icdc_amt": f"{worth - before}",
            "asst_icdc_erng_rt": "0.00000000",
        },
    )


def day_orders(call: Call, market: Market) -> Answer:
    """inquire-daily-ccld: every order number of a range of days, page by page."""
    account = account_of(call)
    call.need("INQR_DVSN_3")
    newest_first = call.one_of("INQR_DVSN", ("00", "01")) == "00"
    found = _selected(call, market, account)
    found.sort(key=lambda order: (order.day, order.number), reverse=newest_first)
    totals = _day_totals(found, market)
    if call.tr_id == _OLD_VIRTUAL_DAY_ORDERS:
        # The old virtual id has totals but never a row, even for filled orders.
        code, text = query_text(call, empty=True)
        empty: JsonBody = {**cursors("", ""), "output1": [], "output2": totals}
        return Answer(body=succeeded(code, text, empty), tr_cont=LAST_PAGE)
    start = _cursor_key(call)
    if start is not None:
        found = [
            order
            for order in found
            if ((order.day, order.number) < start) == newest_first
            and (order.day, order.number) != start
        ]
    size = 15 if call.is_virtual else 100
    page, more = found[:size], len(found) > size
    code, text = query_text(call, more=more, empty=not found)
    if page and not more and not call.is_virtual:
        code, text = "KIOK0460", padded("조회 되었습니다. (마지막 자료)")
    body: JsonBody = {
        **cursors(_condition(call) if page else "", _following(page[-1]) if more else ""),
        "output1": [_day_row(order, market) for order in page],
        "output2": totals,
    }
    going_on = "M" if start is not None else "F"
    return Answer(
        body=succeeded(code, text, body),
        tr_cont=going_on if more else LAST_PAGE,
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 15


def _condition(call: Call) -> str:
    parts = (
        *(call.get("CANO"), call.get("ACNT_PRDT_CD"), call.get("INQR_STRT_DT")),
        *(call.get("INQR_END_DT"), call.get("PDNO"), call.get("INQR_DVSN")),
        *(call.get("CCLD_DVSN"), call.get("SLL_BUY_DVSN_CD")),
    )
    return "".join(f"{part}!^" for part in parts)


def _following(last: Order) -> str:
    return f"{last.day:%Y%m%d}!^{last.request.branch}!^{last.number:010}!^"


def _cursor_key(call: Call) -> tuple[object, int] | None:
    if not call.cursor:
        return None
    parts = call.cursor.split("!^")
    if len(parts) < 3 or not _is_number(parts[2]):
        raise bad_field("CTX_AREA_NK100")
    probe = replace(call, parameters={"CTX_AREA_NK100": parts[0]}, tr_cont="")
    return probe.day("CTX_AREA_NK100"), int(parts[2])


def _selected(call: Call, market: Market, account: str) -> list[Order]:
    first, last = call.day("INQR_STRT_DT"), call.day("INQR_END_DT")
    if first > last:
        raise bad_field("INQR_STRT_DT")
    sides = {"00": (Side.BUY, Side.SELL), "01": (Side.SELL,), "02": (Side.BUY,)}
    wanted = sides[call.one_of("SLL_BUY_DVSN_CD", tuple(sides))]
    filling = call.one_of("CCLD_DVSN", ("00", "01", "02"))
    venue = call.one_of("EXCG_ID_DVSN_CD", ("", "ALL", "KRX", "NXT", "SOR"))
    number = call.number("ODNO") if call.get("ODNO") else None
    code = call.get("PDNO")
    return [
        order
        for order in market.exchange.orders.values()
        if order.request.account == account
        and first <= order.day <= last
        and order.request.side in wanted
        and (filling == "00" or (order.filled > 0 if filling == "01" else order.remaining > 0))
        and (venue in ("", "ALL") or order.request.venue == venue)
        and (number is None or order.number == number)
        and (not code or order.request.code == code)
    ]


def _day_row(order: Order, market: Market) -> JsonBody:
    return _row_of(
        order.number,
        order.day,
        order.at,
        order.request,
        order.action,
        order.original,
        market.listings[order.request.code].name,
        order.filled,
        order.notional,
        order.cancelled,
        order.refused,
        order.remaining,
    )


@lru_cache(maxsize=8192)
def _row_of(
    number: int,
    day: date,
    at: datetime,
    request: OrderRequest,
    action: Action,
    original: int | None,
    name: str,
    shares: int,
    notional: Decimal,
    cancelled: int,
    refused: int,
    remaining: int,
) -> JsonBody:
    """The row of an order in this state: most orders are asked for much oftener than they move."""
    done = action is Action.CANCEL or (cancelled > 0 and remaining == 0)
    price = Decimal(0) if action is Action.CANCEL else request.price or Decimal(0)
    average = notional / shares if shares else Decimal(0)
    return filled(
        fields.DAY_ORDER_ROW,
        {
            **_BLANK_ROW_FIELDS,
            "ord_dt": f"{day:%Y%m%d}",
            "ord_gno_brno": request.branch,
            "odno": f"{number:010}",
            "orgn_odno": f"{original:010}" if original is not None else "",
            "ord_dvsn_name": _DIVISION_NAMES.get(request.division, ""),
            "sll_buy_dvsn_cd": "02" if request.side is Side.BUY else "01",
            "sll_buy_dvsn_cd_name": _side_name(request, action, refused),
            "pdno": request.code,
            "prdt_name": name,
            "ord_qty": str(request.quantity),
            "ord_unpr": f"{price}",
            "ord_tmd": at.astimezone(KST).strftime("%H%M%S"),
            "tot_ccld_qty": str(shares),
            "avg_prvs": f"{average.quantize(Decimal('0.0001')).normalize():f}",
            "cncl_yn": "Y" if done else "",
            "tot_ccld_amt": f"{notional}",
            "ordr_empno": request.origin,
            "ord_dvsn_cd": request.division,
            "cncl_cfrm_qty": str(cancelled),
            "rmn_qty": str(remaining),
            "rjct_qty": str(refused),
            "excg_dvsn_cd": "12" if request.venue == "SOR" else "02",
            "excg_id_dvsn_cd": request.venue,
        },
    )


def _side_name(request: OrderRequest, action: Action, refused: int) -> str:
    side = "현금매수" if request.side is Side.BUY else "현금매도"
    if refused:
        return f"{side}거부"
    return side + {Action.NEW: "", Action.MODIFY: "정정", Action.CANCEL: "취소"}[action]


def _day_totals(orders: list[Order], market: Market) -> JsonBody:
    filled_shares = sum(order.filled for order in orders)
    amount = sum((order.notional for order in orders), Decimal(0))
    average = amount / filled_shares if filled_shares else Decimal(0)
    return {
        "tot_ord_qty": str(sum(o.request.quantity for o in orders if o.action is Action.NEW)),
        "tot_ccld_qty": str(filled_shares),
        "tot_ccld_amt": f"{amount}",
        "prsm_tlex_smtl": whole(_charged(orders, market)),
        "pchs_avg_pric": f"{average:.4f}",
    }


def _charged(orders: list[Order], market: Market) -> Decimal:
    """What the orders were charged in all."""
    charges = market.exchange.charges
    if charges is None:
        return Decimal(0)
    taken = [
        charges.of(
            order.request.side, order.notional, order.filled, order.day, market.settles(order.day)
        )
        for order in orders
        if order.notional
    ]
    return sum((each.commission + each.tax for each in taken), Decimal(0))


def open_orders(call: Call, market: Market) -> Answer:
    """inquire-psbl-rvsecncl: what can still be modified or cancelled; real only."""
    if call.is_virtual:
        raise Denied("90000000", padded("모의투자에서는 해당업무가 제공되지 않습니다."))
    account = account_of(call)
    call.need("INQR_DVSN_1", "INQR_DVSN_2")
    found = market.open_orders(account)
    found.reverse()
    start = call.cursor.rstrip("^")
    if start:
        if not _is_number(start):
            raise bad_field("CTX_AREA_NK100")
        found = [order for order in found if order.number < int(start)]
    page, more = found[:50], len(found) > 50
    code, text = query_text(call, more=more)
    condition = f"{call.get('CANO')}^{call.get('ACNT_PRDT_CD')}^"
    body: JsonBody = {
        **cursors(condition, f"{page[-1].number:010}^" if more else ""),
        "output": [_open_row(order, market) for order in page],
    }
    return Answer(
        body=succeeded(code, text, body),
        tr_cont=("M" if start else "F") if more else LAST_PAGE,
    )


def _open_row(order: Order, market: Market) -> JsonBody:
    day_row = _day_row(order, market)
    own = {
        "rvse_cncl_dvsn_name": _side_name(order.request, order.action, order.refused),
        "psbl_qty": str(order.remaining),
        "mgco_aptm_odno": "",
        "excg_id_dvsn_name": order.request.venue,
        "stpm_efct_occr_yn": "",
    }
    return filled(fields.OPEN_ORDER_ROW, {**day_row, **own})


def orderable(call: Call, market: Market) -> Answer:
    """inquire-psbl-order: how much could be bought at the price the order type reserves."""
    account = market.exchange.accounts[account_of(call)]
    call.need("ORD_DVSN", "CMA_EVLU_AMT_ICLD_YN", "OVRS_ICLD_YN")
    cash = account.orderable / market.exchange.with_commission(Decimal(1))
    price = Decimal(0)
    if call.get("PDNO"):
        stock = market.exchange.stocks[symbol_of(call, market, "PDNO")]
        price = stock.last
        if call.get("ORD_DVSN") in ("01", "13", "14"):
            price = stock.upper
        elif call.get("ORD_UNPR") not in ("", "0"):
            price = Decimal(call.number("ORD_UNPR"))
    shares = int(cash // price) if price else 0
    code, text = query_text(call)
    output = filled(
        fields.ORDERABLE,
        {
            "ord_psbl_cash": whole(account.orderable),
            "psbl_qty_calc_unpr": f"{price}",
            "nrcvb_buy_amt": whole(cash),
            "nrcvb_buy_qty": str(shares),
            "max_buy_amt": whole(cash),
            "max_buy_qty": str(shares),
        },
    )
    return Answer(body=succeeded(code, text, {"output": output}))


def sellable(call: Call, market: Market) -> Answer:
    """inquire-psbl-sell: how much of one symbol could be sold; real only."""
    account = market.exchange.accounts[account_of(call)]
    code = symbol_of(call, market, "PDNO")
    row = _balance_row(market, account, code) if code in account.holdings else {}
    values: JsonBody = {
        **row,
        "pdno": code,
        "buy_qty": row.get("thdt_buyqty", "0"),
        "sll_qty": row.get("thdt_sll_qty", "0"),
        "cblc_qty": row.get("hldg_qty", "0"),
        "now_pric": f"{market.exchange.stocks[code].last}",
    }
    msg_cd, text = query_text(call)
    output = filled(fields.SELLABLE, values)
    return Answer(body=succeeded(msg_cd, text, {"output": output}))


def holidays(call: Call, market: Market) -> Answer:
    """chk-holiday: 24 calendar days a page, for about a year from the day asked."""
    first = call.day("BASS_DT")
    start = first
    if call.tr_cont.strip().upper() == "N" and call.get("CTX_AREA_NK"):
        start = call.day("CTX_AREA_NK")
    if start.year >= 9990:
        raise bad_field("BASS_DT")
    days = [start + timedelta(days=number) for number in range(24)]
    following = days[-1] + timedelta(days=1)
    more = (following - first).days < 360
    rows = []
    for day in days:
        opened = "Y" if market.calendar.is_trading_day(day) else "N"
        weekday = f"{day.isoweekday() % 7 + 1:02}"
        rows.append(
            {
                "bass_dt": f"{day:%Y%m%d}",
                "wday_dvsn_cd": weekday,
                "bzdy_yn": opened,
                "tr_day_yn": opened,
                "opnd_yn": opened,
                "sttl_day_yn": opened,
            }
        )
    code, text = query_text(call, more=more)
    body: JsonBody = {
        "ctx_area_nk": (f"{following:%Y%m%d}" if more else "").ljust(20),
        "ctx_area_fk": f"{first:%Y%m%d}".ljust(20),
        "output": rows,
    }
    return Answer(body=succeeded(code, text.rstrip(), body), tr_cont="F" if more else LAST_PAGE)
