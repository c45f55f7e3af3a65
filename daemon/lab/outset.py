"""With what a world begins: its markets, its hours, what is listed, and the daemon's settings."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from daemon.config import Settings
from daemon.core.calendar import KST
from daemon.core.values import InstrumentId, Region, instrument_id
from daemon.lab import traders
from daemon.lab.mix import Fault, FaultMix, Range
from daemon.sections import FeedSettings, RiskSettings, SimSettings, StrategySettings
from daemon.sim import american
from daemon.sim.options import ACCOUNT, APP_KEY, APP_SECRET, HTS_ID, SimulatorOptions
from daemon.sim.universe import LISTINGS, Listing

Markets = tuple[Region, ...]

KOREA: Markets = (Region.KR,)
AMERICA: Markets = (Region.US,)
BOTH: Markets = (Region.KR, Region.US)

SHARES = ((KOREA, 0.5), (AMERICA, 0.2), (BOTH, 0.3))
"""How many of all worlds have which markets: Korea trades in four of five, America in half."""

OPEN = datetime(2026, 11, 2, 9, 0, tzinfo=KST)
"""09:30 in New York is 23:30 of the same day in Korea: America has left its summer time."""

HOUR = 3600.0
SETTLED = 240.0
"""Seconds after the end of a day's trading within which the end of its orders is known."""

KOREAN_CLOSE = 6.5 * HOUR
AMERICAN_OPEN = 14.5 * HOUR
AMERICAN_CLOSE = 21.0 * HOUR
"""Seconds after `OPEN`."""

AMERICAN_END = AMERICAN_CLOSE + 4.0 * HOUR
"""Until then an American order may still trade for some accounts, and its end is not known."""

LIVENESS = 300.0
"""Seconds after the last fault within which everything must be well again."""

REST = 120.0
"""Seconds of peace after that, at least."""

DOLLARS = Decimal(300_000)


@dataclass(frozen=True, slots=True)
class Hours:
    """The stretch of time a world lives through. `faults_end` and `end` are seconds from `start`.

    With `trading_at_end` the stop at its end finds open whatever market has open orders.
    """

    start: datetime
    faults_end: float
    end: float
    trading_at_end: bool


@dataclass(frozen=True, slots=True)
class Outset:
    """Everything a seed chooses before its world begins."""

    settings: Settings
    hours: Hours
    options: SimulatorOptions


def markets_of(seed: int) -> Markets:
    """Where the world of a seed trades when nobody says so."""
    luck = Random(f"{seed}:markets").random()  # noqa: S311  a play, not a secret
    for markets, share in SHARES:
        luck -= share
        if luck < 0.0:
            return markets
    return BOTH


def draw(seed: int, mix: FaultMix, random: Random, markets: Markets, folder: Path) -> Outset:
    """What the seed chooses; what it chooses for Korea does not depend on other markets."""
    codes = LISTINGS[: random.randint(1, 3)]
    pace = random.uniform(0.01, 0.05)
    # Thin ones fill orders in many parts.
    crowd = Range(0.003, 0.5).draw(random)
    abroad = Random(f"{seed}:abroad")  # noqa: S311  a play, not a secret
    korean = codes if Region.KR in markets else ()
    foreign: list[Listing] = []
    if Region.US in markets:
        foreign = abroad.sample(american.LISTINGS, abroad.randint(1, 3))
    cast = [instruments_of(each) for each in (korean, foreign) if each]
    settings = _settings(mix, random, cast, markets, seed, folder)
    hours = _hours(markets, random, abroad)
    options = SimulatorOptions(
        seed=seed,
        start=hours.start,
        regions=frozenset(markets),
        listings=tuple(replace(each, pace=pace, crowd=crowd) for each in codes),
        american_listings=tuple(replace(each, pace=pace, crowd=crowd) for each in foreign),
        cash_usd=DOLLARS,
        # Habits of the broker, and no faults that could heal.
        told_twice=Region.US in markets and abroad.random() < 0.5,
        late_ledger=_books_late(seed, mix, markets),
        refused_by_reason=Region.US in markets and abroad.random() < 0.5,
        early_notices=mix.level(Fault.NOTICE_EARLY),
        refused_later=mix.level(Fault.REFUSED_LATER),
    )
    return Outset(settings, hours, options)


def _books_late(seed: int, mix: FaultMix, markets: Markets) -> bool:
    """Whether American trades are in the balance only after the night.

    Not where somebody trades by hand: nobody could tell before what that came to.
    """
    late = Random(f"{seed}:ledger").random() < 0.5  # noqa: S311  a play, not a secret
    return late and Region.US in markets and Fault.HAND_ORDER not in mix


def instruments_of(listings: "tuple[Listing, ...] | list[Listing]") -> list[InstrumentId]:
    """What is listed, as the daemon calls it."""
    return [instrument_id(each.market, each.code) for each in listings]


def _hours(markets: Markets, random: Random, abroad: Random) -> Hours:
    full = random.random() < 0.75
    # Of the full days some have their faults over the close, until every order has ended.
    faults_end = random.uniform(4.0, 6.52 if full else 6.0) * HOUR
    if markets == KOREA:
        ends = faults_end + LIVENESS + REST
        return Hours(
            OPEN, faults_end, max(KOREAN_CLOSE + SETTLED, ends) if full else ends, not full
        )
    if markets == AMERICA:
        return _american_hours(abroad, full=full)
    return _hours_of_both(abroad)


