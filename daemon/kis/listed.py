"""Which exchange a foreign symbol is listed on, where answers may name another of its region."""

from collections.abc import Collection, Iterable

from daemon.core.values import InstrumentId, Market, Region, code_of, market_of, region_of

_STANDS_FOR_ALL = Market.NASDAQ
"""Its code in orders, NASD, means every American exchange in some inquiries, and in some answers:
a row that names it may be about a share of another one."""


class Listed:
    """What is known of listings: those that are ours, by region, and those of the symbol masters.

    One code is one listing in a region. A listing of the masters is believed before one of ours.
    """

    def __init__(self) -> None:
        self._ours: dict[Region, dict[str, set[InstrumentId]]] = {}
        self._master: dict[Region, dict[str, set[InstrumentId]]] = {}

    def know(self, region: Region, ours: Iterable[InstrumentId]) -> None:
        """These are what we hold and have ordered in a region, and nothing else is."""
        self._ours[region] = _by_code(ours)

    def note(self, instrument: InstrumentId) -> None:
        """This one is ours as well, until `know` says otherwise."""
        ours = self._ours.setdefault(region_of(instrument), {})
        ours.setdefault(code_of(instrument), set()).add(instrument)

    def learn(self, region: Region, listings: Iterable[InstrumentId]) -> None:
        """The symbol masters list these in a region, and nothing else."""
        self._master[region] = _by_code(listings)

    def of(self, region: Region, code: str) -> InstrumentId | None:
        """The one known instrument of a code, `None` for none and for several.

        Ours count where the masters name none: they may come from an answer that named another.
        """
        known = self._mastered(region, code) or self._ours.get(region, {}).get(code, set())
        return next(iter(known)) if len(known) == 1 else None

    def among(self, named: Collection[InstrumentId]) -> InstrumentId:
        """The instrument meant by answers that name these, which share region and code.

        An exchange that stands for no other is believed where it is the only one named. Else the
        masters decide, then the only one that stands for no other, then what is ours, then the
        first.
        """
        each = tuple(dict.fromkeys(named))
        certain = [one for one in each if market_of(one) is not _STANDS_FOR_ALL]
        region, code = region_of(each[0]), code_of(each[0])
        if len(certain) == 1 and (len(each) == 1 or len(self._mastered(region, code)) != 1):
            return certain[0]
        return self.of(region, code) or each[0]

    def _mastered(self, region: Region, code: str) -> Collection[InstrumentId]:
        return self._master.get(region, {}).get(code, set())


def _by_code(instruments: Iterable[InstrumentId]) -> dict[str, set[InstrumentId]]:
    found: dict[str, set[InstrumentId]] = {}
    for each in instruments:
        found.setdefault(code_of(each), set()).add(each)
    return found
