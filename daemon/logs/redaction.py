"""What keeps secrets out of lines: by the name of a key, and by exact value anywhere."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
TEXT_LIMIT = 2_000
ITEM_LIMIT = 50
DEPTH_LIMIT = 5
SECRET_LEAST = 6
"""Shorter values cannot be told from ordinary text; they are masked by their key alone."""
SECRETS_LIMIT = 500
"""Forms of values learnt while running that are remembered."""

_SECRET_KEYS = frozenset(
    {
        *("appkey", "appsecret", "secretkey", "secret", "apikey", "password", "htsid"),
        *("token", "accesstoken", "approvalkey", "authorization", "iv", "aeskey", "aesiv"),
    }
)
_ACCOUNT_KEYS = frozenset({"account", "accountid", "accountnumber"})
_ACCOUNT = re.compile(r"(\d{2})\d{4}(\d{2})((?:-?\d{2})?)")


def mask_account(account: str) -> str:
    """`"12****78-01"` of `"12345678-01"`; anything that is no account number becomes `***`."""
    match = _ACCOUNT.fullmatch(account)
    return f"{match[1]}****{match[2]}{match[3]}" if match else MASK


class Redactor:
    """Replaces secrets by key name, and by exact value anywhere in a text.

    The `secrets` given at first are kept for ever.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._kept = frozenset(form for secret in secrets for form in _forms(secret))
        self._learnt: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None
        self.add()

    def add(self, *secrets: str) -> None:
        """Remember more values, such as a token just issued. The oldest of these give way at the
        limit.
        """
        for secret in secrets:
            for form in _forms(secret):
                self._learnt.pop(form, None)
                self._learnt[form] = None
        while len(self._learnt) > SECRETS_LIMIT:
            del self._learnt[next(iter(self._learnt))]
        longest_first = sorted(self._kept | self._learnt.keys(), key=len, reverse=True)
        self._pattern = (
            re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        )

    def text(self, text: str) -> str:
        """`text` without any of the values, and writable as UTF-8."""
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: mask_account(match[0]), text)

    def plain(self, value: object, *, key: str = "", depth: int = 0) -> Any:
        """`value` as JSON types, redacted and bounded; `key` is the name it goes by."""
        name = "".join(character for character in key.lower() if character.isalnum())
        if name in _SECRET_KEYS and value:
            return MASK
        if name in _ACCOUNT_KEYS and isinstance(value, str):
            return mask_account(value)
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, Enum):
            return self.plain(value.value, depth=depth)
        if isinstance(value, int):
            text = self.text(str(value))
            return int(value) if text == str(value) and abs(value) < 2**53 else text
        if isinstance(value, str):
            return bounded(self.text(value), TEXT_LIMIT)
        if isinstance(value, datetime | date):
            return value.isoformat()
        if isinstance(value, Decimal):
            return self.text(str(value))
        if depth >= DEPTH_LIMIT:
            return "…"
        return self._compound(value, depth + 1)

    def _compound(self, value: object, depth: int) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return self._mapping({f.name: getattr(value, f.name) for f in fields(value)}, depth)
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return self._mapping(value._asdict(), depth)
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            items = list(value)
            kept = [self.plain(item, depth=depth) for item in items[:ITEM_LIMIT]]
            return (
                kept if len(items) <= ITEM_LIMIT else [*kept, f"… {len(items) - ITEM_LIMIT} more"]
            )
        if isinstance(value, bytes | bytearray):
            return bounded(self.text(bytes(value).decode("utf-8", "replace")), TEXT_LIMIT)
        return bounded(self.text(str(value)), TEXT_LIMIT)

    def _mapping(self, mapping: Mapping[Any, object], depth: int) -> dict[str, Any]:
        return {
            bounded(self.text(str(key)), 100): self.plain(value, key=str(key), depth=depth)
            for key, value in list(mapping.items())[:ITEM_LIMIT]
        }


def _forms(secret: str) -> Sequence[str]:
    """How libraries quote it in addresses and by repr() before we ever see the text."""
    if len(secret) < SECRET_LEAST:
        return ()
    return secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]


def bounded(text: str, limit: int) -> str:
    """`text`, or as much of it as `limit` allows. Only ever called on redacted text."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
