"""No value of a secret in any form, and no half of one."""

import base64
import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.logs.redaction import (
    DEPTH_LIMIT,
    MASK,
    SECRET_LEAST,
    SECRETS_LIMIT,
    TEXT_LIMIT,
    Redactor,
    bounded,
    mask_account,
)

KEYS = st.text("ABCDEFabcdef0123456789+/=_-\"'\\ %&가나", min_size=12, max_size=60).filter(
    lambda text: len(set(text)) > 5
)
NAMES = st.sampled_from(["note", "cause", "raw", "url", "deep", "x"])
SECRET_NAMES = st.sampled_from(
    ["appkey", "app_key", "APP-SECRET", "Authorization", "token", "access_token", "htsId", "iv"]
)


def forms(secret: str) -> set[str]:
    """How libraries and encoders write it."""
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    }


def nested(inner: Any, depth: int, name: str) -> Any:
    for level in range(depth):
        inner = {name: inner} if level % 2 else [inner, (inner,)]
    return inner


@given(KEYS, st.text(max_size=30), st.integers(0, DEPTH_LIMIT + 1), NAMES)
def test_a_value_is_found_in_every_form_and_at_every_depth(
    secret: str, around: str, depth: int, name: str
) -> None:
    redactor = Redactor([secret])
    for form in forms(secret):
        text = f"{around}{form}{around}"
        told = redactor.plain(nested({name: text, text: 1}, depth, name))
        out = redactor.text(orjson.dumps(told).decode())
        for each in forms(secret):
            assert each not in out


@given(SECRET_NAMES, st.text("abcxyz0123456789", min_size=1, max_size=20), st.integers(0, 3))
def test_a_value_by_a_secret_name_is_never_shown_however_short(
    name: str, value: str, depth: int
) -> None:
    told = Redactor().plain(nested({name: value}, depth, "outer"))
    assert orjson.dumps(MASK) in orjson.dumps(told)
    assert f'"{value}"'.encode() not in orjson.dumps(told)


@given(st.from_regex(r"[0-9]{8}-[0-9]{2}", fullmatch=True))
def test_an_account_shows_four_digits_and_its_product_in_every_spelling(account: str) -> None:
    redactor = Redactor([account, account.replace("-", ""), account[:8]])
    spellings = [account, account.replace("-", ""), account[:8]]
    for spelling in spellings:
        out = redactor.text(f"of {spelling}: no")
        assert account[:8] not in out
        assert out == f"of {mask_account(spelling)}: no"
    assert redactor.plain({"account": account}) == {"account": mask_account(account)}
    assert redactor.plain(int(account[:8]) if account[0] != "0" else account[:8]) != account[:8]


@given(KEYS, st.integers(TEXT_LIMIT - 80, TEXT_LIMIT + 5))
def test_a_cut_shows_no_part_of_a_secret(secret: str, before: int) -> None:
    told = Redactor([secret]).plain("·" * before + secret)
    assert secret[:6] not in told


def test_short_values_are_left_to_their_keys() -> None:
    assert Redactor(["x" * (SECRET_LEAST - 1)]).text("xxxxxxxx") == "xxxxxxxx"


def test_secrets_learnt_are_bounded_and_the_newest_are_kept() -> None:
    redactor = Redactor()
    for number in range(SECRETS_LIMIT * 2):
        redactor.add(f"token-number-{number}")
    newest = f"token-number-{SECRETS_LIMIT * 2 - 1}"
    assert redactor.text(newest) == MASK
    assert redactor.text("token-number-0 ") == "token-number-0 "


@given(
    st.lists(KEYS, min_size=1, max_size=5),
    st.lists(KEYS, max_size=5),
    st.integers(0, SECRETS_LIMIT),
)
def test_what_the_settings_hold_is_never_forgotten_however_much_is_learnt(
    told: list[str], learnt: list[str], before: int
) -> None:
    redactor = Redactor(told)
    tokens = [f"token-number-{number}" for number in range(SECRETS_LIMIT + 20)]
    redactor.add(*tokens[:before])
    redactor.add(*learnt, *told)
    redactor.add(*tokens[before:])
    for secret in told:
        for form in (secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]):
            assert redactor.text(f"about {form}.") == f"about {MASK}."


def test_more_settings_than_are_learnt_are_all_kept_and_tokens_beside_them() -> None:
    told = [f"key-number-{number}-" for number in range(SECRETS_LIMIT + 1)]
    redactor = Redactor(told)
    redactor.add("token-number-1")
    said = [*told, "token-number-1"]
    assert redactor.text(" ".join(said)) == " ".join([MASK] * len(said))


@pytest.mark.parametrize("value", [Decimal("1.50"), 3, None, True, 1.5])
def test_ordinary_values_stay(value: object) -> None:
    expected = str(value) if isinstance(value, Decimal) else value
    assert Redactor(["a-secret-value"]).plain(value) == expected


def test_a_long_text_says_how_long_it_was() -> None:
    assert bounded("x" * 30, 10) == "x" * 10 + "… (30 characters)"


def test_credentials_in_basic_form_are_masked_by_their_header() -> None:
    coded = base64.b64encode(b"user:password").decode()
    assert coded not in str(Redactor().plain({"Authorization": f"Basic {coded}"}))
