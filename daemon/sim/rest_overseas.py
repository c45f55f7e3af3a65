"""Overseas account queries: nothing overseas is simulated, so every account is empty there.

Clients that show a whole account ask for both halves of it.
"""

from daemon.sim.calls import Answer, Call, account_of, cursors, query_text, succeeded
from daemon.sim.market import Market
from daemon.sim.replies import Denied, JsonBody, filled, padded
from daemon.sim.rest_accounts import LAST_PAGE

_ORDER_ROW = (
    "ord_dt ord_gno_brno odno orgn_odno sll_buy_dvsn_cd sll_buy_dvsn_cd_name rvse_cncl_dvsn "
    "rvse_cncl_dvsn_name pdno prdt_name ft_ord_qty ft_ord_unpr3 ft_ccld_qty ft_ccld_unpr3 "
    "ft_ccld_amt3 nccs_qty prcs_stat_name rjct_rson rjct_rson_name ord_tmd tr_mket_name tr_natn "
    "tr_natn_name ovrs_excg_cd tr_crcy_cd dmst_ord_dt thco_ord_tmd loan_type_cd loan_dt "
    "mdia_dvsn_name usa_amk_exts_rqst_yn splt_buy_attr_name"
)
_PROFITS = (
    "frcr_pchs_amt1 ovrs_rlzt_pfls_amt ovrs_tot_pfls rlzt_erng_rt tot_evlu_pfls_amt tot_pftrt "
    "frcr_buy_amt_smtl1 ovrs_rlzt_pfls_amt2 frcr_buy_amt_smtl2"
)
_TOTALS = (
    "pchs_amt_smtl evlu_amt_smtl evlu_pfls_amt_smtl dncl_amt cma_evlu_amt tot_dncl_amt etc_mgna "
    "wdrw_psbl_tot_amt frcr_evlu_tota evlu_erng_rt1 pchs_amt_smtl_amt evlu_amt_smtl_amt "
    "tot_evlu_pfls_amt tot_asst_amt buy_mgn_amt mgna_tota frcr_use_psbl_amt ustl_sll_amt_smtl "
    "ustl_buy_amt_smtl tot_frcr_cblc_smtl tot_loan_amt"
)


def open_orders(call: Call, market: Market) -> Answer:
    """inquire-nccs; real only."""
    if call.is_virtual:
        raise Denied("90000000", padded("모의투자에서는 해당업무가 제공되지 않습니다."))
    account_of(call, market)
    return _nothing(call, {**cursors("", "", 200), "output": []})


def day_orders(call: Call, market: Market) -> Answer:
    """inquire-ccnl: when there is nothing the list becomes one object of blanks."""
    account_of(call, market)
    call.day("ORD_STRT_DT")
    call.day("ORD_END_DT")
    return _nothing(call, {**cursors("", "", 200), "output": filled(_ORDER_ROW, {}, default="")})


def balance(call: Call, market: Market) -> Answer:
    """inquire-balance."""
    account_of(call, market)
    return _nothing(call, {**cursors("", "", 200), "output1": [], "output2": filled(_PROFITS, {})})


def present_balance(call: Call, market: Market) -> Answer:
    """inquire-present-balance."""
    account_of(call, market)
    return _nothing(call, {"output1": [], "output2": [], "output3": filled(_TOTALS, {})})


def _nothing(call: Call, body: JsonBody) -> Answer:
    code, text = query_text(call, empty=True)
    return Answer(body=succeeded(code, text, body), tr_cont=LAST_PAGE)
