"""Profit and loss queries: what each day's trades brought and cost, symbol by symbol."""

from datetime import date
from decimal import Decimal

from daemon.core.values import Market as Listed
from daemon.sim.american import PLACES, USD_IN_KRW
from daemon.sim.calls import Answer, Call, account_of, cursors, query_text, succeeded
from daemon.sim.ledgers import DayProfit
from daemon.sim.market import Market
from daemon.sim.replies import JsonBody, bad_field, filled, whole
from daemon.sim.rest_accounts import LAST_PAGE

PAGE = 50
TRADE_PROFIT_ROW = (
    "trad_dt pdno prdt_name trad_dvsn_name loan_dt hldg_qty pchs_unpr buy_qty buy_amt sll_pric "
    "sll_qty sll_amt rlzt_pfls pfls_rt fee tl_tax loan_int"
)
TRADE_PROFIT_TOTALS = (
    "sll_qty_smtl sll_tr_amt_smtl sll_fee_smtl sll_tltx_smtl sll_excc_amt_smtl buyqty_smtl "
    "buy_tr_amt_smtl buy_fee_smtl buy_tax_smtl buy_excc_amt_smtl tot_qty tot_tr_amt tot_fee "
    "tot_tltx tot_excc_amt tot_rlzt_pfls tot_pftrt"
)
_OVERSEAS_TOTALS = (
    "stck_sll_amt_smtl stck_buy_amt_smtl smtl_fee1 excc_dfrm_amt ovrs_rlzt_pfls_tot_amt tot_pftrt "
    "bass_dt exrt"
)


def trade_profits(call: Call, market: Market) -> Answer:
    """inquire-period-trade-profit."""
    name = account_of(call)
    call.need("CBLC_DVSN")
    oldest_first = call.one_of("SORT_DVSN", ("00", "01", "02")) == "01"
    first, last = _period(call)
    code = call.get("PDNO")
    kept = market.exchange.accounts[name].profits
    keys = sorted(
        (key for key in kept if first <= key[0] <= last and code in ("", key[1])),
        reverse=not oldest_first,
    )
    start = _start(call, keys)
    page, more = keys[start : start + PAGE], len(keys) > start + PAGE
    msg_cd, text = query_text(call, more=more, empty=not keys)
    body: JsonBody = {
        **cursors(f"{name}^", f"{start + PAGE}^" if more else ""),
        "output1": [_row(market, *key, kept[key]) for key in page],
        "output2": _totals([kept[key] for key in keys]),
    }
    going_on = "M" if start else "F"
    return Answer(body=succeeded(msg_cd, text, body), tr_cont=going_on if more else LAST_PAGE)


def overseas_profits(call: Call, market: Market) -> Answer:
    """inquire-period-profit of overseas stocks: the sales of each day, with all they cost, in USD.

    Only asked in the foreign currency and for all US exchanges at once.
    """
    account = market.exchange.accounts[account_of(call)]
    call.one_of("OVRS_EXCG_CD", (PLACES[Listed.NASDAQ].order,))
    call.one_of("CRCY_CD", ("USD",))
    call.one_of("WCRC_FRCR_DVSN_CD", ("01",))
    first, last = _period(call)
    sold = {
        key: profit
        for key, profit in sorted(account.profits.items())
        if first <= key[0] <= last and profit.sold and call.get("PDNO") in ("", key[1])
    }
    msg_cd, text = query_text(call, empty=not sold)
    proceeds = sum((each.proceeds for each in sold.values()), Decimal(0))
    cost = sum((each.cost for each in sold.values()), Decimal(0))
    fees = sum((each.sale_charges for each in sold.values()), Decimal(0))
    totals = {
        "stck_sll_amt_smtl": f"{proceeds:.5f}",
        "stck_buy_amt_smtl": f"{cost:.5f}",
        "smtl_fee1": f"{fees:.2f}",
        "excc_dfrm_amt": f"{proceeds - fees:.5f}",
        "ovrs_rlzt_pfls_tot_amt": f"{proceeds - cost - fees:.5f}",
        "bass_dt": f"{last:%Y%m%d}",
        "exrt": f"{USD_IN_KRW}",
    }
    body: JsonBody = {
        **cursors("", "", 200),
        "output1": [_overseas_row(market, *key, profit) for key, profit in sold.items()],
        "output2": filled(_OVERSEAS_TOTALS, totals),
    }
    return Answer(body=succeeded(msg_cd, text, body), tr_cont=LAST_PAGE)


