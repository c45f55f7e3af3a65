"""Balances out of the catalogue's answers: every exchange, every page, and nothing twice."""

from decimal import Decimal
from typing import Any

import pytest

from daemon.core.errors import BadData
from daemon.kis.balances import Balance, american_balance
from daemon.kis.caller import ApiCaller
from daemon.kis.link import HttpRequest, HttpResponse
from daemon.kis.spec import SIM, VIRTUAL, Environment
from tests.kis.bank import reply as answered
from tests.kis.fakes import MemoryDoor, make_client, running
from tests.support import run_virtual


def row(code: str, quantity: int, cost: str) -> dict[str, str]:
    told = {"ovrs_pdno": code, "ovrs_cblc_qty": str(quantity), "frcr_pchs_amt1": cost}
    return told | {"ovrs_stck_evlu_amt": cost, "frcr_evlu_pfls_amt": "0"}


def asked(rows: dict[str, list[dict[str, str]]], environment: Environment) -> tuple[Balance, Any]:
    def answer(request: HttpRequest) -> HttpResponse:
        return answered(output1=rows.get(dict(request.query)["OVRS_EXCG_CD"], []))

    profile = SIM if environment is Environment.REAL else VIRTUAL
    door = MemoryDoor(answer, base_url=profile.rest_url)

    async def main() -> Balance:
        async with running(make_client(door, profile=profile)) as broker:
            return await american_balance(ApiCaller(broker), environment, cash=Decimal(7))

    return run_virtual(main()), door


def test_the_virtual_host_is_asked_for_each_exchange() -> None:
    apple, coke = row("AAPL", 2, "500"), row("KO", 3, "210")
    rows = {"NASD": [apple, coke], "NYSE": [coke]}
    (lines, sums), door = asked(rows, Environment.VIRTUAL)
    assert [(each.ticker, each.quantity) for each in lines] == [("AAPL", 2), ("KO", 3)]
    assert (sums.cash, sums.cost, sums.value) == (Decimal(7), Decimal(710), Decimal(710))
    assert len(door.requests) == 3


def test_one_code_covers_them_all_on_the_real_host() -> None:
    (lines, _), door = asked({"NASD": [row("KO", 1, "70")]}, Environment.REAL)
    assert [each.ticker for each in lines] == ["KO"]
    assert len(door.requests) == 1


def test_two_different_holdings_of_one_code_cannot_both_be_true() -> None:
    rows = {"NASD": [row("KO", 1, "70")], "NYSE": [row("KO", 2, "140")]}
    with pytest.raises(BadData):
        asked(rows, Environment.VIRTUAL)
