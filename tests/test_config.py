"""Settings: layers, and every fault at once without a secret."""

import hashlib
import os
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from daemon.config import Mode, Settings, load_settings, missing_credentials, missing_for_real
from daemon.core.errors import NeedsOperator
from daemon.core.values import Region
from daemon.faults import SettingsError
from daemon.sim import options as simulator

ROOT = Path(__file__).parents[1]
KEY = "PSabcdefghijklmnopqrstuvwxyz01234567"
SECRET = "s3cr3t/" * 20 + "=="
RISK = """
risk:
  max_order_quantity: 10
  max_order_notional: 500000
  max_position_notional: 1000000
  price_collar: 0.03
  max_orders_per_minute: 10
  max_account_exposure: 3000000
  max_open_orders: 20
  max_orders_per_day: 200
  max_price_age_seconds: 180
  max_daily_loss: 100000
  max_drawdown: 200000
"""
KEYS = {
    "KIS_APP_KEY": KEY,
    "KIS_APP_SECRET": SECRET,
    "KIS_ACCOUNT": "12345678-01",
    "KIS_HTS_ID": "someone",
}


def write(root: Path, name: str, text: str, mode: int = 0o600) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def load(
    root: Path, mode: str, environ: Mapping[str, str] | None = None, **overrides: object
) -> Settings:
    chosen = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_settings(mode, chosen, environ=environ or {}, root=root)


