"""`python -m daemon api`: every kind of answer, against a simulator of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import __main__ as program
from daemon import cli
from daemon.store.handlog import BY_HAND
from tests.test_log import restored

ROOT = Path(__file__).parents[1]
PRICE = ("domestic_stock.inquire_price", "fid_cond_mrkt_div_code=J", "fid_input_iscd=005930")
BUY = ("PDNO=005930", "ORD_DVSN=01", "ORD_QTY=1", "ORD_UNPR=0", "EXCG_ID_DVSN_CD=KRX")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(ROOT)
    for name in list(os.environ):
        if name.startswith("KIS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nonexistent")
    with restored():
        yield


def api(*words: str) -> int:
    return program.main(["api", *words])


def test_the_program_names_its_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--help"]) == 0
    assert "api" in capsys.readouterr().out
    assert program.main([]) == program.main(["nothing"]) == 2
    assert "api" in capsys.readouterr().err


def test_search_finds_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert api("search", "공매도") == 0
    out = capsys.readouterr().out
    assert "domestic_stock.daily_short_sale" in out
    assert "/ 336" in out
    assert api("search", "체결", "--category", "overseas_stock", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["id"].partition(".")[0] for each in found} == {"overseas_stock"}
    assert api("search", "그런것은없다") == 1


def test_show_tells_all_of_a_call_and_of_a_channel(capsys: pytest.CaptureFixture[str]) -> None:
    assert api("show", "domestic_stock.order_cash") == 0
    out = capsys.readouterr().out
    for word in ("주식주문(현금)", "지정가", "POST", "order-cash"):
        assert word in out
    assert api("show", "domestic_stock.inquire_price", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parameters"][0]["values"]["J"] == "KRX"
    assert {"name": "stck_prpr", "label": "주식 현재가", "kind": "price"} in told["fields"]
    assert api("show", "domestic_stock.ccnl_krx") == 0
    assert "주식현재가" in capsys.readouterr().out.replace(" ", "")
    assert api("show", "domestic_stock.ccnl_krx", "--json") == 0
    assert json.loads(capsys.readouterr().out)["subject"] == "stock"
    assert api("show", "nothing.like_it") == cli.EXIT_USAGE


def test_a_call_prints_a_table_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ("--data-dir", str(tmp_path))
    assert api("call", *place, *PRICE) == 0
    assert "주식 현재가" in capsys.readouterr().out
    assert api("call", *PRICE, *place, "--json", "--fields", "STCK_PRPR,per") == 0
    told = json.loads(capsys.readouterr().out)
    (row,) = told["outputs"]["output"]
    assert set(row) == {"stck_prpr", "per"}
    assert told["complete"] is True


def test_pages_are_followed_with_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["call", "domestic_bond.avg_unit", "--data-dir", str(tmp_path)]
    words += ["INQR_STRT_DT=20260101", "INQR_END_DT=20260102", "PRDT_TYPE_CD=302"]
    words += ["VRFC_KIND_CD=00"]
    assert api(*words) == 0
    shown = capsys.readouterr()
    assert "output1 (5)" in shown.out
    assert "--all-pages" in shown.err
    assert api(*words, "--all-pages", "--json", "--labels") == 0
    shown = capsys.readouterr()
    rows = json.loads(shown.out)["outputs"]["output1"]
    assert len(rows) == 15
    assert "평가일자" in rows[0]
    assert "3 쪽" in shown.err
    assert api(*words, "--all-pages", "--limit", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["complete"] is False


def test_bad_calls_say_what_is_allowed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    place = ("--data-dir", str(tmp_path))
    assert api("call", *place, "domestic_stock.inquire_price", "fid_input_iscd=005930") == 2
    assert "FID_COND_MRKT_DIV_CODE" in capsys.readouterr().err
    assert api("call", *PRICE, "stray") == 2
    assert api("call", "domestic_stock.ccnl_krx") == 2
    assert api("call", *PRICE, "--limit", "0") == 2
    assert api("call") == 2
    assert api("call", "nothing.like_it") == 2
    assert api("call", *place, *PRICE, "--tr-id", "WRONG") == 2
    capsys.readouterr()
    assert api("call", *place, "domestic_stock.inquire_price", "fid_cond_mrkt_div_code=J",
               "fid_input_iscd=999999") == 1  # fmt: skip
    assert "거절" in capsys.readouterr().err


def unjudged(folder: Path, more: str = "") -> tuple[str, ...]:
    """The flags of one who sends orders that no limit judges."""
    file = folder / "more.yaml"
    file.write_text(f"risk: {{unjudged_calls: true}}\n{more}\n")
    return ("--data-dir", str(folder), "--config", str(file))


def test_an_order_needs_a_word_and_is_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("call", "domestic_stock.order_cash", "ord_dv=buy", *BUY, *unjudged(tmp_path))
    assert api(*words) == 2
    assert "--send-order" in capsys.readouterr().err
    by_hand = tmp_path / "sim" / BY_HAND
    assert not by_hand.exists()
    assert api(*words, "--send-order", "--json") == 0
    number = json.loads(capsys.readouterr().out)["outputs"]["output"][0]["ODNO"]
    sent, answered = map(json.loads, by_hand.read_text().splitlines())
    assert (sent["what"], sent["PDNO"], answered["what"]) == ("sending", "005930", "answered")
    assert int(number) > 0
    # On real money nothing goes without the settings of real trading.
    assert api(*words, "--send-order", "--mode", "real") == cli.EXIT_NEEDS_OPERATOR


def test_an_order_that_no_limit_judges_is_refused_and_names_what_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("call", "domestic_stock.order_cash", "ord_dv=buy", *BUY, "--data-dir", str(tmp_path))
    assert api(*words, "--send-order") == cli.EXIT_CRASH
    told = capsys.readouterr().err
    assert "place_order" in told
    assert "risk.unjudged_calls" in told
    assert not (tmp_path / "sim" / BY_HAND).exists()


def test_an_order_by_the_catalogue_stops_at_the_kill_switch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("call", "domestic_stock.order_cash", "ord_dv=buy", *BUY, *unjudged(tmp_path))
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim" / "KILL").write_text("HALTED\nlunch\n")
    assert api(*words, "--send-order") == cli.EXIT_CRASH
    assert "lunch" in capsys.readouterr().err
    assert not (tmp_path / "sim" / BY_HAND).exists()


def test_a_setting_sends_the_deprecated_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = unjudged(tmp_path, "api: {older_ids: true}")
    words = ("call", "domestic_stock.order_cash", "ord_dv=buy", *BUY, "--send-order", "--json")
    assert api(*words, *place) == 0
    assert json.loads(capsys.readouterr().out)["tr_id"] == "TTTC0802U"


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "daemon", "api", "search", "휴장일"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    assert "chk_holiday" in done.stdout
