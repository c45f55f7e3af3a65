from datetime import timedelta
from random import Random

import pytest

from daemon.sim.keys import KeyOffice, TokenState, TooSoon
from tests.sim.rig import OPEN


def office() -> KeyOffice:
    return KeyOffice(Random(1), 60.0)


def test_the_same_token_for_six_hours_but_only_once_a_minute() -> None:
    keys = office()
    first = keys.issue_token(OPEN)
    with pytest.raises(TooSoon):
        keys.issue_token(OPEN + timedelta(seconds=59))
    assert keys.issue_token(OPEN + timedelta(hours=5, minutes=58)) is first
    second = keys.issue_token(OPEN + timedelta(hours=6))
    assert second.text != first.text
    assert keys.tokens_issued == 2
    assert keys.check_token(first.text, OPEN + timedelta(hours=23)) is TokenState.VALID
    assert keys.check_token(first.text, OPEN + timedelta(hours=24)) is TokenState.EXPIRED


def test_forced_expiry_makes_the_next_issue_a_new_one() -> None:
    keys = office()
    first = keys.issue_token(OPEN)
    keys.expire_tokens(OPEN)
    assert keys.check_token(first.text, OPEN) is TokenState.EXPIRED
    assert keys.issue_token(OPEN + timedelta(minutes=1)).text != first.text


def test_a_revoked_token_is_unknown() -> None:
    keys = office()
    token = keys.issue_token(OPEN)
    keys.revoke(token.text)
    keys.revoke("never issued")
    assert keys.check_token(token.text, OPEN) is TokenState.UNKNOWN


def test_approval_keys_age_and_cipher_pairs_have_their_lengths() -> None:
    keys = office()
    approval = keys.issue_approval(OPEN)
    assert len(approval) == 36
    assert keys.knows_approval(approval, OPEN + timedelta(hours=23))
    assert not keys.knows_approval(approval, OPEN + timedelta(hours=24))
    key, iv = keys.cipher_pair()
    assert (len(key), len(iv)) == (32, 16)


def test_the_same_seed_gives_the_same_keys() -> None:
    assert office().issue_approval(OPEN) == office().issue_approval(OPEN)
