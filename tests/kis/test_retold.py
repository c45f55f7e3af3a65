import orjson
import pytest

from daemon.core.values import Region
from daemon.kis import replies
from daemon.kis.replies import Reply
from daemon.kis.retold import Retold
from tests.kis.fakes import reply, response

DAY = 86400.0


def taken(number: object, time: object) -> Reply:
    body = orjson.loads(reply("order_cash_ok").body)
    body["output"] |= {"ODNO": number, "ORD_TMD": time}
    return replies.order_reply(response(body))


def came_before(first: Reply, second: Reply, after: float, region: Region = Region.KR) -> bool:
    retold = Retold()
    assert not retold.came_before(Region.KR, first, 100.0)
    return retold.came_before(region, second, 100.0 + after)


@pytest.mark.parametrize("after", [0.0, DAY, 4 * DAY])
@pytest.mark.parametrize("number", ["0000000007", "7"])
def test_a_reply_is_known_again_by_number_and_time(number: str, after: float) -> None:
    assert came_before(taken("7", "090001"), taken(number, "090001"), after)


def test_what_is_told_again_and_again_is_never_new() -> None:
    retold, seven = Retold(), taken("7", "090001")
    told = [retold.came_before(Region.KR, seven, day * DAY) for day in range(0, 30, 5)]
    assert told == [False, *[True] * 5]


@pytest.mark.parametrize(
    ("second", "after"),
    [
        (taken("8", "090001"), 0.0),
        (taken("7", "090002"), DAY),
        (taken("7", "090001"), 8 * DAY),
    ],
    ids=["another number", "another second", "long ago"],
)
def test_numbers_begin_anew_with_each_day(second: Reply, after: float) -> None:
    assert not came_before(taken("7", "090001"), second, after)


def test_each_region_has_numbers_of_its_own() -> None:
    seven = taken("7", "090001")
    assert not came_before(seven, seven, 0.0, Region.US)


@pytest.mark.parametrize(
    ("number", "time"), [("7", ""), ("7", "9"), ("7", "at nine"), ("7", None), ("", "090001")]
)
def test_a_number_or_a_time_alone_says_nothing(number: str, time: str | None) -> None:
    half = taken(number, time)
    assert not came_before(half, half, 0.0)
