"""Where the kill switch may be moved, and by whom: nothing loosens but by a person's `resume`."""

from dataclasses import dataclass

from daemon.core.events import Actor, TradingState

_ORDER = (
    TradingState.RUNNING,
    TradingState.REDUCE_ONLY,
    TradingState.HALTED,
    TradingState.FLATTENING,
)
"""From the loosest to the strictest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Move the kill switch to `state`; `RUNNING` is the resume."""

    state: TradingState
    who: Actor
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Where the switch is after a command; `refusal` says why it was not obeyed, or is empty.

    A command for the state the switch is in already is obeyed and changes nothing.
    """

    state: TradingState
    refusal: str = ""

    @property
    def obeyed(self) -> bool:
        """Whether the switch is where the command wanted it."""
        return not self.refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchPolicy:
    """How the switch acts: what a breached loss limit moves it to, whether a halt cancels what is
    open, and whether what is left is sold at market or at the edge of the price collar.

    `chase_seconds` is how long a sale may wait before it follows the price.
    """

    on_loss: TradingState = TradingState.REDUCE_ONLY
    halt_cancels: bool = True
    sell_at_market: bool = False
    chase_seconds: float = 3.0


def strictness(state: TradingState) -> int:
    """A rank: the higher, the stricter."""
    return _ORDER.index(state)


def answer(current: TradingState, command: Command) -> Answer:
    """What becomes of a command."""
    wanted = command.state
    if wanted is current:
        return Answer(state=current)
    if wanted is TradingState.RUNNING:
        if command.who.is_person:
            return Answer(state=wanted)
        return Answer(state=current, refusal="only a person may resume trading")
    if strictness(wanted) > strictness(current):
        return Answer(state=wanted)
    ends_selling = current is TradingState.FLATTENING and wanted is TradingState.HALTED
    if ends_selling and (command.who.is_person or command.who is Actor.SWITCH):
        return Answer(state=wanted)
    return Answer(
        state=current, refusal=f"{wanted} is looser than {current}: resume first, if you mean it"
    )
