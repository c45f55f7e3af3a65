"""Pages that lead back are told from those that go on."""

import pytest

from daemon.core.errors import BadData
from daemon.kis.paging import Passed


def test_the_page_just_before_is_no_next_one() -> None:
    passed = Passed()
    for rows in ("1", "2", "1"):
        passed.page({"output1": [rows]})
    with pytest.raises(BadData, match="the same page again"):
        passed.page({"output1": ["1"]})


def test_used_cursors_lead_back_however_long_ago() -> None:
    passed = Passed()
    for position in ("a", "b", ""):
        passed.onward(("search", position))
    with pytest.raises(BadData, match="the same cursors again") as found:
        passed.onward(("search", "a"))
    assert found.value.raw == "a"
