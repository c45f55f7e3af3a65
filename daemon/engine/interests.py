"""What is to be watched: who wants it, and what comes first when there is no room for all."""

from collections.abc import Iterable, Mapping

from daemon.core.values import BOOK, TRADES, InstrumentId, Interest, StrategyId

_RANKS: Mapping[str, int] = {TRADES: 0, BOOK: 1}
_LAST_RANK = len(_RANKS)


class Interests:
    """Counts wishes: what several strategies want is watched once, until the last lets go.

    A lower `priority` number is more important.
    """

    def __init__(self) -> None:
        self._priorities: dict[StrategyId, int] = {}
        self._wishes: dict[StrategyId, dict[Interest, None]] = {}

    def add(self, owner: StrategyId, interests: Iterable[Interest], *, priority: int = 0) -> None:
        """Add to what `owner` wants, and set how important it is."""
        self._priorities[owner] = priority
        self._wishes.setdefault(owner, {}).update(dict.fromkeys(interests))

    def drop(self, owner: StrategyId, interests: Iterable[Interest]) -> None:
        """Take away from what `owner` wants; what it never wanted is ignored."""
        wishes = self._wishes.get(owner, {})
        for each in interests:
            wishes.pop(each, None)

    def forget(self, owner: StrategyId) -> None:
        """The owner wants nothing any more."""
        self._priorities.pop(owner, None)
        self._wishes.pop(owner, None)

    def of(self, owner: StrategyId) -> tuple[Interest, ...]:
        """What `owner` wants, in the order it came to want it."""
        return tuple(self._wishes.get(owner, ()))

    def ranked(self, exposed: Iterable[InstrumentId]) -> list[Interest]:
        """Everything once, most important first.

        First come the trades of `exposed` instruments, which are held or have open orders, wanted
        or not: their prices are money. Then every priority in turn: the trades of all its
        instruments before any book, and books before the rest, so that all of them tick.
        """
        wanted = dict.fromkeys(Interest(TRADES, each) for each in exposed)
        levels = sorted(set(self._priorities.values()))
        for level in levels:
            wishes = [
                each
                for owner, priority in self._priorities.items()
                if priority == level
                for each in self._wishes[owner]
            ]
            wanted.update(dict.fromkeys(sorted(wishes, key=_rank)))
        return list(wanted)


def _rank(interest: Interest) -> int:
    return _RANKS.get(interest.channel, _LAST_RANK)
