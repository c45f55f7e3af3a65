"""Each section of the settings refuses by itself what it cannot mean."""

from dataclasses import fields
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from daemon.core.budget import TimeBudget
from daemon.core.calendar import LATE_DAY, LATE_OPEN
from daemon.core.entries import CloseAction, ClosePlan
from daemon.core.events import TradingState
from daemon.core.switch import SwitchPolicy
from daemon.core.values import Region
from daemon.sections import (
    CLASS,
    EXPLICIT,
    BeforeCloseSettings,
    CalendarSettings,
    FeedSettings,
    KillSwitchSettings,
    LogSettings,
    MastersSettings,
    MonitoringSettings,
    RiskSettings,
    StrategySettings,
)

STRATEGY = {"id": "dip", "class": "strategies.dip:Dip", "instruments": ["005930"]}


def test_a_strategy_watches_trades_and_books_unless_it_says_otherwise() -> None:
    usual = StrategySettings.model_validate(STRATEGY)
    assert (usual.channels, usual.priority) == (("trades", "book"), 0)
    told = StrategySettings.model_validate({**STRATEGY, "channels": ["program"], "priority": -3})
    assert (told.channels, told.priority) == (("program",), -3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": []},
        {"priority": "first"},
        {"instruments": ["005930", "005930"]},
        {"instruments": []},
        {"instruments": ["tokyo:7203"]},
        {"instruments": ["index:0001"]},
        {"id": "two words"},
        {"class": "nothing"},
        {"colour": "red"},
    ],
)
def test_what_makes_no_strategy_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StrategySettings.model_validate({**STRATEGY, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [{"registrations": 1}, {"inquiry_share": 0}, {"inquiry_share": 0.6}, {"registrations": 201}],
)
def test_a_feed_has_room_for_notices_and_leaves_requests_for_orders(
    wrong: dict[str, object],
) -> None:
    with pytest.raises(ValidationError):
        FeedSettings.model_validate(wrong)
    assert FeedSettings().registrations is None


def test_limits_reach_the_core_as_they_are() -> None:
    limits = RiskSettings(
        max_order_quantity=1,
        max_order_notional=Decimal(2),
        max_position_notional=Decimal(3),
        price_collar=Decimal("0.1"),
        max_orders_per_minute=4,
    ).limits()
    assert (limits.max_order_quantity, limits.max_orders_per_minute) == (1, 4)


def test_a_class_is_named_by_its_module() -> None:
    assert CLASS.fullmatch("strategies.dip:Dip")
    assert not CLASS.fullmatch("Dip")


def test_the_days_of_every_region_become_calendars() -> None:
    first, examination, half = date(2026, 1, 2), date(2026, 11, 19), date(2026, 11, 27)
    days = CalendarSettings.model_validate(
        {
            "kr": {"known_until": "2026-12-31", "late_opens": [first], "late_days": [examination]},
            "us": {
                "known_until": date(2026, 12, 31),
                "holidays": "2026-11-26, 2026-12-25",
                "half_days": [half],
            },
        }
    )
    calendars = days.calendars({date(2026, 12, 25)})

    korea, america = calendars.of(Region.KR), calendars.of(Region.US)
    assert korea.odd_days == {first: LATE_OPEN, examination: LATE_DAY}
    assert korea.holidays == {date(2026, 12, 25)}
    assert america.holidays == {date(2026, 11, 26), date(2026, 12, 25)}
    assert america.close_at(half) - america.open_at(half) == timedelta(hours=3, minutes=30)
    assert korea.known_until == america.known_until == date(2026, 12, 31)
    assert set(calendars.by_region) == {Region.KR, Region.US}


def test_without_a_table_only_korea_has_a_calendar() -> None:
    calendars = CalendarSettings().calendars(())

    assert set(calendars.by_region) == {Region.KR}
    assert calendars.of(Region.KR).known_until is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"us": {"holidays": ["2026-02-30"]}},
        {"kr": {"holidays": ["2026-12-25"]}},
        {"jp": {"known_until": "2026-12-31", "half_days": ["2026-12-30"]}},
        {"vn": {"known_until": "2026-12-31"}},
    ],
)
def test_days_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CalendarSettings.model_validate(wrong)


