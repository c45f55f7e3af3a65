"""How fast requests may leave after the broker complained of their rate. Pure."""


class Pace:
    """Nobody sends for a while after a rate refusal, and then more slowly until it was calm.

    The gap between two requests doubles with each refusal, from 0.1 s up to 1 s, and halves
    after every ten calm seconds. All times are monotonic seconds.
    """

    LEAST_PAUSE = 1.0
    FIRST_GAP = 0.1
    WIDEST_GAP = 1.0
    CALM = 10.0

    def __init__(self) -> None:
        self._paused_until = 0.0
        self._gap = 0.0
        self._calm_at = 0.0
        self._last_start = float("-inf")

    @property
    def gap(self) -> float:
        """The seconds kept between two requests; 0 while nobody complained."""
        return self._gap

    def refused(self, delay: float, now: float) -> None:
        """The broker refused a request for its rate and asks for `delay` seconds of silence."""
        if now >= self._paused_until:
            # Refusals of requests that were already on their way are one complaint.
            self._gap = min(max(self._gap * 2, self.FIRST_GAP), self.WIDEST_GAP)
        self._paused_until = max(self._paused_until, now + max(delay, self.LEAST_PAUSE))
        self._calm_at = self._paused_until + self.CALM

    def started(self, now: float) -> None:
        """A request leaves."""
        self._last_start = now
        if self._gap and now >= self._calm_at:
            self._gap = self._gap / 2 if self._gap > self.FIRST_GAP else 0.0
            self._calm_at = now + self.CALM

    def ready_at(self) -> float:
        """When the next request may leave."""
        return max(self._paused_until, self._last_start + self._gap)
