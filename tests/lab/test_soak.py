"""The long run, short: two days and the night between them, in one life of the daemon."""

import orjson
import pytest
import structlog

from daemon.core.values import Region
from daemon.lab import soak as soaks


def test_days_connect_in_one_life_with_equal_books() -> None:
    told: list[str] = []

    def hear(day: dict[str, object]) -> bool:
        told.append(str(day["day"]))
        return len(told) < 2

    figures = soaks.soak(3, (Region.KR,), pause=3600.0, told=hear)
    line = figures.as_dict()
    assert told == ["2026-01-05", "2026-01-06"]
    assert line["problems"] == []
    assert (line["days"], line["books_equal_days"]) == (2, 2)
    assert line["start"]["open_files"] == line["end"]["open_files"]
    assert line["orders"] > 0
    assert line["startup"]["facts"] > line["startup"]["orders"] >= line["orders"]
    assert line["journal_bytes"] >= figures.days[0]["journal_bytes"]
    assert orjson.dumps(line)


def test_what_is_not_as_it_should_be_ends_the_command_with_1(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    day = {
        **{"day": "2026-01-05", "books_equal": False, "problems": ["cash differs"]},
        **{"rss_mib": 1.0, "objects": 1, "open_files": 1, "journal_bytes": 1},
    }
    broken = soaks.Figures(days=[day], problems=["2026-01-05: cash differs"])
    monkeypatch.setattr(soaks, "soak", lambda *args, **kwargs: broken)
    monkeypatch.setattr(structlog, "configure", lambda **options: None)
    assert soaks.main(["--days", "1", "--json"]) == soaks.EXIT_BROKEN
    line = orjson.loads(capsysbinary.readouterr().out)
    assert (line["books_equal_days"], line["problems"]) == (0, ["2026-01-05: cash differs"])
