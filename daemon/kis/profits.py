"""The broker's own profit and loss by instrument and day: what to ask, and what the answers say.

At home it is inquire-period-trade-profit: purchases and sales of each day with fee and taxes. In
America it is inquire-period-profit, asked in the foreign currency: sales alone, with the costs of
the sales as one amount. Neither is offered in the virtual world. The documents do not say whether
the realised profit is after costs; `core.tieout` finds that out.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from daemon.core.errors import BadData
from daemon.core.tieout import BrokerProfit
from daemon.core.values import InstrumentId, Market, Region, code_of, instrument_id
from daemon.kis.codec import Call, Credentials
from daemon.kis.fields import day_of, decimal_at, decimal_or_none, instrument_of, shares_at, text_of
from daemon.kis.listed import Listed
from daemon.kis.replies import SUM_TOLERANCE, Reply, Row, rows
from daemon.kis.spec import Api

_EXCHANGES = {"NASD": Market.NASDAQ, "NYSE": Market.NYSE, "AMEX": Market.AMEX}
_HOME_SUMS = {"sll_tr_amt_smtl": "sll_amt", "buy_tr_amt_smtl": "buy_amt"}
"""Totals of the inquiry at home, and the field of its rows that makes up each."""

_OWN: dict[Region, tuple[Api, tuple[tuple[str, str], ...]]] = {
    Region.KR: (
        Api.TRADE_PROFIT,
        (
            ("SORT_DVSN", "01"),
            ("CBLC_DVSN", "00"),
            ("CTX_AREA_FK100", ""),
            ("CTX_AREA_NK100", ""),
        ),
    ),
    Region.US: (
        Api.OVERSEAS_PROFIT,
        (
            # This one stands for all American exchanges, and 01 for the foreign currency.
            ("OVRS_EXCG_CD", "NASD"),
            ("NATN_CD", ""),
            ("CRCY_CD", Region.US.currency.value),
            ("WCRC_FRCR_DVSN_CD", "01"),
            ("CTX_AREA_FK200", ""),
            ("CTX_AREA_NK200", ""),
        ),
    ),
}
"""The inquiry of a region and the parameters that are its own."""


def call(region: Region, first: date, last: date, credentials: Credentials) -> Call | None:
    """The inquiry for the days from `first` to `last`, `None` for a region without one."""
    own = _OWN.get(region)
    if own is None:
        return None
    api, parameters = own
    query = (
        ("CANO", credentials.number),
        ("ACNT_PRDT_CD", credentials.product),
        ("INQR_STRT_DT", f"{first:%Y%m%d}"),
        ("INQR_END_DT", f"{last:%Y%m%d}"),
        ("PDNO", ""),
        *parameters,
    )
    return Call(api=api, query=query)


def read(
    pages: Sequence[Reply], region: Region, listed: Listed, traded: Iterable[InstrumentId]
) -> list[BrokerProfit]:
    """Every row of an answer; raises `BadData`, also when rows are missing from their totals.

    In America the broker may name one exchange for all: of the same symbol the instrument that we
    `traded` on those days is meant, or else the one that `listed` knows.
    """
    if region is Region.KR:
        told = [row for page in pages for row in rows(page, "output1")]
        _check_sums(pages, told)
        return [_at_home(row) for row in told]
    ours = {code_of(each): each for each in traded}
    return [_in_america(row, listed, ours) for page in pages for row in _sales(page)]


def _sales(page: Reply) -> Sequence[Row]:
    """The rows of a page; abroad nothing may come as one object, or as a row, of blanks."""
    lone = page.body.get("output1")
    told = [lone] if isinstance(lone, dict) else rows(page, "output1")
    return [row for row in told if text_of(row, "ovrs_pdno")]


def _at_home(row: Row) -> BrokerProfit:
    return BrokerProfit(
        day=day_of(text_of(row, "trad_dt"), "trad_dt"),
        instrument=instrument_of(text_of(row, "pdno"), "pdno"),
        bought=shares_at(row, "buy_qty"),
        spent=decimal_at(row, "buy_amt"),
        sold=shares_at(row, "sll_qty"),
        proceeds=decimal_at(row, "sll_amt"),
        costs=decimal_at(row, "fee") + decimal_at(row, "tl_tax"),
        realised=decimal_at(row, "rlzt_pfls"),
    )


def _in_america(row: Row, listed: Listed, ours: Mapping[str, InstrumentId]) -> BrokerProfit:
    return BrokerProfit(
        day=day_of(text_of(row, "trad_day"), "trad_day"),
        instrument=_instrument(row, listed, ours),
        bought=None,
        spent=None,
        sold=shares_at(row, "slcl_qty"),
        proceeds=decimal_at(row, "frcr_sll_amt_smtl1"),
        costs=decimal_at(row, "stck_sll_tlex"),
        realised=decimal_at(row, "ovrs_rlzt_pfls_amt"),
    )


def _instrument(row: Row, listed: Listed, ours: Mapping[str, InstrumentId]) -> InstrumentId:
    code = text_of(row, "ovrs_pdno")
    known = ours.get(code) or listed.of(Region.US, code)
    if known is not None:
        return known
    market = _EXCHANGES.get(text_of(row, "ovrs_excg_cd"))
    if market is None:
        raise BadData(
            "not an American exchange", field="ovrs_excg_cd", raw=text_of(row, "ovrs_excg_cd")
        )
    try:
        return instrument_id(market, code)
    except ValueError:
        raise BadData("not an instrument code", field="ovrs_pdno", raw=code) from None


def _check_sums(pages: Sequence[Reply], listed: Sequence[Row]) -> None:
    """Raise `BadData` if the rows clearly lack some of what the totals of the answer show."""
    totals = pages[-1].body.get("output2") if pages else None
    if not isinstance(totals, dict):
        return
    for total, part in _HOME_SUMS.items():
        whole = decimal_or_none(text_of(totals, total), total)
        told = sum((decimal_at(row, part) for row in listed), Decimal(0))
        if whole is not None and whole - told > whole * SUM_TOLERANCE:
            raise BadData(f"rows add up to {told} of {whole} KRW", field=total)