def faults(root: Path, mode: str, environ: Mapping[str, str] | None = None, **more: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load(root, mode, environ, **more)
    assert isinstance(caught.value, NeedsOperator)
    assert KEY not in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for mode in Mode:
        write(tmp_path, f"config/{mode}.yaml", "requests_per_second: 5\n")
    return tmp_path


@pytest.mark.parametrize("mode", list(Mode))
def test_the_files_that_come_with_it_are_right(mode: Mode) -> None:
    settings = load_settings(mode, environ={}, root=ROOT)
    assert date(2026, 12, 25) in settings.holidays
    assert settings.on_stop == "cancel"
    assert set(settings.calendars.by_region) == set(Region) - {Region.VN}
    american = {each.id for each in settings.strategies if each.instruments[0][:3] != "krx"}
    assert set(settings.left_out) == american
    assert len(settings.strategy_slots) == len(settings.strategies) - len(american)
    abroad = load_settings(mode, {"markets": ["us"]}, environ={}, root=ROOT)
    assert {each.id for each in abroad.strategy_slots} == american


def test_the_demo_trades_ten_instruments_with_two_strategies() -> None:
    settings = load_settings("sim", environ={}, root=ROOT)
    assert [len(each.instruments) for each in settings.strategies] == [10, 3, 7]
    assert settings.strategies[0].instruments[1] == "krx:000660"
    assert settings.risk_limits.price_collar == Decimal("0.05")
    assert settings.profile.requests_per_second == 10


def test_the_simulator_needs_no_keys_and_is_shown_none(root: Path) -> None:
    write(root, "config/secrets.yaml", f"key: {{kis_app_key: {KEY}}}", mode=0o644)
    settings = load(root, "sim", KEYS)
    assert settings.app_key.get_secret_value() == simulator.APP_KEY
    assert settings.account == simulator.ACCOUNT
    assert settings.data_dir == root / "var"
    assert settings.shared_dir.parent == root / "var" / "sim"
    own = {"KIS_REST_URL": "http://127.0.0.1:9000", "KIS_WS_URL": "ws://[::1]:9001"}
    (root / "config/secrets.yaml").chmod(0o600)
    assert load(root, "sim", own).app_key.get_secret_value() == KEY
    settings = load(root, "sim", {**own, **KEYS})
    assert settings.app_secret.get_secret_value() == SECRET
    assert settings.profile.rest_url == "http://127.0.0.1:9000"


def test_later_layers_win(root: Path) -> None:
    write(
        root,
        "config/kis_devlp.yaml",
        f"""
        my_app: "{KEY}-devlp"
        my_sec: "{SECRET}"
        paper_app: "{KEY}-paper"
        my_acct_stock: "11111111"
        my_paper_stock: 01234567
        my_prod: "01"
        my_htsid: "devlp"
        my_agent: "anything"
    """.replace("\n        ", "\n"),
    )
    settings = load(root, "real")
    assert settings.app_key.get_secret_value() == f"{KEY}-devlp"
    assert (settings.account, settings.hts_id) == ("11111111-01", "devlp")
    assert load(root, "virtual").app_key.get_secret_value() == f"{KEY}-paper"
    assert load(root, "virtual").account == "01234567-01"

    write(
        root,
        "config/secrets.yaml",
        f"""
key:
  kis_app_key: {KEY}-shared
  kis_account: "2222222201"
virtual:
  kis_app_key: {KEY}-virtual
""",
    )
    assert load(root, "real").app_key.get_secret_value() == f"{KEY}-shared"
    assert load(root, "real").account == "22222222-01"
    assert load(root, "real").app_secret.get_secret_value() == SECRET
    assert load(root, "virtual").app_key.get_secret_value() == f"{KEY}-virtual"

    write(root, "credentials/kis_app_key", f"{KEY}-systemd\n")
    (root / "credentials" / "kis_app_key").chmod(0o400)
    environ = {"CREDENTIALS_DIRECTORY": str(root / "credentials")}
    assert load(root, "real", environ).app_key.get_secret_value() == f"{KEY}-systemd"
    environ["KIS_APP_KEY"] = f"{KEY}-environment"
    assert load(root, "real", environ).app_key.get_secret_value() == f"{KEY}-environment"


@pytest.mark.parametrize(("mode", "accepted"), [(0o400, True), (0o440, False), (0o404, False)])
def test_a_credential_that_others_can_read_is_refused(
    root: Path, mode: int, accepted: bool
) -> None:
    path = write(root, "credentials/kis_app_key", f"{KEY}-systemd", mode)
    os.chown(path, os.getuid(), os.getgid() or 12345)
    environ = {"CREDENTIALS_DIRECTORY": str(root / "credentials")}
    if accepted:
        assert load(root, "real", environ).app_key.get_secret_value() == f"{KEY}-systemd"
        return
    with pytest.raises(SettingsError) as refused:
        load(root, "real", environ)
    [fault] = [each for each in refused.value.faults if each.setting == "app_key"]
    assert "others on this machine can read" in fault.problem
    assert KEY not in str(refused.value)


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of root's")
def test_the_mask_of_an_access_list_is_no_group_that_reads(root: Path) -> None:
    path = write(root, "credentials/kis_app_key", f"{KEY}-systemd", 0o440)
    os.chown(path, 0, 0)
    environ = {"CREDENTIALS_DIRECTORY": str(root / "credentials")}
    assert load(root, "real", environ).app_key.get_secret_value() == f"{KEY}-systemd"


def test_plain_settings_come_from_file_environment_and_command_line(root: Path) -> None:
    assert load(root, "sim").requests_per_second == 5
    environ = {"KIS_REQUESTS_PER_SECOND": "6", "KIS_LOG_LEVEL": "debug", "KIS_SIM__SEED": "9"}
    settings = load(root, "sim", environ)
    assert (settings.requests_per_second, settings.log.level, settings.sim.seed) == (6, "debug", 9)
    settings = load(root, "sim", environ, sim__seed=3, log__level="error", data_dir="elsewhere")
    assert (settings.sim.seed, settings.log.level) == (3, "error")
    assert settings.data_dir == root / "elsewhere"
    write(root, "mine.yaml", "sim: {speed: 2}\nholidays: [2026-12-24]")
    settings = load(root, "sim", config="mine.yaml")
    assert settings.sim.speed == 2
    assert settings.holidays == {date(2026, 12, 24)}
    assert load(root, "sim", {"KIS_HOLIDAYS": "2027-01-01, 2027-01-04"}).holidays == {
        date(2027, 1, 1),
        date(2027, 1, 4),
    }


def test_the_devlp_file_may_be_named_and_its_template_counts_as_empty(root: Path) -> None:
    path = write(root, "elsewhere.yaml", f"my_app: '앱키를 넣으세요'\nmy_sec: '{SECRET}'")
    settings = load(root, "real", {"KIS_DEVLP_YAML": str(path)})
    assert settings.app_key.get_secret_value() == ""
    assert settings.app_secret.get_secret_value() == SECRET
    assert "is not a file" in faults(root, "real", {"KIS_DEVLP_YAML": "nowhere.yaml"})
    home = root / "home"
    write(home, "KIS/config/kis_devlp.yaml", "my_htsid: from-home")
    assert load(root, "real", {"HOME": str(home)}).hts_id == "from-home"


def test_all_faults_are_told_at_once_with_their_sources(root: Path) -> None:
    write(
        root,
        "config/real.yaml",
        """
requests_per_second: 50
on_stopp: cancel
armed: perhaps
risk: {max_order_quantity: 0, price_colar: 0.1}
sim: {sped: 3}
strategies:
  - {id: a, class: nonsense, instruments: [00593 0]}
  - {id: b, class: "strategies.nowhere:Thing", instruments: [005930]}
app_key: oops
""",
    )
    write(root, "config/secrets.yaml", f"key: {{kis_app_keyy: {KEY}}}\nrael: {{}}")
    environ = {"KIS_APP_SECRET": SECRET, "KIS_ACCOUNT": "123", "KIS_ON_STOP": "explode"}
    text = faults(root, "real", environ, log__level="loud")
    for words in (
        "requests_per_second [config/real.yaml]",
        "on_stopp [config/real.yaml]",
        "did you mean 'on_stop'?",
        "armed [config/real.yaml]",
        "did you mean 'price_collar'?",
        "risk.max_order_quantity [config/real.yaml]",
        "did you mean 'speed'?",
        "strategies.0.class [config/real.yaml]",
        "strategies.0.instruments.0 [config/real.yaml]",
        "strategies.1.class [config/real.yaml]: strategies.nowhere cannot be imported",
        "app_key [config/real.yaml]: is a secret",
        "did you mean 'kis_app_key'?",
        "rael [config/secrets.yaml]",
        "account [$KIS_ACCOUNT]",
        "on_stop [$KIS_ON_STOP]",
        "log.level [--log-level]",
        "hts_id [not given]",
    ):
        assert words in text
    assert "123" not in text.replace("12345678-01", "")


@pytest.mark.parametrize(
    "url", ["https://evil.example", "http://127.0.0.1@evil.example", "http://10.0.0.1", "ftp://::1"]
)
@pytest.mark.parametrize("mode", list(Mode))
def test_keys_are_sent_nowhere_but_to_this_machine(root: Path, mode: Mode, url: str) -> None:
    text = faults(root, mode, {**KEYS, "KIS_REST_URL": url, "KIS_WS_URL": "ws://localhost:1"})
    assert "rest_url [$KIS_REST_URL]" in text


def test_a_variable_that_is_no_setting_is_told(root: Path) -> None:
    (warning,) = load(root, "sim", {"KIS_ARMD": "true"}).warnings
    assert "did you mean 'KIS_ARMED'?" in warning


def test_both_addresses_or_neither(root: Path) -> None:
    text = faults(root, "sim", {"KIS_REST_URL": "http://localhost:1"})
    assert "rest_url [$KIS_REST_URL]: is given without ws_url: both together" in text
    write(root, "config/sim.yaml", "ws_url: ws://localhost:1")
    assert "ws_url [config/sim.yaml]: is given without rest_url" in faults(root, "sim")


@pytest.mark.parametrize("port", ["0", "65536", "99999", "x"])
def test_ports_are_ports(root: Path, port: str) -> None:
    urls = {"KIS_REST_URL": f"http://[::1]:{port}", "KIS_WS_URL": f"ws://127.0.0.1:{port}"}
    text = faults(root, "sim", urls)
    assert "1 to 65535, such as http://127.0.0.1:8080" in text
    assert "1 to 65535, such as ws://127.0.0.1:8080" in text


def test_the_speed_is_one_the_market_can_keep(root: Path) -> None:
    assert load(root, "sim", sim__speed=1200.0).sim.speed == 1200
    for speed in (0.09, 1201.0, float("nan")):
        assert "sim.speed [--sim-speed]" in faults(root, "sim", sim__speed=speed)


def test_secret_files_others_can_read_are_refused(root: Path) -> None:
    write(root, "config/secrets.yaml", f"key: {{kis_app_key: {KEY}}}", mode=0o640)
    text = faults(root, "virtual")
    assert "chmod 600 config/secrets.yaml" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"key: {{kis_app_key: {KEY}", "not valid YAML"),
        (f"{KEY}", "name: value"),
        ("key: [1]", "must hold kis_app_key"),
        ("key: {kis_hts_id: a}\nkey: {kis_hts_id: b}", "not valid YAML (line 2)"),
        ("key: {kis_app_key: 'with space'}", "without spaces"),
        (f"key: {{kis_app_key: [{KEY}]}}", "key.kis_app_key [config/secrets.yaml]: must be text"),
        (f"real: {{kis_hts_id: {{{KEY}: 1}}}}", "real.kis_hts_id"),
        ("real: {kis_account: true}", "real.kis_account [config/secrets.yaml]: must be text"),
        ("key: {true: x}", "key.True"),
        ("? [a]\n: b", "not valid YAML"),
        ("key: " + "[" * 5000, "nested too deeply"),
    ],
)
def test_damaged_secret_files_are_faults_without_their_text(
    root: Path, text: str, words: str
) -> None:
    write(root, "config/secrets.yaml", text)
    assert words in faults(root, "real")


