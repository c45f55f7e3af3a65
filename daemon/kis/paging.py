"""Whether pages that follow one another lead anywhere. Pure."""

from collections.abc import Mapping

from daemon.core.errors import BadData


class Passed:
    """The pages of one inquiry so far. One that leads back would be asked for without end."""

    def __init__(self) -> None:
        self._cursors: set[tuple[str, ...]] = set()
        self._body: Mapping[str, object] | None = None

    def page(self, body: Mapping[str, object]) -> None:
        """Take the next page; raises `BadData` for the one that came just before."""
        if body == self._body:
            raise BadData("the same page again", field="tr_cont")
        self._body = body

    def onward(self, cursors: tuple[str, ...]) -> None:
        """Take the cursors of the page to ask for now; raises `BadData` for used ones."""
        if cursors in self._cursors:
            raise BadData("the same cursors again", field="tr_cont", raw=cursors[-1])
        self._cursors.add(cursors)
