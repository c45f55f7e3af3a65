"""The last price of every instrument and the limits of its day."""

from decimal import Decimal

from daemon.core.values import InstrumentId, MarketPhase, MarketStatus, Venue
from daemon.engine.quotes import QuoteBoard
from daemon.ports import InstrumentInfo
from tests.builders import HYNIX, NINE, SAMSUNG, after, empty_book, tick


def info(last: int, instrument: InstrumentId = SAMSUNG, step: int = 100) -> InstrumentInfo:
    return InstrumentInfo(
        instrument=instrument,
        last=Decimal(last),
        base=Decimal(77_300),
        upper_limit=Decimal(100_400),
        lower_limit=Decimal(54_200),
        step=Decimal(step),
        day_volume=0,
    )


def test_nothing_is_known_of_an_instrument_before_it_is_told() -> None:
    board = QuoteBoard()
    board.learn(info(70_000))
    board.on_tick(tick())
    board.on_book(empty_book())

    assert board.last_price(HYNIX) is None
    assert board.upper_limit(HYNIX) is None
    assert board.book(HYNIX) is None


def test_the_venues_word_gives_a_price_and_the_days_limit() -> None:
    board = QuoteBoard()
    board.learn(info(70_000))

    assert board.last_price(SAMSUNG) == 70_000
    assert board.upper_limit(SAMSUNG) == 100_400


def test_a_trade_sets_the_last_price_and_leaves_the_limit() -> None:
    board = QuoteBoard()
    board.on_tick(tick(70_100))
    assert board.upper_limit(SAMSUNG) is None

    board.learn(info(70_000))
    board.on_tick(tick(70_200))
    board.on_tick(tick(201_000, instrument=HYNIX))
    assert board.last_price(SAMSUNG) == 70_200
    assert board.last_price(HYNIX) == 201_000
    assert board.upper_limit(SAMSUNG) == 100_400


def test_an_instrument_that_has_not_traded_today_has_no_price() -> None:
    board = QuoteBoard()
    board.learn(info(0))
    assert board.last_price(SAMSUNG) is None

    board.on_tick(tick(70_100))
    board.learn(info(0))
    assert board.last_price(SAMSUNG) == 70_100


def test_the_newest_depth_is_kept_and_is_no_price() -> None:
    board = QuoteBoard()
    newest = empty_book(at=after(1))
    board.on_book(empty_book())
    board.on_book(newest)

    assert board.book(SAMSUNG) is newest
    assert board.last_price(SAMSUNG) is None


def test_a_fund_is_known_by_the_price_step_the_venue_tells() -> None:
    board = QuoteBoard()
    board.learn(info(35_005, step=5))
    board.learn(info(35_000, HYNIX, step=50))

    assert board.is_fund(SAMSUNG)
    assert not board.is_fund(HYNIX)
    assert not board.is_fund(InstrumentId("krx:000001"))


def test_what_was_asked_before_the_last_trade_does_not_replace_its_price() -> None:
    board = QuoteBoard()
    board.on_tick(tick(70_100)._replace(received_at=after(5)))
    board.learn(info(70_000), asked_at=after(4))
    assert board.last_price(SAMSUNG) == 70_100
    assert board.upper_limit(SAMSUNG) == 100_400
    board.learn(info(69_000), asked_at=after(10))
    assert board.last_price(SAMSUNG) == 69_000


def test_an_answer_without_a_price_tells_no_price() -> None:
    board = QuoteBoard()
    board.learn(info(0), asked_at=after(4))
    assert board.priced_at(SAMSUNG) is None


HALT = MarketStatus(SAMSUNG, MarketPhase.HALTED, "174", True, "서킷브레이크 발동", NINE)


def test_a_halt_ends_when_the_krx_says_so_or_trades_and_by_no_other_venue() -> None:
    board = QuoteBoard()
    board.on_status(HALT)
    board.on_tick(tick(instrument=HYNIX))
    board.on_tick(tick()._replace(venue=Venue.NXT, received_at=after(1)))
    board.on_status(HALT._replace(halted=False, venue=Venue.NXT))
    assert board.halted(SAMSUNG) == "서킷브레이크 발동"

    board.on_status(HALT._replace(halted=False))
    assert board.halted(SAMSUNG) == ""

    board.on_status(HALT)
    board.on_tick(tick()._replace(received_at=after(1)))
    assert board.halted(SAMSUNG) == ""


def test_no_halt_is_known_once_the_stream_that_told_it_is_lost() -> None:
    board = QuoteBoard()
    board.on_status(HALT)
    board.on_status(HALT._replace(instrument=HYNIX))
    board.forget_halts()

    assert (board.halted(SAMSUNG), board.halted(HYNIX)) == ("", "")
    board.on_status(HALT)
    assert board.halted(SAMSUNG) == "서킷브레이크 발동"