TABLE = (Path(__file__).parents[1] / "docs" / "risk.md").read_text(encoding="utf-8")
FIVE: dict[str, object] = {
    "max_order_quantity": 1,
    "max_order_notional": 2,
    "max_position_notional": 3,
    "price_collar": "0.1",
    "max_orders_per_minute": 4,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_daily_loss": 0},
        {"max_drawdown": "NaN"},
        {"max_open_orders": 0},
        {"max_price_age_seconds": 0},
        {"duplicate_window_seconds": -1},
        {"denied": ["samsung electronics"]},
        {"max_orders": 3},
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RiskSettings.model_validate({**FIVE, **wrong})


def test_what_is_not_named_is_limited_all_the_same_unless_it_is_null() -> None:
    limits = RiskSettings.model_validate(FIVE).limits()
    unlimited = [each.name for each in fields(limits) if getattr(limits, each.name) is None]
    assert unlimited == []
    freed = RiskSettings.model_validate({**FIVE, "max_daily_loss": None})
    assert freed.limits().max_daily_loss is None
    assert "max_daily_loss" not in freed.not_chosen()


def test_lists_of_instruments_may_be_written_in_one_line() -> None:
    found = RiskSettings.model_validate({**FIVE, "denied": "005930, 000660", "allowed": ["005930"]})
    assert found.limits().denied == {"krx:005930", "krx:000660"}
    assert found.limits().allowed == {"krx:005930"}


def test_the_table_for_traders_tells_the_defaults_and_what_real_trading_wants() -> None:
    for name, info in RiskSettings.model_fields.items():
        [line] = [row for row in TABLE.splitlines() if f"`{name}`" in row and row.startswith("|")]
        assert ("★" in line) == (name in EXPLICIT), name
        if not info.is_required() and name not in ("allowed", "denied"):
            assert line.rstrip(" |").endswith(f"| {info.default}"), name


def test_the_switch_acts_on_losses_by_stopping_entries_or_everything() -> None:
    assert KillSwitchSettings().policy() == SwitchPolicy()
    halting = KillSwitchSettings(on_loss="halted", sell_at_market=True).policy()
    assert (halting.on_loss, halting.sell_at_market) == (TradingState.HALTED, True)
    for wrong in ({"on_loss": "running"}, {"on_loss": "flattening"}, {"chase_seconds": 0}):
        with pytest.raises(ValidationError):
            KillSwitchSettings.model_validate(wrong)


def test_a_closing_is_a_choice_and_of_the_markets_traded() -> None:
    both = (Region.KR, Region.US)
    assert BeforeCloseSettings().plan(both).action is CloseAction.NONE
    flat = BeforeCloseSettings.model_validate({"action": "flatten", "minutes": 20})
    assert flat.plan(both) == ClosePlan(
        action=CloseAction.FLATTEN, span=timedelta(minutes=20), regions=frozenset(both)
    )
    american = BeforeCloseSettings.model_validate({"action": "cancel", "markets": "us"})
    assert american.plan(both).regions == {Region.US}
    assert american.plan((Region.KR,)).regions == frozenset()
    for wrong in ({"action": "sell"}, {"minutes": 0}, {"minutes": 121}, {"markets": ["JP"]}):
        with pytest.raises(ValidationError):
            BeforeCloseSettings.model_validate(wrong)
    assert MastersSettings().refresh is None


def test_nothing_listens_unless_it_is_told_where() -> None:
    usual = MonitoringSettings()
    assert usual.listen == ""
    assert usual.budget == TimeBudget(5.0, 0.8, 60.0)
    assert MonitoringSettings(listen="localhost:9464").address == ("127.0.0.1", 9464, True)
    assert MonitoringSettings(listen="[::1]:9464").address == ("::1", 9464, True)
    remote = MonitoringSettings(listen="0.0.0.0:9464", allow_remote=True)
    assert remote.address == ("0.0.0.0", 9464, False)


def test_lines_go_to_no_collector_unless_one_is_named() -> None:
    assert LogSettings().otlp_endpoint == ""
    for address in (
        "http://localhost:4318/v1/logs",
        "http://[::1]:4318/v1/logs",
        "https://collector.example.org/otlp/v1/logs",
    ):
        assert LogSettings(otlp_endpoint=address).otlp_endpoint == address


@pytest.mark.parametrize(
    "wrong",
    [
        *("4318", "localhost:4318", "http://", "https://", "ftp://127.0.0.1/v1/logs"),
        *("http://collector.example.org/v1/logs", "http://192.168.0.3:4318/v1/logs"),
        *("https://me:word@collector.example.org/v1/logs", "https://a.example.org/v1/logs?key=k"),
        *("http://127.0.0.1:999999/v1/logs", "http://127.0.0.1:0/v1/logs", "http://[::1/v1/logs"),
        *("http://127.0.0.1.example.org/v1/logs", "http://localhost@example.org/v1/logs"),
    ],
)
def test_lines_leave_this_machine_by_tls_alone_and_with_no_secret_in_the_address(
    wrong: str,
) -> None:
    with pytest.raises(ValidationError, match="must be https, or http on this machine"):
        LogSettings(otlp_endpoint=wrong)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"listen": "0.0.0.0:9464"}, "allow_remote"),
        ({"listen": "[::]:9464"}, "allow_remote"),
        ({"listen": "192.168.0.3:9464"}, "allow_remote"),
        ({"listen": "example.org:9464"}, "such as 127.0.0.1:9464"),
        ({"listen": "9464"}, "such as 127.0.0.1:9464"),
        ({"listen": "127.0.0.1:99999"}, "such as 127.0.0.1:9464"),
        ({"max_share": 1.5}, "less than or equal to 1"),
        ({"max_step_seconds": 0}, "greater than or equal to"),
    ],
)
def test_monitoring_that_cannot_be_meant_is_refused(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        MonitoringSettings.model_validate(wrong)