def test_a_damaged_variable_and_a_missing_file_are_faults(root: Path) -> None:
    assert "KIS_STRATEGIES" in faults(root, "sim", {"KIS_STRATEGIES": "[{"})
    assert "nowhere.yaml" in faults(root, "sim", config="nowhere.yaml")
    write(root, "config/sim.yaml", "- a list")
    assert "name: value" in faults(root, "sim")


def test_without_a_checkout_the_installed_defaults_or_a_fault(tmp_path: Path) -> None:
    installed = Path(__file__).parents[1] / "daemon" / "defaults" / "sim.yaml"
    if installed.exists():
        assert load(tmp_path, "sim").strategies
    else:
        assert "is missing" in faults(tmp_path, "sim")


def test_what_real_trading_lacks_is_listed_in_both_languages(root: Path) -> None:
    lines = missing_for_real(load(root, "real"))
    assert len(lines) == 6
    assert all("→" in line and " / " in line for line in lines)
    write(root, "config/real.yaml", RISK + "armed: true")
    assert missing_for_real(load(root, "real", KEYS)) == []
    left_out = RISK.replace("  max_daily_loss: 100000\n", "")
    write(root, "config/real.yaml", left_out + "armed: true")
    [line] = missing_for_real(load(root, "real", KEYS))
    assert line.startswith("risk.max_daily_loss: ")
    assert " / " in line
    assert len(missing_credentials(load(root, "virtual"))) == 4
    assert len(missing_credentials(load(root, "virtual"), hts_id=False)) == 3


