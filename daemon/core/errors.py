"""What can go wrong, named for what the caller must do next.

TradingError
├── Refused          certainly without effect, and final: report it
│   ├── RiskRefused  refused by our own limits or kill switch, and never sent
│   ├── UnjudgedCall refused because nothing here can judge it, and never sent
│   └── TryLater     certainly without effect, and passing: a read may repeat, an order may not
├── OutcomeUnknown   it may have taken effect: ask the broker, never send again
├── BadData          bytes or fields that do not mean anything: count it, drop it, go on
└── NeedsOperator    keys, accounts, permissions, settings: stop and tell a person
    └── AlreadyRunning   another process does this work for the same key: leave it alone

Fatal                crash, and recover through a fresh start; never caught with the others
├── InvariantBroken  a promise of our own code does not hold
└── JournalFailed    a fact could not be made durable
"""


class TradingError(Exception):
    """Root of every error that trading can live with."""


class Refused(TradingError):
    """The other side certainly did not act, and says why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class RiskRefused(Refused):
    """Our own limits or kill switch refuse, and nothing was sent. `rule` is as in docs/risk.md."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(rule.upper(), reason)
        self.rule = rule


class UnjudgedCall(Refused):
    """An order that the limits cannot judge as it is worded; the message names what to use."""

    def __init__(self, reason: str) -> None:
        super().__init__("UNJUDGED", reason)


class TryLater(Refused):
    """Refused for a cause that passes; `delay` is the least number of seconds to wait."""

    def __init__(self, code: str, reason: str, *, delay: float) -> None:
        super().__init__(code, reason)
        self.delay = delay


class OutcomeUnknown(TradingError):
    """The request may have taken effect; only an inquiry can tell."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class BadData(TradingError):
    """Input that cannot be read; `field` names the place, `raw` is a bounded excerpt."""

    RAW_LIMIT = 200

    def __init__(self, what: str, *, field: str = "", raw: str = "") -> None:
        where = f" in {field}" if field else ""
        super().__init__(f"{what}{where}")
        self.what = what
        self.field = field
        self.raw = raw[: self.RAW_LIMIT]


class NeedsOperator(TradingError):
    """Nothing the program can do helps; the message says what a person must do."""


class AlreadyRunning(NeedsOperator):
    """Another process holds what only one may hold; the message says which."""


class BrokerUnavailable(NeedsOperator):
    """The broker did not answer, or not clearly, for too long: starting again later may help."""


class Fatal(Exception):
    """Nothing can go on: what is true is no longer known here, only at the broker."""


class InvariantBroken(Fatal):
    """A promise of our own code does not hold."""


class JournalFailed(Fatal):
    """A fact could not be made durable. Nothing was applied; trading cannot go on."""
