from daemon.core.errors import TryLater
from daemon.kis.link import HttpRequest, HttpResponse, NotSent, lone_error


def test_a_lone_error_comes_out_of_its_groups() -> None:
    cause = ValueError("x")
    assert lone_error(ExceptionGroup("a", [ExceptionGroup("b", [cause])])) is cause
    two = ExceptionGroup("a", [cause, KeyError("y")])
    assert lone_error(two) is two


def test_what_was_not_sent_may_be_tried_later() -> None:
    assert isinstance(NotSent("refused"), TryLater)


def test_nothing_secret_is_printed() -> None:
    request = HttpRequest(
        method="POST", path="/p", headers=(("appkey", "SECRET"),), query=(("q", "SECRET"),),
        body=b"SECRET",
    )  # fmt: skip
    response = HttpResponse(status=200, headers={"h": "SECRET"}, body=b"SECRET")
    assert "SECRET" not in repr((request, response))