def test_limits_must_be_given_before_they_can_be_used(root: Path) -> None:
    with pytest.raises(SettingsError, match="risk"):
        _ = load(root, "real").risk_limits


def test_processes_of_one_key_meet_whatever_checkout_they_run_from(root: Path) -> None:
    digest = hashlib.sha256(KEY.encode()).hexdigest()[:8]
    here = load(root, "real", {**KEYS, "HOME": "/home/someone"}).shared_dir
    assert here == Path(f"/home/someone/.local/state/kis-trader/real-{digest}")
    there = load(root, "real", {**KEYS, "XDG_STATE_HOME": "/state"}, data_dir="other").shared_dir
    assert there == Path(f"/state/kis-trader/real-{digest}")
    service = {**KEYS, "HOME": "/root", "STATE_DIRECTORY": "/var/lib/kis:/x"}
    settings = load(root, "real", service)
    assert settings.data_dir == Path("/var/lib/kis")
    assert settings.shared_dir == Path(f"/var/lib/kis/kis-trader/real-{digest}")
    assert settings.journal_path == Path("/var/lib/kis/real/journal-12345678-01.sqlite3")


def test_those_at_one_named_simulator_meet_too(root: Path) -> None:
    def shared(port: int, folder: str) -> Path:
        urls = {"KIS_REST_URL": f"http://127.0.0.1:{port}", "KIS_WS_URL": "ws://127.0.0.1:1"}
        environ = {**urls, "XDG_STATE_HOME": "/state"}
        return load(root, "sim", environ, data_dir=folder).shared_dir

    assert shared(1, "here") == shared(1, "there") != shared(2, "here")
    assert shared(1, "here").parent == Path("/state/kis-trader")
    assert load(root, "sim", {"XDG_STATE_HOME": "/state"}).shared_dir.is_relative_to(root)


