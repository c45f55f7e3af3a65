"""The listed stocks: distinct, validly priced, and enough for the settings that come along."""

from pathlib import Path

from daemon.config import load_settings
from daemon.core.calendar import price_limits
from daemon.core.steps import is_accepted_price
from daemon.core.values import code_of
from daemon.sim.universe import LISTINGS
from tests.builders import SAMSUNG
from tests.sim.rig import Rig

ROOT = Path(__file__).parents[2]


def test_listings_are_distinct_and_priced_validly() -> None:
    for value in ("code", "name", "english"):
        assert len({getattr(listing, value) for listing in LISTINGS}) == len(LISTINGS) >= 10
    assert all(len(listing.code) == 6 and listing.code.isdigit() for listing in LISTINGS)
    assert all(is_accepted_price(SAMSUNG, listing.base) for listing in LISTINGS)
    assert all(listing.pace > 0 and listing.shares > 0 for listing in LISTINGS)


def test_everything_the_settings_trade_is_listed() -> None:
    settings = load_settings("sim", {}, environ={}, root=ROOT)
    wanted = {code_of(each) for slot in settings.strategy_slots for each in slot.instruments}
    assert wanted
    assert wanted <= {listing.code for listing in LISTINGS}


def test_every_listing_trades_within_the_limits_of_its_day() -> None:
    rig = Rig(listings=LISTINGS)
    rig.pass_time(60)
    for listing in LISTINGS:
        lower, upper = price_limits(listing.base)
        bid, ask = rig.best(listing.code)
        assert lower <= bid < ask <= upper
        assert rig.broker.market.tapes[listing.code].volume > 0
