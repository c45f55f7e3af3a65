"""What does not come is told once, and told again when it comes."""

from structlog.testing import capture_logs

from daemon.core.values import Interest
from daemon.engine.absences import Absences, interest_names
from daemon.strategy import MarketGap
from tests.builders import HYNIX, NINE, SAMSUNG

NAV, STATUS = Interest("nav", SAMSUNG), Interest("status", HYNIX)


class Case:
    def __init__(self) -> None:
        self.told: list[tuple[str, bool]] = []
        self.absences = Absences(self._tell, lambda: NINE)

    def _tell(self, gap: MarketGap) -> None:
        self.told.append((gap.channel, gap.up))

    def look(
        self, at: float, *confirmed: Interest, wanted: tuple[Interest, ...] = (NAV, STATUS)
    ) -> list[Interest]:
        return self.absences.look(wanted, confirmed, at=at, limit=15.0)


def test_a_registration_has_its_time() -> None:
    case = Case()
    assert case.look(0.0) == case.look(14.9, STATUS) == []
    with capture_logs() as lines:
        assert case.look(15.0) == [NAV]
        assert case.look(16.0) == [NAV]
    assert [each["missing"] for each in lines] == [["nav krx:005930"]]


def test_a_pause_begins_the_times_anew() -> None:
    case = Case()
    case.look(0.0)
    case.absences.pause()
    assert case.look(20.0) == []
    assert case.look(35.0) == [NAV, STATUS]


def test_an_absence_is_marked_once_and_ends_when_it_is_confirmed() -> None:
    case = Case()
    case.look(0.0)
    for _ in range(2):
        case.absences.mark(NAV, NINE, "not registered")
    assert [each.channel for each in case.absences.gaps([NAV, STATUS])] == ["nav"]
    case.look(1.0, NAV)
    case.look(2.0, NAV)
    assert case.told == [("nav", False), ("nav", True)]
    assert case.absences.gaps([NAV]) == []


def test_what_is_not_wanted_any_more_ends_even_if_it_lasts() -> None:
    case = Case()
    case.absences.mark(NAV, NINE, "silent")
    case.absences.look([NAV], [NAV], at=0.0, limit=15.0, lasting=[NAV])
    assert case.told == [("nav", False)]
    case.absences.look([], [], at=1.0, limit=15.0, lasting=[NAV])
    assert case.told == [("nav", False), ("nav", True)]
    assert interest_names([STATUS, NAV]) == ["nav krx:005930", "status krx:000660"]
