"""One instrument's freshness: what counts as seen, and when its book lags behind its trades."""

from datetime import timedelta

from daemon.core.values import Venue
from daemon.engine.sight import Sight
from tests.builders import NINE, after, empty_book, tick


def test_a_tick_is_news_once_and_of_its_own_venue_only() -> None:
    sight, first = Sight(0.0), tick(volume=5)
    assert sight.see(first, 10.0)
    assert (sight.known, sight.fresh_at) == (5, 10.0)
    assert not sight.see(first, 20.0)
    assert not sight.see(None, 20.0)
    assert not sight.see(tick(volume=9)._replace(venue=Venue.NXT), 20.0)
    assert (sight.known, sight.fresh_at) == (5, 10.0)


def test_a_tick_from_before_says_nothing_of_the_volume_now() -> None:
    old = tick(volume=500)
    sight = Sight(0.0, tick=old)
    assert not sight.see(old, 1.0)
    assert sight.known is None


def test_beginning_anew_forgets_what_was_measured_and_not_what_was_seen() -> None:
    sight = Sight(0.0)
    newest = tick(volume=5)
    sight.see(newest, 1.0)
    sight.confirmed, sight.missing_since = True, 2.0
    sight.begin_anew(3.0)
    assert {sight.known, sight.missing_since} == {None}
    assert not sight.confirmed
    assert (sight.tick, sight.fresh_at) == (newest, 3.0)


def test_a_book_lags_only_behind_trades_and_is_told_once_each_limit() -> None:
    sight = Sight(0.0)
    assert not sight.lacks_book(60.0)
    assert not sight.see_book(None, NINE)
    sight.see(tick()._replace(received_at=after(60.0)), 60.0)
    assert not sight.lacks_book(60.0)
    sight.see(tick()._replace(received_at=after(61.0)), 61.0)
    assert sight.lacks_book(60.0)
    assert sight.bookless
    assert not sight.lacks_book(60.0)
    assert sight.see_book(empty_book(at=after(62.0)), NINE + timedelta(seconds=62))
    assert not sight.bookless
