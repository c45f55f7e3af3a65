"""The field tables of replies, against the documentation's counts, ends and traps."""

import re

import pytest

from daemon.sim import rest_fields

TABLES = {name: text.split() for name, text in vars(rest_fields).items() if name.isupper()}


def test_no_field_is_listed_twice() -> None:
    assert len(TABLES) >= 17
    for names in TABLES.values():
        assert len(names) == len(set(names))
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


@pytest.mark.parametrize(
    ("table", "count", "first", "last"),
    [
        ("BALANCE_ROW", 26, "pdno", "stck_loan_unpr"),
        ("BALANCE_TOTALS", 24, "dnca_tot_amt", "asst_icdc_erng_rt"),
        ("DAY_ORDER_ROW", 36, "ord_dt", "stpm_efct_occr_dtmd"),
        ("OPEN_ORDER_ROW", 21, "ord_gno_brno", "stpm_efct_occr_yn"),
        ("ORDERABLE", 12, "ord_psbl_cash", "ord_psbl_frcr_amt_wcrc"),
        ("SELLABLE", 12, "pdno", "evlu_pfls_rt"),
        ("BOOK_LEVELS", 71, "aspr_acpt_hour", "new_mkop_cls_code"),
        ("RECENT_TRADE", 7, "stck_cntg_hour", "prdy_ctrt"),
        ("DAILY_PRICE_ROW", 14, "stck_bsop_date", "acml_prtt_rate"),
        ("DAILY_CHART_ROW", 13, "stck_bsop_date", "revl_issu_reas"),
        ("MINUTE_CHART_ROW", 8, "stck_bsop_date", "cntg_vol"),
    ],
)
def test_tables_are_as_long_as_documented(table: str, count: int, first: str, last: str) -> None:
    names = TABLES[table]
    assert (len(names), names[0], names[-1]) == (count, first, last)


def test_names_that_documents_spell_wrongly_are_those_seen_on_the_wire() -> None:
    assert {"cncl_cfrm_qty", "excg_id_dvsn_cd"} <= set(TABLES["DAY_ORDER_ROW"])
    everything = {name for names in TABLES.values() for name in names}
    assert not everything & {"cnc_cfrm_qty", "excg_id_dvsn_Cd"}


def test_what_decides_an_orders_state_is_in_its_row() -> None:
    decisive = {"odno", "orgn_odno", "ord_qty", "tot_ccld_qty", "tot_ccld_amt", "rmn_qty"}
    decisive |= {"cncl_cfrm_qty", "rjct_qty", "cncl_yn", "sll_buy_dvsn_cd", "ord_dt", "ord_tmd"}
    assert decisive <= set(TABLES["DAY_ORDER_ROW"])