def _overseas_row(market: Market, day: date, code: str, profit: DayProfit) -> JsonBody:
    listing = market.listings[code]
    earned = profit.proceeds - profit.cost - profit.sale_charges
    return {
        "trad_day": f"{day:%Y%m%d}",
        "ovrs_pdno": code,
        "ovrs_item_name": listing.name,
        "slcl_qty": str(profit.sold),
        "pchs_avg_pric": f"{profit.cost / profit.sold:.4f}",
        "frcr_pchs_amt1": f"{profit.cost:.5f}",
        "avg_sll_unpr": f"{profit.proceeds / profit.sold:.4f}",
        "frcr_sll_amt_smtl1": f"{profit.proceeds:.5f}",
        "stck_sll_tlex": f"{profit.sale_charges:.2f}",
        "ovrs_rlzt_pfls_amt": f"{earned:.5f}",
        "pftrt": f"{earned / profit.cost * 100 if profit.cost else Decimal(0):.8f}",
        "exrt": f"{USD_IN_KRW}",
        "ovrs_excg_cd": PLACES[listing.market].order,
        "frst_bltn_exrt": f"{USD_IN_KRW}",
    }


def _period(call: Call) -> tuple[date, date]:
    first, last = call.day("INQR_STRT_DT"), call.day("INQR_END_DT")
    if first > last:
        raise bad_field("INQR_STRT_DT")
    return first, last


def _start(call: Call, keys: list[tuple[date, str]]) -> int:
    start = call.cursor.strip().rstrip("^")
    if not start:
        return 0
    if not (start.isascii() and start.isdigit() and len(start) < 10) or int(start) > len(keys):
        raise bad_field("CTX_AREA_NK100")
    return int(start)


def _row(market: Market, day: date, code: str, profit: DayProfit) -> JsonBody:
    """One symbol's day. The profit is after everything charged that day."""
    rate = profit.realised / profit.cost * 100 if profit.cost else Decimal(0)
    average = profit.cost / profit.sold if profit.sold else Decimal(0)
    price = profit.proceeds / profit.sold if profit.sold else Decimal(0)
    return filled(
        TRADE_PROFIT_ROW,
        {
            "trad_dt": f"{day:%Y%m%d}",
            "pdno": code,
            "prdt_name": market.listings[code].name,
            "trad_dvsn_name": "현금",
            "loan_dt": "",
            "pchs_unpr": f"{average:.4f}",
            "buy_qty": str(profit.bought),
            "buy_amt": whole(profit.spent),
            "sll_pric": f"{price:.4f}",
            "sll_qty": str(profit.sold),
            "sll_amt": whole(profit.proceeds),
            "rlzt_pfls": whole(profit.realised),
            "pfls_rt": f"{rate:.8f}",
            "fee": whole(profit.commission),
            "tl_tax": whole(profit.tax),
        },
    )


def _totals(days: list[DayProfit]) -> JsonBody:
    def total(name: str) -> Decimal:
        return sum((Decimal(getattr(each, name)) for each in days), Decimal(0))

    sold, bought = total("proceeds"), total("spent")
    fee, tax = total("commission"), total("tax")
    return filled(
        TRADE_PROFIT_TOTALS,
        {
            "sll_qty_smtl": whole(total("sold")),
            "sll_tr_amt_smtl": whole(sold),
            "sll_tltx_smtl": whole(tax),
            "buyqty_smtl": whole(total("bought")),
            "buy_tr_amt_smtl": whole(bought),
            "tot_qty": whole(total("sold") + total("bought")),
            "tot_tr_amt": whole(sold + bought),
            "tot_fee": whole(fee),
            "tot_tltx": whole(tax),
            "tot_excc_amt": whole(sold - bought - fee - tax),
            "tot_rlzt_pfls": whole(total("realised")),
        },
    )
