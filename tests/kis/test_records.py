"""Records: rows by the names of their columns, and of our account only."""

import pytest

from daemon.core.errors import BadData
from daemon.core.values import InstrumentId, Record
from daemon.kis.channels import channel_of
from daemon.kis.frames import FrameDecoder, NoticeCipher
from daemon.kis.records import own_row, record
from tests.kis.fakes import ACCOUNT, IV, KEY, SAMSUNG, sealed
from tests.kis.fuzzing import plausible_row
from tests.kis.test_channels import RECEIVED

DIGITS = ACCOUNT.replace("-", "")


def test_a_row_is_read_by_its_columns() -> None:
    channel = channel_of("H0STNAV0")
    row = ["069500", "35123.45", "2", "12.3", "0.04", "35100", "35200", "35000"]
    found = record(row, channel, RECEIVED)
    assert found == Record(
        channel="etfetn.etf_nav_trend",
        instrument=InstrumentId("krx:069500"),
        key="069500",
        columns=channel.columns,
        values=tuple(row),
        received_at=RECEIVED,
    )
    assert (found["NAV"], found["LPRC_NAV"]) == ("35123.45", "35000")
    with pytest.raises(KeyError):
        found["nothing"]


def test_korean_texts_are_kept_as_they_are() -> None:
    row = plausible_row(channel_of("H0STMBC0"))
    row[1] = "모간 서울"
    text = f"0|H0STMBC0|001|{'^'.join(row)}"
    (found,) = FrameDecoder(ACCOUNT).decode(text, RECEIVED)
    assert isinstance(found, Record)
    assert (found["SELN2_MBCR_NAME1"], found.instrument) == ("모간 서울", SAMSUNG)


def test_a_shorter_layout_has_fewer_columns() -> None:
    channel = channel_of("H0ZFANC0")
    found = record(plausible_row(channel)[:7], channel, RECEIVED)
    assert found.columns == channel.columns[:7]
    with pytest.raises(KeyError):
        found["ANTC_CNQN"]


@pytest.mark.parametrize(
    ("tr_id", "field"), [("H0STPGM0", "MKSC_SHRN_ISCD"), ("H0UPCNT0", "BSTP_CLS_CODE")]
)
def test_a_row_about_nothing_names_its_first_column(tr_id: str, field: str) -> None:
    channel = channel_of(tr_id)
    row = ["00 1", *plausible_row(channel)[1:]]
    with pytest.raises(BadData) as found:
        record(row, channel, RECEIVED)
    assert found.value.field == field


@pytest.mark.parametrize("tr_id", ["H0IFCNI0", "H0MFCNI0", "H0EUCNI0", "HDFFF1C0", "HDFFF2C0"])
def test_personal_rows_are_about_a_contract_and_of_our_account_only(tr_id: str) -> None:
    channel, reading = channel_of(tr_id), FrameDecoder(ACCOUNT)
    own = plausible_row(channel)
    at = next(n for n, name in enumerate(channel.columns) if name in ("ACNT_NO", "ACCT_NO"))
    other = [*own[:at], "9999999999", *own[at + 1 :]]
    text = "^".join([*own, *other, *own])
    found = reading.decode(f"0|{tr_id}|003|{text}", RECEIVED)
    assert [type(each) for each in found] == [Record, Record]
    assert reading.stats.foreign == 1
    (first, _) = found
    assert isinstance(first, Record)
    assert first.instrument == f"derivative:{first.key}"
    assert first.key in (first.values[7], first.values[5])


def test_a_customers_id_in_front_is_taken_off() -> None:
    channel = channel_of("HDFFF2C0")
    listed = plausible_row(channel)
    listed[0] = DIGITS
    assert own_row(["htsid001", *listed], channel, DIGITS) == listed
    assert own_row(listed, channel, DIGITS) == listed
    assert own_row(["htsid001", "1111111101", *listed[1:]], channel, DIGITS) is None


def test_a_sealed_channel_of_records_is_opened() -> None:
    text = sealed("H0IFCNI0", "^".join(plausible_row(channel_of("H0IFCNI0"))))
    (found,) = FrameDecoder(ACCOUNT).decode(text, RECEIVED, NoticeCipher(KEY, IV))
    assert isinstance(found, Record)
    with pytest.raises(BadData, match="no key"):
        FrameDecoder(ACCOUNT).decode(text, RECEIVED)
