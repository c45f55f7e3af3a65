"""How long a strategy may hold the loop: one step, and all steps of a stretch of time together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeBudget:
    """The most seconds one step may take, and the most of any `window` seconds all may take.

    `None` allows any length, or any share. Windows follow one another: a load that begins in the
    middle of one is judged with the next at the latest.
    """

    max_step_seconds: float | None = None
    max_share: float | None = None
    window_seconds: float = 60.0


class StepMeter:
    """Adds up the seconds that one strategy's steps hold the loop. Read, never reset."""

    __slots__ = ("_budget", "_in_window", "_window_ends", "held", "longest", "over", "steps")

    def __init__(self, budget: TimeBudget) -> None:
        self.held = 0.0
        self.longest = 0.0
        self.steps = 0
        self.over = ""
        """What it exceeded, empty while it keeps its budget."""
        self._budget = budget
        self._in_window = 0.0
        self._window_ends = float("-inf")

    def forgive(self) -> None:
        """Begin anew with its budget; what it held is kept."""
        self.over = ""
        self._in_window = 0.0

    def add(self, began: float, ended: float, *, elsewhere: float = 0.0) -> None:
        """A step held the loop between two monotonic seconds.

        `elsewhere` of them went to what is not the strategy's own doing, such as the journal.
        """
        held = max(ended - began - elsewhere, 0.0)
        self.steps += 1
        self.held += held
        if held > self.longest:
            self.longest = held
        if ended >= self._window_ends:
            self._window_ends = ended + self._budget.window_seconds
            self._in_window = 0.0
        self._in_window += held
        if not self.over:
            self.over = self._excess(held)

    def _excess(self, held: float) -> str:
        budget = self._budget
        if budget.max_step_seconds is not None and held > budget.max_step_seconds:
            return f"one step held the loop for {held:.3f} s of {budget.max_step_seconds:g} s"
        if budget.max_share is None:
            return ""
        most = budget.max_share * budget.window_seconds
        if self._in_window > most:
            return (
                f"its steps held the loop for {self._in_window:.3f} s of {most:g} s "
                f"within {budget.window_seconds:g} s"
            )
        return ""