def test_strategies_are_judged_whatever_else_is_wrong(root: Path) -> None:
    write(
        root,
        "config/sim.yaml",
        """
on_stopp: cancel
strategies:
  - {id: a, class: "strategies.nowhere:Thing", instruments: []}
  - id: a
    class: strategies.moving_average_cross:MovingAverageCross
    instruments: [nasdaq:AAPL]
    parameters: {fasst: 3, quantity: 1, notional: 1}
""",
    )
    text = faults(root, "sim", {"KIS_ARMD": "true"})
    for words in (
        "on_stopp",
        "strategies.0.instruments",
        "strategies.0.class [config/sim.yaml]: strategies.nowhere cannot be imported",
        "strategies.1.id [config/sim.yaml]: another strategy has the same id",
        "strategies.1.parameters.fasst",
        "? $KIS_ARMD is not a setting",
    ):
        assert words in text
    assert faults(root, "sim", {"KIS_STRATEGIES": "[" * 5000}).count("nested too deeply") == 1


def test_a_home_nobody_has_is_a_fault(root: Path) -> None:
    assert "data_dir [--data-dir]" in faults(root, "sim", data_dir="~nobody-of-this-name/x")


def test_secrets_that_are_no_file_are_a_fault(root: Path) -> None:
    path = root / "config" / "secrets.yaml"
    path.mkdir()
    assert "config/secrets.yaml]: is not a file" in faults(root, "virtual")
    path.rmdir()
    path.symlink_to(root / "nowhere")
    assert "config/secrets.yaml]: is not a file" in faults(root, "virtual")


def test_secrets_hide_in_every_form_but_their_own(root: Path) -> None:
    settings = load(root, "real", KEYS)
    assert KEY not in repr(settings)
    assert SECRET not in repr(settings)
    account = {"12345678-01", "1234567801", "12345678"}
    assert set(settings.secrets()) == {KEY, SECRET, "someone", *account}


def test_settings_cannot_be_changed_and_ignore_the_process_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARMED", "true")
    monkeypatch.setitem(os.environ, "REQUESTS_PER_SECOND", "19")
    settings = load(root, "sim")
    assert settings.requests_per_second == 5
    assert settings.armed is False
    with pytest.raises(ValueError, match="frozen"):
        settings.armed = True


def test_strategies_can_be_chosen_by_id_or_class() -> None:
    some = load_settings("sim", {"strategies": ["breakout"]}, environ={}, root=ROOT)
    assert [each.id for each in some.strategies] == ["breakout"]
    assert "did you mean 'breakout'" in faults(ROOT, "sim", strategies=["brakeout"])
    own = "strategies.moving_average_cross:MovingAverageCross"
    (alone,) = load_settings("sim", {"strategies": [own, own]}, environ={}, root=ROOT).strategies
    assert (alone.id, len(alone.instruments)) == ("MovingAverageCross", 10)
    text = faults(ROOT, "sim", strategies=["ma-cross", "strategies.nowhere:Thing"])
    assert "strategies.1.class [--strategies]: strategies.nowhere cannot be imported" in text


def test_a_class_alone_needs_instruments_of_others(root: Path) -> None:
    own = "strategies.moving_average_cross:MovingAverageCross"
    assert f"{own} [--strategies]: there are no instruments" in faults(
        root, "sim", strategies=[own]
    )


@pytest.mark.parametrize(
    ("mode", "channel", "words"),
    [
        ("sim", "weather", "no 'weather' for krx instruments; there is: trades, book"),
        ("sim", "HDFSCNT0", "not of krx:005930"),
        ("virtual", "program", "is not offered in virtual"),
    ],
)
def test_a_channel_that_does_not_exist_is_a_fault(
    root: Path, mode: str, channel: str, words: str
) -> None:
    own = "strategies.moving_average_cross:MovingAverageCross"
    line = f"{{id: mine, class: '{own}', instruments: [005930], channels: [trades, {channel}]}}"
    write(root, f"config/{mode}.yaml", f"strategies: [{line}]")
    text = faults(root, mode)
    assert f"strategies.0.channels [config/{mode}.yaml]" in text
    assert words in text


def test_the_number_of_registrations_and_the_share_of_inquiries_can_be_set(root: Path) -> None:
    write(root, "config/sim.yaml", "feed: {registrations: 20, inquiry_share: 0.2}")
    settings = load_settings("sim", environ={}, root=root)
    assert settings.profile.registrations == 20
    assert settings.inquiry_rate == pytest.approx(2.0)


