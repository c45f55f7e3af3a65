from daemon.core.calendar import is_valid_price
from daemon.sim.universe import LISTINGS


def test_listings_are_distinct_and_priced_validly() -> None:
    assert len({listing.code for listing in LISTINGS}) == len(LISTINGS) >= 10
    assert all(len(listing.code) == 6 and listing.code.isdigit() for listing in LISTINGS)
    assert all(is_valid_price(listing.base) for listing in LISTINGS)