def _american_hours(random: Random, *, full: bool) -> Hours:
    """A night: a part of New York's session, and of the full ones its end and what comes after."""
    if not full:
        start = random.uniform(AMERICAN_OPEN, AMERICAN_CLOSE - 4.5 * HOUR)
        faults_end = start + random.uniform(2.0, 4.0) * HOUR
        return _between(start, faults_end, 0.0, trading_at_end=True)
    start = random.uniform(AMERICAN_CLOSE - 4.0 * HOUR, AMERICAN_CLOSE - 1.5 * HOUR)
    late = random.random() < 0.3
    last = AMERICAN_END + SETTLED / 2 if late else AMERICAN_CLOSE
    faults_end = random.uniform(AMERICAN_CLOSE - HOUR, last)
    return _between(start, faults_end, AMERICAN_END + SETTLED, trading_at_end=False)


def _hours_of_both(random: Random) -> Hours:
    """An evening, a morning, or all of it: two nights' sleep would be the dearest part of a day."""
    luck = random.random()
    if luck < 0.5:
        # Korea closes, America opens.
        start = random.uniform(KOREAN_CLOSE - 2 * HOUR, KOREAN_CLOSE - 0.3 * HOUR)
        faults_end = AMERICAN_OPEN + random.uniform(1.0, 3.0) * HOUR
        return _between(start, faults_end, 0.0, trading_at_end=True)
    # America closes, Korea begins its next day before America's orders are known to have ended.
    start = 0.0
    if luck < 0.9:
        start = random.uniform(AMERICAN_CLOSE - 2.5 * HOUR, AMERICAN_CLOSE - 0.3 * HOUR)
    faults_end = random.uniform(AMERICAN_CLOSE + 2.5 * HOUR, AMERICAN_CLOSE + 4.8 * HOUR)
    return _between(start, faults_end, AMERICAN_END + SETTLED, trading_at_end=True)


def _between(start: float, faults_end: float, least: float, *, trading_at_end: bool) -> Hours:
    """Hours from seconds after `OPEN`; the end is at `least` or where the faults allow it."""
    end = max(least, faults_end + LIVENESS + REST)
    return Hours(
        OPEN + timedelta(seconds=start),
        faults_end=faults_end - start,
        end=end - start,
        trading_at_end=trading_at_end,
    )


def _settings(
    mix: FaultMix,
    random: Random,
    cast: list[list[InstrumentId]],
    markets: Markets,
    seed: int,
    folder: Path,
) -> Settings:
    """Settings as files would give them, with what the seed chose."""
    strategies = _strategies(mix, random, cast, seed)
    # Drawn by itself: what else a seed chose stays as it was.
    feed = Random(f"{seed}:feed")  # noqa: S311  a play, not a secret
    registrations = feed.choice((None, None, 2, 3, 4, 6))
    share = feed.choice((0.03, 0.03, 0.1))
    if registrations is not None and len(cast) > 1:
        # Traders need trades of both countries, whose notices take two places already.
        registrations *= 3
    return Settings.model_validate(
        {
            "mode": "sim",
            "markets": markets,
            "app_key": APP_KEY,
            "app_secret": APP_SECRET,
            "account": ACCOUNT,
            "hts_id": HTS_ID,
            "data_dir": folder,
            "shared_root": folder / "shared",
            "requests_per_second": random.choice((2, 5, 10)),
            "strategies": strategies,
            "feed": FeedSettings(registrations=registrations, inquiry_share=share),
            "on_stop": random.choice(("cancel", "leave")),
            "sim": SimSettings(seed=seed),
            "calendar": {"us": {"known_until": date(2027, 12, 31)}},
            "risk": RiskSettings(
                max_order_quantity=500,
                max_order_notional=Decimal(20_000_000),
                max_position_notional=Decimal(random.choice((6_000_000, 30_000_000))),
                price_collar=Decimal("0.05"),
                max_orders_per_minute=random.choice((10, 120)),
                **traders.UNLIMITED,
            ),
        }
    )


def _strategies(
    mix: FaultMix, random: Random, cast: list[list[InstrumentId]], seed: int
) -> list[StrategySettings]:
    """A busy trader for each market, and for all of them at once whoever else there is."""
    slow = mix.reach(Fault.STRATEGY_SLOW, random) if Fault.STRATEGY_SLOW in mix else 0.0
    fails = int(mix.reach(Fault.STRATEGY_CRASH, random)) if Fault.STRATEGY_CRASH in mix else 0
    size = random.choice((1, 5, 20, 60))
    pause = Range(90.0, 1800.0).draw(random)
    if len(cast) > 1:
        # Of two days' trading they see parts only.
        pause /= 2
    common = {"seed": seed, "pause": 4 * pause, "size": size}
    everything = [each for market in cast for each in market]
    roles: list[tuple[str, str, list[InstrumentId], dict[str, Any]]] = [
        (name, "Busy", market, {"seed": seed, "pause": pause, "size": size})
        for name, market in zip(("busy", "busier"), cast, strict=False)
    ]
    roles.append(("spectator", "Spectator", everything, {}))
    if slow:
        roles.append(("slow", "Slow", everything, {**common, "slowness": slow}))
    if fails:
        roles.append(("broken", "Broken", everything, {**common, "breaks_after": fails}))
    return [
        StrategySettings.model_validate(
            {
                "id": name,
                "class": f"daemon.lab.traders:{role}",
                "instruments": instruments,
                "parameters": parameters,
            }
        )
        for name, role, instruments, parameters in roles
    ]
