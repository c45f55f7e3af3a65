"""What is watched first when there is no room for all, and until when."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.core.values import BOOK, TRADES, InstrumentId, Interest, StrategyId
from daemon.engine.interests import Interests
from tests.builders import HYNIX, SAMSUNG

A, B, C = StrategyId("a"), StrategyId("b"), StrategyId("c")
NAVER = InstrumentId("krx:035420")
MEMBERS = "members"


def both(*instruments: InstrumentId) -> list[Interest]:
    return [Interest(channel, each) for each in instruments for channel in (TRADES, BOOK)]


def test_all_tick_before_any_has_a_book_and_books_come_before_the_rest() -> None:
    interests = Interests()
    interests.add(A, [Interest(MEMBERS, SAMSUNG), *both(SAMSUNG, HYNIX)])
    assert interests.ranked(()) == [
        Interest(TRADES, SAMSUNG),
        Interest(TRADES, HYNIX),
        Interest(BOOK, SAMSUNG),
        Interest(BOOK, HYNIX),
        Interest(MEMBERS, SAMSUNG),
    ]


def test_what_is_at_stake_comes_first_wanted_or_not() -> None:
    interests = Interests()
    interests.add(A, both(SAMSUNG))
    assert interests.ranked([NAVER, SAMSUNG])[:3] == [
        Interest(TRADES, NAVER),
        Interest(TRADES, SAMSUNG),
        Interest(BOOK, SAMSUNG),
    ]
    assert Interests().ranked([NAVER]) == [Interest(TRADES, NAVER)]


def test_the_more_important_strategy_has_even_its_books_first() -> None:
    interests = Interests()
    interests.add(A, both(SAMSUNG), priority=5)
    interests.add(B, both(HYNIX), priority=-1)
    interests.add(C, both(SAMSUNG), priority=9)
    assert interests.ranked(()) == both(HYNIX) + both(SAMSUNG)


def test_what_several_want_is_watched_until_the_last_lets_go() -> None:
    interests = Interests()
    wish = Interest(TRADES, SAMSUNG)
    interests.add(A, [wish])
    interests.add(B, [wish])
    assert interests.ranked(()) == [wish]
    interests.drop(A, [wish, Interest(BOOK, NAVER)])
    assert interests.ranked(()) == [wish]
    interests.forget(B)
    interests.forget(B)
    assert interests.ranked(()) == []
    interests.drop(C, [wish])


WISHES = st.lists(
    st.builds(
        Interest,
        st.sampled_from([TRADES, BOOK, MEMBERS]),
        st.sampled_from([SAMSUNG, HYNIX, NAVER]),
    ),
    max_size=6,
)


@given(st.dictionaries(st.sampled_from([A, B, C]), st.tuples(st.integers(-2, 2), WISHES)))
def test_everything_wanted_is_there_once_and_nothing_else(
    wanted: dict[StrategyId, tuple[int, list[Interest]]],
) -> None:
    interests = Interests()
    for owner, (priority, wishes) in wanted.items():
        interests.add(owner, wishes, priority=priority)
    ranked = interests.ranked(())
    assert len(ranked) == len(set(ranked))
    assert set(ranked) == {each for _, wishes in wanted.values() for each in wishes}
    best = {
        each: min(priority for priority, wishes in wanted.values() if each in wishes)
        for each in ranked
    }
    assert [best[each] for each in ranked] == sorted(best.values())
