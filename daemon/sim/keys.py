"""Access tokens and stream keys: who gets one, how often, and how long it is good for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from random import Random

TOKEN_LIFE = timedelta(hours=24)
SAME_TOKEN = timedelta(hours=6)


class TokenState(Enum):
    """What a presented token is."""

    VALID = "valid"
    UNKNOWN = "unknown"
    EXPIRED = "expired"


class TooSoon(Exception):
    """A token was issued less than the interval ago: ask again later."""


@dataclass(slots=True)
class Token:
    """An access token; times are simulated."""

    text: str
    issued: datetime
    expires: datetime


class KeyOffice:
    """Issues the tokens and approval keys of one app key, all reproducible from the seed."""

    def __init__(self, rng: Random, token_interval: float) -> None:
        self._rng = rng
        self._interval = timedelta(seconds=token_interval)
        self._tokens: dict[str, Token] = {}
        self._current: Token | None = None
        self._last_issue: datetime | None = None
        self._approvals: dict[str, datetime] = {}
        self.tokens_issued = 0

    def issue_token(self, now: datetime) -> Token:
        """The token of the last six hours again, or else a new one. All times are simulated.

        Raises `TooSoon` inside the interval.
        """
        if self._last_issue is not None and now - self._last_issue < self._interval:
            raise TooSoon
        self._last_issue = now
        current = self._current
        if current is None or now - current.issued >= SAME_TOKEN or now >= current.expires:
            text = f"eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9.SIMULATED.{self._text(96)}"
            current = self._current = Token(text, now, now + TOKEN_LIFE)
            self._tokens[text] = current
            self.tokens_issued += 1
        return current

    def check_token(self, text: str, now: datetime) -> TokenState:
        """Whether `text` opens the door at simulated `now`."""
        token = self._tokens.get(text)
        if token is None:
            return TokenState.UNKNOWN
        return TokenState.VALID if now < token.expires else TokenState.EXPIRED

    def revoke(self, text: str) -> None:
        """Forget a token."""
        self._tokens.pop(text, None)
        if self._current is not None and self._current.text == text:
            self._current = None

    def expire_tokens(self, now: datetime) -> None:
        """Let every token end at simulated `now`."""
        for token in self._tokens.values():
            token.expires = min(token.expires, now)
        self._current = None

    def issue_approval(self, now: datetime) -> str:
        """A new stream key, good for 24 simulated hours."""
        hexed = f"{self._rng.getrandbits(128):032x}"
        key = "-".join((hexed[:8], hexed[8:12], hexed[12:16], hexed[16:20], hexed[20:]))
        self._approvals[key] = now + TOKEN_LIFE
        return key

    def knows_approval(self, key: str, now: datetime) -> bool:
        """Whether a stream key was issued and has not aged."""
        expires = self._approvals.get(key)
        return expires is not None and now < expires

    def cipher_pair(self) -> tuple[str, str]:
        """A fresh AES key (32 characters) and iv (16 characters)."""
        return self._text(32), self._text(16)

    def _text(self, length: int) -> str:
        return "".join(self._rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))
