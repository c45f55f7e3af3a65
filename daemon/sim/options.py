"""Everything that can be chosen about a simulator, with the values it has by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from daemon.core.calendar import MarketCalendar, OddDay
from daemon.core.values import Region
from daemon.sim import american
from daemon.sim.charges import AmericanCharges, Charges
from daemon.sim.universe import LISTINGS, Listing

APP_KEY = "SIMULATED-APP-KEY-NOT-A-REAL-SECRET-"
APP_SECRET = ("SIMULATED-APP-SECRET-NOT-A-REAL-SECRET-" * 5)[:180]
ACCOUNT = "12345678-01"
HTS_ID = "htsid001"
SLOWEST, FASTEST = 0.1, 1200.0
"""Simulated seconds a second. Every wait of a client is in real seconds, and of a bar of a minute
little is left beyond 300: strategies decide ever less often. Faster than this, a client starts in
hours of market time, and the market leaves its loop no time for anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who may knock: an app key with its secret, and the accounts of one HTS id.

    `accounts` are `CANO-PRDT` numbers. No two customers share a key or an account.
    """

    app_key: str
    app_secret: str = field(repr=False)
    hts_id: str
    accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """How one simulator behaves.

    Ports of 0 mean any free port. `start` is the simulated instant to begin at, `None` 09:00 KST
    of the trading day on or after today. `speed` is simulated seconds a second. `regions` are the
    countries whose markets live, `holidays` are those of KRX and `american_holidays` those of the
    US exchanges, by local date. `cash` is KRW and `cash_usd` USD per account, the latter only
    where US markets live. `app_key`, `app_secret`, `hts_id` and `accounts` are those of the first
    customer, `others` are the rest. `state` keeps the broker's books across restarts; `None` keeps
    them in memory.

    `rate_limit` is requests a second, `token_interval` simulated seconds between two token issues,
    `ping_interval` seconds between two PINGPONG frames and `missed_pings` how many may stay
    unanswered. `early_notices` and `refused_later` are probabilities per order: a notice ahead of
    the HTTP reply, and a refusal by the exchange after the broker's acceptance. With `told_twice`
    balances tell a US holding of another exchange under NASD as well, with `late_ledger` that on
    the basis of trades has a day's only half an hour after the close, with `refused_by_reason` the
    list of US orders calls a refused one done and gives its reason alone. `charges` are taken for
    every trade on KRX and `american_charges` in America; by itself the simulator charges nothing.
    """

    host: str = "127.0.0.1"
    rest_port: int = 0
    ws_port: int = 0
    seed: int = 20260102
    start: datetime | None = None
    speed: float = 1.0
    regions: frozenset[Region] = frozenset({Region.KR})
    holidays: frozenset[date] = frozenset()
    odd_days: Mapping[date, OddDay] = field(default_factory=dict)
    american_holidays: frozenset[date] = frozenset()
    american_odd_days: Mapping[date, OddDay] = field(default_factory=dict)
    app_key: str = APP_KEY
    app_secret: str = field(default=APP_SECRET, repr=False)
    accounts: tuple[str, ...] = (ACCOUNT,)
    hts_id: str = HTS_ID
    others: tuple[Customer, ...] = ()
    cash: Decimal = Decimal(100_000_000)
    cash_usd: Decimal = Decimal(100_000)
    state: Path | None = None
    rate_limit: int = 10
    token_interval: float = 60.0
    registrations: int = 41
    ping_interval: float = 10.0
    missed_pings: int = 6
    queue_size: int = 4096
    early_notices: float = 0.4
    refused_later: float = 0.0
    told_twice: bool = False
    late_ledger: bool = False
    refused_by_reason: bool = False
    listings: tuple[Listing, ...] = LISTINGS
    charges: Charges | None = None
    american_charges: AmericanCharges | None = None
    american_listings: tuple[Listing, ...] = american.LISTINGS

    @property
    def customers(self) -> tuple[Customer, ...]:
        """All of them, the first one first."""
        first = Customer(
            app_key=self.app_key,
            app_secret=self.app_secret,
            hts_id=self.hts_id,
            accounts=self.accounts,
        )
        return (first, *self.others)

    @property
    def calendar(self) -> MarketCalendar:
        """The trading days of the simulated exchange."""
        return MarketCalendar(self.holidays, odd_days=self.odd_days)

    @property
    def home(self) -> Region:
        """By whose trading days the simulated clock goes on: Korea's where it lives."""
        return Region.KR if Region.KR in self.regions else Region.US

    @property
    def american_calendar(self) -> MarketCalendar:
        """The trading days of the simulated US exchanges."""
        return MarketCalendar(self.american_holidays, Region.US, odd_days=self.american_odd_days)
