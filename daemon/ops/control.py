"""What a person may ask of a running daemon: the words of every act, and who answers them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from daemon.core.acts import OPERATOR, SCRIPT
from daemon.core.events import TimeInForce, TradingState
from daemon.core.values import Side, parse_instrument

REQUEST = re.compile(r"[A-Za-z0-9._:-]{1,64}")
REASON_LIMIT = 300


class View(StrEnum):
    """What can be looked at."""

    STATUS = "status"
    POSITIONS = "positions"
    ORDERS = "orders"
    STRATEGIES = "strategies"
    SUBSCRIPTIONS = "subscriptions"
    BUDGET = "budget"
    TOKEN = "token"  # noqa: S105  the name of a view
    DISCREPANCIES = "discrepancies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, by which door, as far as the machine tells."""

    channel: str
    user: str = ""
    uid: int | None = None
    pid: int | None = None


class ControlError(Exception):
    """Why something was not done: `code` for machines, `field` is what is wrong with the request,
    `fix` says what to do. `status` is the HTTP status.
    """

    def __init__(
        self, code: str, problem: str, *, field: str = "", fix: str = "", status: int = 409
    ) -> None:
        super().__init__(problem)
        self.code = code
        self.problem = problem
        self.field = field
        self.fix = fix
        self.status = status

    def told(self) -> dict[str, str]:
        """As it goes out."""
        return {
            "code": self.code,
            "field": self.field,
            "problem": self.problem,
            "fix": self.fix,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of an act: a sentence for a person, figures for a machine."""

    message: str
    result: Mapping[str, Any] = field(default_factory=dict)
    repeated: bool = False


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    if not line:
        raise ValueError("must say why")
    return line


class Act(BaseModel):
    """One act. `request` makes a repetition known: the same word is done once."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    request: str = Field(pattern=f"^{REQUEST.pattern}$")
    reason: Annotated[str, Field(max_length=REASON_LIMIT), AfterValidator(_one_line)]

    @property
    def name(self) -> str:
        """The act as the journal tells it."""
        return self.word

    @property
    def subject(self) -> str:
        """What it is about."""
        return ""

    word: ClassVar[str] = ""


class _Move(Act):
    state: ClassVar[TradingState]


class Halt(_Move):
    """No new order; what is open is cancelled as the settings say."""

    word: ClassVar[str] = "halt"
    state: ClassVar[TradingState] = TradingState.HALTED


class ReduceOnly(_Move):
    """Only what makes positions smaller."""

    word: ClassVar[str] = "reduce-only"
    state: ClassVar[TradingState] = TradingState.REDUCE_ONLY


class Flatten(_Move):
    """Cancel everything, then sell everything."""

    word: ClassVar[str] = "flatten"
    state: ClassVar[TradingState] = TradingState.FLATTENING


class Resume(_Move):
    """Trade again."""

    word: ClassVar[str] = "resume"
    state: ClassVar[TradingState] = TradingState.RUNNING


Move = Halt | ReduceOnly | Flatten | Resume


class Arm(Act):
    """Let real money be traded with this journal."""

    word: ClassVar[str] = "arm"


class Cancel(Act):
    """Cancel orders, by our ids or the broker's numbers, or `all` that are open."""

    word: ClassVar[str] = "cancel"
    orders: list[Annotated[str, Field(min_length=1, max_length=40)]] = Field(
        default=[], max_length=200
    )
    all: bool = False

    @model_validator(mode="after")
    def _something(self) -> "Cancel":
        if bool(self.orders) == self.all:
            raise ValueError("names orders, or all of them: one of the two")
        return self

    @property
    def subject(self) -> str:
        """The orders named."""
        return "all" if self.all else " ".join(self.orders)[:200]


class Submit(Act):
    """One order through the daemon's own gate and limits; `price` in the instrument's currency, at
    market without one.
    """

    word: ClassVar[str] = "submit"
    instrument: str = Field(max_length=40)
    side: Literal["buy", "sell"]
    quantity: int = Field(ge=1, le=1_000_000_000)
    price: (
        Annotated[Decimal, Field(gt=0, max_digits=20, allow_inf_nan=False, strict=False)] | None
    ) = None
    time_in_force: Literal["day", "ioc", "fok"] = "day"
    owner: Literal["operator", "script"] = "operator"

    @field_validator("instrument")
    @classmethod
    def _known(cls, value: str) -> str:
        return parse_instrument(value)

    @field_validator("price", mode="before")
    @classmethod
    def _exact(cls, value: object) -> object:
        if isinstance(value, float | bool):
            raise ValueError('must be exact: write it as text, such as "71000"')
        return value

    @property
    def subject(self) -> str:
        """The order in words."""
        price = "market" if self.price is None else f"{self.price}"
        return f"{self.side} {self.quantity} {self.instrument} at {price}"

    @property
    def bought_or_sold(self) -> Side:
        """The side, as the core knows it."""
        return Side(self.side)

    @property
    def lasting(self) -> TimeInForce:
        """How long it may wait, as the core knows it."""
        return TimeInForce(self.time_in_force)


assert (OPERATOR, SCRIPT) == ("operator", "script"), "owners are named as the core does"


class SwitchStrategy(Act):
    """Start, stop or reload one strategy; `orders` is what becomes of its open ones when it ends,
    by default what the daemon does with them when it stops.
    """

    word: ClassVar[str] = "strategies"
    strategy: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    do: Literal["start", "stop", "reload"]
    orders: Literal["cancel", "leave"] | None = None

    @property
    def name(self) -> str:
        """With what is done to it."""
        return f"{self.word} {self.do}"

    @property
    def subject(self) -> str:
        """Which one."""
        return self.strategy


class Accept(Act):
    """Take over the broker's books: all of them, or of one `subject` that differs."""

    word: ClassVar[str] = "discrepancies accept"
    about: str | None = Field(default=None, min_length=1, max_length=80)

    @property
    def subject(self) -> str:
        """What is taken over."""
        return self.about or "all"


AnyAct = Move | Arm | Cancel | Submit | SwitchStrategy | Accept

ACTS: Mapping[str, type[AnyAct]] = {
    "halt": Halt,
    "reduce-only": ReduceOnly,
    "flatten": Flatten,
    "resume": Resume,
    "arm": Arm,
    "cancel": Cancel,
    "submit": Submit,
    "strategies": SwitchStrategy,
    "discrepancies": Accept,
}
"""Every act by the last word of its path."""


def act_of(word: str, body: object) -> AnyAct:
    """The act a request's body words; raises `ControlError` naming the field and the fix."""
    kind = ACTS[word]
    if not isinstance(body, dict):
        raise ControlError("BAD_BODY", "the body is not a JSON object", fix="send {…}", status=400)
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(map(str, first["loc"]))
        known = ", ".join(kind.model_fields)
        if first["type"] == "extra_forbidden":
            raise ControlError(
                "UNKNOWN_FIELD",
                f"{name[:40]} is no field of {word}",
                field=name[:40],
                fix=f"remove it; known here: {known}",
                status=400,
            ) from None
        problem = str(first["msg"]).removeprefix("Value error, ")
        raise ControlError(
            "BAD_FIELD",
            problem,
            field=name,
            fix=f"correct it; known here: {known}",
            status=400,
        ) from None


class Control(Protocol):
    """What the daemon lets be seen and done. Raises `ControlError` for what is refused, and
    `Fatal` where nothing can go on.
    """

    def see(self, view: View, asked: Mapping[str, str]) -> Mapping[str, Any]:
        """How things stand, ready for JSON. Never waits."""

    async def act(self, act: AnyAct, caller: Caller) -> Done:
        """Do it once, however often it is asked for."""
