"""Rows of channels without a type of their own, read by the names of their columns."""

from collections.abc import Sequence
from datetime import datetime

from daemon.core.errors import BadData
from daemon.core.values import Record
from daemon.kis.channels import Channel, Subject, instrument_on

_ACCOUNT_COLUMNS = ("ACNT_NO", "ACCT_NO")
_CONTRACT_COLUMNS = ("STCK_SHRN_ISCD", "SERIES")


def record(row: Sequence[str], channel: Channel, received_at: datetime) -> Record:
    """One row as a record; raises `BadData` when it is about nothing that can be named."""
    columns = channel.columns[: len(row)]
    at = 0
    if channel.subject is Subject.CUSTOMER:
        at = _position(channel, _CONTRACT_COLUMNS)
    key = row[at].strip()
    try:
        instrument = instrument_on(channel, key)
    except ValueError as error:
        raise BadData(str(error), field=columns[at], raw=key) from None
    return Record(
        channel=channel.id,
        instrument=instrument,
        key=key,
        columns=columns,
        values=tuple(row[: len(columns)]),
        received_at=received_at,
    )


def own_row(row: Sequence[str], channel: Channel, account: str) -> Sequence[str] | None:
    """A row of a personal channel that is about `account` (digits only), else `None`.

    The sample of one such channel has the customer's id in front of the listed columns: it is
    taken off.
    """
    at = _position(channel, _ACCOUNT_COLUMNS)
    if row[at].strip() == account:
        return row
    if len(row) > channel.known and row[at + 1].strip() == account:
        return row[1:]
    return None


def _position(channel: Channel, names: Sequence[str]) -> int:
    return next(channel.columns.index(name) for name in names if name in channel.columns)
