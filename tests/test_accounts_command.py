"""`check_accounts.py` from its command line: several accounts, both countries, one that is bad."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import check_accounts
from daemon import accounts_command, cli
from daemon.config import Settings, load_settings
from daemon.core.errors import BadData, NeedsOperator, Refused, TradingError, TryLater
from daemon.faults import SettingsError
from tests.sim.rig import QUIET, live
from tests.test_log import restored

ROOT = Path(__file__).parents[1]
KEY, SECRET, OTHER_KEY = "PSKEYOFTHEFIRST", "SECRETOFTHEFIRSTKEY", "PSKEYOFTHEOTHER"
FIRST, SAME_KEY, OWN_KEY = "11111111-01", "11111111-22", "22222222-01"

SECRETS = f"""
real:
  kis_app_key: {KEY}
  kis_app_secret: {SECRET}
  kis_account: "{FIRST}"
  kis_more_accounts:
    - kis_account: "{SAME_KEY}"
    - {{kis_account: "{OWN_KEY}", kis_app_key: {OTHER_KEY}, kis_app_secret: {SECRET}}}
    - kis_account: "다른 계좌"
"""


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(ROOT)
    for name in list(os.environ):
        if name.startswith("KIS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nonexistent")
    with restored():
        yield


def settings_with(root: Path, text: str, mode: str = "real") -> Settings:
    (root / "config").mkdir(exist_ok=True)
    for name in ("holidays", "real", "sim", "virtual"):
        (root / "config" / f"{name}.yaml").write_bytes(
            (ROOT / "config" / f"{name}.yaml").read_bytes()
        )
    secrets = root / "config" / "secrets.yaml"
    secrets.write_text(text, encoding="utf-8")
    secrets.chmod(0o600)
    return load_settings(mode, environ={}, root=root)


def test_further_accounts_come_from_the_secrets_with_or_without_keys(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, SECRETS)
    assert settings.accounts == (FIRST, SAME_KEY, OWN_KEY)
    keys = [settings.at(each).app_key.get_secret_value() for each in settings.accounts]
    assert keys == [KEY, KEY, OTHER_KEY]
    assert {OTHER_KEY, SAME_KEY, OWN_KEY.replace("-", "")} <= set(settings.secrets())
    assert settings.at(OWN_KEY).shared_dir != settings.at(SAME_KEY).shared_dir
    # Nobody's keys are shown to the simulator we bring along.
    assert settings_with(tmp_path, SECRETS, "sim").more_accounts == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("real: {kis_more_accounts: 5}", "real.kis_more_accounts"),
        ("real: {kis_more_accounts: [{kis_acount: 1}]}", "did you mean 'kis_account'"),
        ("real: {kis_more_accounts: [{kis_account: 123}]}", "8 digits"),
        (f"real: {{kis_more_accounts: [{{kis_app_key: {KEY}}}]}}", "the number of the account"),
        (
            f"real: {{kis_more_accounts: [{{kis_account: {OWN_KEY}, kis_app_key: {KEY}}}]}}",
            "both an app key and an app secret",
        ),
    ],
)
def test_what_is_wrong_with_them_is_told_without_a_secret(
    text: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_with(tmp_path, text)
    assert words in str(caught.value)
    assert KEY not in str(caught.value)


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_both_countries_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ("--data-dir", str(tmp_path))
    numbers = ("--account", "12345678-01", "--account", "1234567822")
    assert check_accounts.main([*place, *numbers, "--json"]) == cli.EXIT_OK
    told = shown(capsys)
    assert [each["account"] for each in told["accounts"]] == ["12****78-01", "12****78-22"]
    for each in told["accounts"]:
        assert each["cash"] == {"KRW": "100000000", "USD": "100000.000000"}
        assert each["problems"] == {}
    assert check_accounts.main([*place, "--markets", "KR", "--json"]) == cli.EXIT_OK
    (account,) = shown(capsys)["accounts"]
    assert account["cash"] == {"KRW": "100000000"}
    assert check_accounts.main([*place]) == cli.EXIT_OK
    text = capsys.readouterr().out
    assert "100,000,000 KRW" in text
    assert "100,000.00 USD" in text
    assert check_accounts.main(["--account", "12"]) == cli.EXIT_USAGE


def test_one_bad_account_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play() -> int:
        async with live(listings=QUIET) as simulator:
            server = simulator.server
            config = tmp_path / "more.yaml"
            config.write_text(
                f"rest_url: {server.rest_url}\nws_url: {server.ws_url}\n"
                f"shared_root: {tmp_path / 'shared'}\n"
            )
            words = ["--config", str(config), "--data-dir", str(tmp_path), "--json"]
            words += ["--account", "99999999-01", "--account", "12345678-01"]
            return await asyncio.to_thread(check_accounts.main, words)

    assert asyncio.run(play()) == cli.EXIT_NEEDS_OPERATOR
    bad, good = shown(capsys)["accounts"]
    assert (bad["account"], bad["cash"]) == ("99****99-01", {})
    assert "INVALID_CHECK_ACNO" in bad["problems"]["KR"]
    # US markets do not live there: no dollars is an answer, too.
    assert good["cash"]["KRW"] == "100000000"
    assert good["problems"] == {}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TryLater("X", "busy", delay=1.0), cli.EXIT_UNAVAILABLE),
        (BadData("odd"), cli.EXIT_NEEDS_OPERATOR),
        (Refused("X", "no"), cli.EXIT_NEEDS_OPERATOR),
        (NeedsOperator("keys"), cli.EXIT_NEEDS_OPERATOR),
    ],
)
def test_exit_codes_tell_what_passes_by_itself(error: TradingError, code: int) -> None:
    assert accounts_command.exit_code(error) == code
