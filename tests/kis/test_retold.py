import orjson
import pytest

from daemon.kis import replies
from daemon.kis.replies import Reply
from daemon.kis.retold import Retold
from tests.kis.fakes import reply, response

DAY = 86400.0


def taken(number: object, time: object, branch: str = "06010") -> Reply:
    body = orjson.loads(reply("order_cash_ok").body)
    body["output"] |= {"ODNO": number, "ORD_TMD": time, "KRX_FWDG_ORD_ORGNO": branch}
    return replies.order_reply(response(body))


def came_before(first: Reply, second: Reply, after: float) -> bool:
    retold = Retold()
    assert not retold.came_before(first, 100.0)
    return retold.came_before(second, 100.0 + after)


@pytest.mark.parametrize("after", [0.0, DAY, 4 * DAY])
@pytest.mark.parametrize("number", ["0000000007", "7"])
def test_a_reply_is_known_again_by_number_and_time(number: str, after: float) -> None:
    assert came_before(taken("7", "090001"), taken(number, "090001"), after)


def test_what_is_told_again_and_again_is_never_new() -> None:
    retold, seven = Retold(), taken("7", "090001")
    told = [retold.came_before(seven, day * DAY) for day in range(0, 30, 5)]
    assert told == [False, *[True] * 5]


@pytest.mark.parametrize(
    ("second", "after"),
    [
        (taken("8", "090001"), 0.0),
        (taken("7", "090001", branch="00950"), 0.0),
        (taken("7", "090002"), DAY),
        (taken("7", "090001"), 8 * DAY),
    ],
    ids=["another number", "another branch", "another second", "long ago"],
)
def test_numbers_begin_anew_with_each_day(second: Reply, after: float) -> None:
    assert not came_before(taken("7", "090001"), second, after)


def test_one_told_again_and_again_keeps_no_other_in_mind() -> None:
    retold, first, second = Retold(), taken("7", "090001"), taken("8", "090001")
    for again, day in ((first, 0), (second, 1), (first, 7)):
        retold.came_before(again, day * DAY)
    assert not retold.came_before(second, 9 * DAY)


@pytest.mark.parametrize(
    ("number", "time"), [("7", ""), ("7", "9"), ("7", "at nine"), ("7", None), ("", "090001")]
)
def test_a_number_or_a_time_alone_says_nothing(number: str, time: str | None) -> None:
    half = taken(number, time)
    assert not came_before(half, half, 0.0)