def test_the_id_of_american_paper_sales_can_be_set_to_the_other_that_sources_tell(
    root: Path,
) -> None:
    assert load(root, "virtual").profile.virtual_us_sell == "VTTT1001U"
    write(root, "config/virtual.yaml", "api: {virtual_us_sell_id: VTTT1006U}")
    assert load(root, "virtual").profile.virtual_us_sell == "VTTT1006U"
    write(root, "config/virtual.yaml", "api: {virtual_us_sell_id: TTTT1006U}")
    told = faults(root, "virtual")
    assert "api.virtual_us_sell_id" in told
    assert "VTTT1001U" in told
    assert "VTTT1006U" in told


def test_wrong_parameters_name_the_nearest_right_one(root: Path) -> None:
    write(
        root,
        "config/sim.yaml",
        """
strategies:
  - id: mine
    class: strategies.moving_average_cross:MovingAverageCross
    instruments: [005930, krx:005930]
  - id: mine
    class: strategies.moving_average_cross:MovingAverageCross
    instruments: [tokyo:7203]
""",
    )
    text = faults(root, "sim")
    assert "listed twice" in text
    assert "only KRX" in text
    write(
        root,
        "config/sim.yaml",
        """
strategies:
  - id: mine
    class: strategies.moving_average_cross:MovingAverageCross
    instruments: [005930]
    parameters: {fasst: 3, quantity: -1}
""",
    )
    text = faults(root, "sim")
    assert "strategies.0.parameters.fasst" in text
    assert "did you mean 'fast'?" in text
    assert "strategies.0.parameters.quantity" in text


@pytest.mark.parametrize(("mode", "recorded"), [("sim", False), ("virtual", True), ("real", True)])
def test_what_can_be_made_again_is_not_recorded(mode: str, recorded: bool) -> None:
    tape = load_settings(mode, environ={}, root=ROOT).tape
    assert tape.enabled is recorded
    assert (tape.max_file_mib, tape.keep_days, tape.keep_free_mib) == (256, 30, 1024)


def test_the_tape_can_be_set_everywhere(root: Path) -> None:
    assert load(root, "real").tape.enabled
    write(root, "config/real.yaml", "tape: {enabled: false, keep_days: 0}")
    tape = load(root, "real", {"KIS_TAPE_MAX_FILE_MIB": "7"}).tape
    assert (tape.enabled, tape.keep_days, tape.max_file_mib) == (False, 0, 7)
    assert load(root, "real", {"KIS_TAPE_ENABLED": "true"}).tape.enabled


def test_a_tape_of_nothing_is_refused(root: Path) -> None:
    environ = {"KIS_TAPE_MAX_FILE_MIB": "0", "KIS_TAPE_KEEP_DAYS": "-1"}
    text = faults(root, "sim", environ)
    assert "tape.max_file_mib [$KIS_TAPE_MAX_FILE_MIB]" in text
    assert "tape.keep_days [$KIS_TAPE_KEEP_DAYS]" in text
    write(root, "config/sim.yaml", "tape: {keep_day: 3}")
    assert "did you mean 'keep_days'?" in faults(root, "sim")


def test_markets_are_countries_and_choose_the_strategies(root: Path) -> None:
    write(
        root,
        "config/sim.yaml",
        """
markets: us, KR
strategies:
  - id: home
    class: strategies.moving_average_cross:MovingAverageCross
    instruments: [005930]
  - id: both
    class: strategies.moving_average_cross:MovingAverageCross
    instruments: [000660, nyse:BRK/B]
calendar: {us: {known_until: 2027-12-31}}
""",
    )
    settings = load(root, "sim")
    assert settings.markets == (Region.US, Region.KR)
    assert settings.left_out == ()
    korean = load(root, "sim", {"KIS_MARKETS": "KR"})
    assert (korean.left_out, [each.id for each in korean.strategy_slots]) == (("both",), ["home"])
    named = load_settings(
        "sim",
        {"markets": ["US"], "strategies": ["strategies.moving_average_cross:MovingAverageCross"]},
        environ={},
        root=root,
    )
    assert [each.instruments for each in named.strategy_slots] == [("nyse:BRK/B",)]


@pytest.mark.parametrize("markets", ["JP", "KR,MOON", ""])
def test_other_markets_are_refused(root: Path, markets: str) -> None:
    write(root, "config/sim.yaml", f"markets: '{markets}'")
    assert "markets" in faults(root, "sim")


def test_without_a_table_of_its_days_the_united_states_are_not_traded(root: Path) -> None:
    write(root, "config/sim.yaml", "markets: [US]")
    assert "calendar.us.known_until" in faults(root, "sim")
