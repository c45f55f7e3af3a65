"""What a simulator is by itself, and that what is chosen reaches the broker."""

from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest

from daemon.sim.options import ACCOUNT, APP_KEY, APP_SECRET, HTS_ID, SimulatorOptions
from tests.sim.rig import BALANCE, QUIET, Rig


def test_credentials_have_the_lengths_clients_check() -> None:
    assert (len(APP_KEY), len(APP_SECRET)) == (36, 180)
    assert APP_KEY.startswith("SIM")
    assert APP_SECRET.startswith("SIM")
    number, _, product = ACCOUNT.partition("-")
    assert (len(number), len(product)) == (8, 2)


def test_by_itself_it_is_as_strict_as_the_broker_and_only_for_this_machine() -> None:
    options = SimulatorOptions()
    assert (options.host, options.rest_port, options.ws_port) == ("127.0.0.1", 0, 0)
    assert (options.app_key, options.hts_id, options.accounts) == (APP_KEY, HTS_ID, (ACCOUNT,))
    assert (options.rate_limit, options.registrations) == (10, 41)
    assert options.token_interval == 60.0
    assert (options.speed, options.refused_later, options.state) == (1.0, 0.0, None)
    with pytest.raises(FrozenInstanceError):
        options.speed = 2.0  # type: ignore[misc]


def test_cash_and_accounts_are_as_chosen() -> None:
    accounts = ("12345678-01", "87654321-22")
    rig = Rig(listings=QUIET, cash=Decimal(7_000_000), accounts=accounts)
    for number, product in (each.split("-") for each in accounts):
        mine = {**BALANCE, "CANO": number, "ACNT_PRDT_CD": product}
        said = rig.get("/uapi/domestic-stock/v1/trading/inquire-balance", "TTTC8434R", **mine)
        assert said.body["output2"][0]["dnca_tot_amt"] == "7000000"


def test_nothing_but_the_chosen_is_listed() -> None:
    rig = Rig(listings=QUIET[:1])
    assert rig.buy(1, code=QUIET[0].code).body["rt_cd"] == "0"
    assert rig.buy(1, code=QUIET[1].code).body["rt_cd"] == "7"
