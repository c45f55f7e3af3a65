from daemon.core.values import Market
from daemon.kis.channels import interest_of
from daemon.sim.american import LISTINGS, PLACES, stream_key
from daemon.sim.rules import AMERICAN


def test_every_listing_can_be_asked_for_and_ordered() -> None:
    assert len({listing.code for listing in LISTINGS}) == len(LISTINGS) >= 12
    assert {listing.market for listing in LISTINGS} == set(PLACES)
    for listing in LISTINGS:
        assert AMERICAN.is_valid(listing.base)
        interest = interest_of("HDFSCNT0", stream_key(listing))
        assert str(interest.instrument) == f"{listing.market.value}:{listing.code}"


def test_class_shares_keep_the_slash_of_the_master_file() -> None:
    (berkshire,) = (listing for listing in LISTINGS if listing.code.startswith("BRK"))
    assert (berkshire.market, stream_key(berkshire)) == (Market.NYSE, "DNYSBRK/B")
