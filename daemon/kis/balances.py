"""What an account holds in one country, as the broker values it now."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from daemon.core.errors import BadData, Refused
from daemon.core.values import Region
from daemon.kis.apiresult import Result, Row
from daemon.kis.caller import ApiCaller
from daemon.kis.exchanges import balance_codes
from daemon.kis.spec import Environment

MOST_PAGES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingLine:
    """One holding as the broker values it now, in the currency of its market."""

    ticker: str
    name: str
    quantity: int
    orderable: int
    average_price: Decimal
    price: Decimal
    cost: Decimal
    value: Decimal
    profit: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSummary:
    """An account's sums in one currency. `cash` is what is left once all trades made so far have
    settled; of dollars in the virtual world, what may be used."""

    currency: str
    cash: Decimal
    cost: Decimal
    value: Decimal
    profit: Decimal


Balance = tuple[list[HoldingLine], BalanceSummary]


async def korean_balance(caller: ApiCaller) -> Balance:
    """Of KRX, all pages; raises `TradingError`."""
    result = await _whole(caller, "domestic_stock.inquire_balance", _KOREAN)
    lines = [
        HoldingLine(
            ticker=row.text("pdno").strip(),
            name=row.text("prdt_name").strip(),
            quantity=int(_decimal(row, "hldg_qty")),
            orderable=int(_decimal(row, "ord_psbl_qty")),
            average_price=_decimal(row, "pchs_avg_pric"),
            price=_decimal(row, "prpr"),
            cost=_decimal(row, "pchs_amt"),
            value=_decimal(row, "evlu_amt"),
            profit=_decimal(row, "evlu_pfls_amt"),
        )
        for row in result.rows("output1")
    ]
    sums = result.row("output2")
    return [line for line in lines if line.quantity], BalanceSummary(
        currency="KRW",
        cash=_decimal(sums, "prvs_rcdl_excc_amt"),
        cost=_decimal(sums, "pchs_amt_smtl_amt"),
        value=_decimal(sums, "evlu_amt_smtl_amt"),
        profit=_decimal(sums, "evlu_pfls_smtl_amt"),
    )


async def american_balance(
    caller: ApiCaller, environment: Environment, *, cash: Decimal
) -> Balance:
    """Of the US exchanges, all pages; raises `TradingError`.

    A holding told twice counts once: see `overseas_replies.balance`.
    """
    held: dict[str, HoldingLine] = {}
    for code in balance_codes(Region.US, environment):
        given = {"OVRS_EXCG_CD": code, "TR_CRCY_CD": "USD"}
        result = await _whole(caller, "overseas_stock.inquire_balance", given)
        for line in map(_american_line, result.rows("output1")):
            if not line.quantity:
                continue
            before = held.setdefault(line.ticker, line)
            if (before.quantity, before.cost) != (line.quantity, line.cost):
                raise BadData("two different holdings of one code", field="ovrs_pdno")
    lines, zero = list(held.values()), Decimal(0)
    return lines, BalanceSummary(
        currency="USD",
        cash=cash,
        cost=sum((line.cost for line in lines), zero),
        value=sum((line.value for line in lines), zero),
        profit=sum((line.profit for line in lines), zero),
    )


def _american_line(row: Row) -> HoldingLine:
    return HoldingLine(
        ticker=row.text("ovrs_pdno").strip(),
        name=str(row.get("ovrs_item_name") or ""),
        quantity=int(_decimal(row, "ovrs_cblc_qty")),
        orderable=int(_decimal(row, "ord_psbl_qty")),
        average_price=_decimal(row, "pchs_avg_pric"),
        price=_decimal(row, "now_pric2"),
        cost=_decimal(row, "frcr_pchs_amt1"),
        value=_decimal(row, "ovrs_stck_evlu_amt"),
        profit=_decimal(row, "frcr_evlu_pfls_amt"),
    )


async def _whole(caller: ApiCaller, name: str, given: Mapping[str, object]) -> Result:
    """All pages; a part of a portfolio is never taken for a small one."""
    result = await caller.call_all(name, given, limit=MOST_PAGES)
    if not result.complete:
        raise Refused("TOO_MANY_PAGES", f"{name} did not end within {MOST_PAGES} pages")
    return result


_KOREAN = {
    "AFHR_FLPR_YN": "N",
    "INQR_DVSN": "01",
    "UNPR_DVSN": "01",
    "FUND_STTL_ICLD_YN": "N",
    "FNCG_AMT_AUTO_RDPT_YN": "N",
    "PRCS_DVSN": "00",
}


def _decimal(row: Row, name: str) -> Decimal:
    """A number of a row, zero where it is blank or missing."""
    value = row.get(name)
    return Decimal(value) if isinstance(value, Decimal | int) else Decimal(0)
