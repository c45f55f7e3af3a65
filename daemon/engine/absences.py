"""What is wanted and does not come, kind by kind: marked once, told once, and over again."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

import structlog

from daemon.core.values import Interest
from daemon.strategy import MarketGap


class Absences:
    """Interests whose news is missing. `tell` is where gaps go, `now` the market's time."""

    def __init__(self, tell: Callable[[MarketGap], None], now: Callable[[], datetime]) -> None:
        self.open: dict[Interest, datetime] = {}
        self._tell = tell
        self._now = now
        self._unconfirmed: dict[Interest, float] = {}
        self._told: frozenset[Interest] = frozenset()
        self._log = structlog.get_logger("market_watch")

    def look(
        self,
        wanted: Sequence[Interest],
        confirmed: Collection[Interest],
        *,
        at: float,
        limit: float,
        lasting: Collection[Interest] = (),
    ) -> list[Interest]:
        """What is not confirmed for `limit` seconds by the monotonic second `at`.

        Absences that were confirmed again or are not wanted any more end, but for `lasting` ones.
        """
        missing = [each for each in wanted if each not in confirmed]
        self._unconfirmed = {each: self._unconfirmed.get(each, at) for each in missing}
        for interest in [each for each in self.open if each not in self._unconfirmed]:
            if interest not in lasting or interest not in wanted:
                self.end(interest)
        overdue = [each for each, since in self._unconfirmed.items() if at - since >= limit]
        if not self._told.issuperset(overdue):
            names = interest_names(overdue)
            self._log.warning("registrations_missing", wanted=len(wanted), missing=names)
        self._told = frozenset(overdue)
        return overdue

    def pause(self) -> None:
        """Nothing is registered just now, and everybody knows: the times begin anew."""
        self._unconfirmed.clear()

    def mark(self, interest: Interest, since: datetime, cause: str) -> None:
        """News of an interest is missing: told unless it was before."""
        if interest not in self.open:
            self.open[interest] = since
            self._tell(_gap(interest, self._now(), since, up=False, cause=cause))

    def end(self, interest: Interest) -> None:
        """News comes again, or nobody wants it any more."""
        since = self.open.pop(interest, None)
        if since is not None:
            self._tell(_gap(interest, self._now(), since, up=True))

    def gaps(self, interests: Iterable[Interest]) -> list[MarketGap]:
        """What is missing of these just now."""
        return [
            _gap(each, self._now(), self.open[each], up=False, cause="it was missing before")
            for each in interests
            if each in self.open
        ]


def interest_names(interests: Iterable[Interest]) -> list[str]:
    """Interests in words, for logs and reports."""
    return sorted(f"{each.channel} {each.instrument}" for each in interests)


def _gap(
    interest: Interest, at: datetime, since: datetime, *, up: bool, cause: str = ""
) -> MarketGap:
    return MarketGap(at, since, up, interest.instrument, cause, interest.channel)
