"""Facts that were put away: many rows of a journal as one compressed row."""

import zlib
from collections.abc import Sequence

import orjson

Row = tuple[int, str, str]
"""Sequence, kind and body of a fact."""


def pack(rows: Sequence[Row]) -> bytes:
    """What `unpack` reads back."""
    return zlib.compress(orjson.dumps(rows))


def unpack(packed: bytes) -> list[Row]:
    """Raises `ValueError` for what `pack` did not write."""
    try:
        rows = orjson.loads(zlib.decompress(packed))
    except zlib.error as error:
        raise ValueError(f"these are no facts: {error}") from error
    return [(sequence, kind, body) for sequence, kind, body in rows]
