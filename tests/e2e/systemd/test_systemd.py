"""The service as systemd runs it: installed, started, hung, killed, crashed, reloaded, stopped."""

import signal
from pathlib import Path
from typing import Any

import pytest

from daemon.clock import WallClock
from tests.e2e.systemd.machine import ROOT, Machine, booted, why_not
from tests.e2e.torture import Tell

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "possible here"),
]

UNIT = "kis-trader@desk.service"
FAILURE = "kis-trader-failure@desk.service"
WATCHDOG = 6.0
STOP_LIMIT = 90.0
"""Seconds of the unit's `TimeoutStopSec`."""

KEY, SECRET = "PSsystemdtestkey0123456789", "systemdtestsecret" * 6
OWN = Path(__file__).with_name("own.py").read_text()
CHURN = Path(__file__).parents[1].joinpath("churn.py").read_text()

DROP_IN = f"""[Unit]
StartLimitBurst=4
[Service]
WatchdogSec={WATCHDOG:g}
RestartSec=1
"""

ENVIRONMENT = """TRADER_MODE=sim
KIS_REST_URL=http://127.0.0.1:18080
KIS_WS_URL=ws://127.0.0.1:18081
TRADER_ARGS=--report /var/lib/kis-trader/desk/report.json
"""

HOOK = """#!/bin/sh
echo "alarm of $1: $SERVICE_RESULT"
"""


def settings(strategy: str, quantity: int = 500, more: str = "") -> str:
    return f"""
risk: {{max_order_quantity: {quantity}}}
{more}
strategies:
  - id: own
    class: {strategy}
    instruments: [005930, 000660]
"""


def prepare(machine: Machine) -> None:
    """A simulator, and a profile that trades at it with keys that only the service can read."""
    machine.write("/opt/kis-trader/own/strategies_of_mine.py", OWN)
    machine.write("/opt/kis-trader/own/churn.py", CHURN)
    machine.write("/opt/kis-trader/on-failure", HOOK, "755")
    machine.write("/etc/kis-trader/desk.env", ENVIRONMENT)
    for name, value in (("kis_app_key", KEY), ("kis_app_secret", SECRET)):
        machine.write(f"/etc/kis-trader/desk.secrets/{name}", value, "600")
    machine.write("/etc/kis-trader/desk.secrets/kis_account", "12345678-01", "600")
    machine.write("/etc/kis-trader/desk.secrets/kis_hts_id", "htsid001", "600")
    machine.write("/etc/systemd/system/kis-trader@desk.service.d/test.conf", DROP_IN)
    machine.run("systemctl", "daemon-reload")
    machine.run(
        *("systemd-run", "--unit=broker", "/opt/kis-trader/venv/bin/python", "-m", "daemon.sim"),
        *("--rest-port", "18080", "--ws-port", "18081", "--sim-speed", "60", "--seed", "7"),
        *("--app-key", KEY, "--app-secret", SECRET),
    )
    machine.until("the simulator listens", lambda: listens(machine))


def listens(machine: Machine) -> bool:
    try:
        return bool(machine.ask("/sim/clock"))
    except AssertionError:
        return False


def trade(machine: Machine, strategy: str, **more: Any) -> None:
    """Start it anew with a strategy of one's own."""
    machine.run("systemctl", "stop", UNIT)
    machine.run("systemctl", "reset-failed", UNIT, check=False)
    machine.write("/etc/kis-trader/desk.yaml", settings(f"own.{strategy}", **more))
    machine.run("systemctl", "start", UNIT)


def open_orders(machine: Machine) -> list[Any]:
    [account] = machine.ask("/sim/books")["accounts"].values()
    found = account["open_orders"]
    assert isinstance(found, list)
    return found


def started_at(machine: Machine) -> float:
    told = machine.show(UNIT, "ActiveEnterTimestampMonotonic")
    return int(told["ActiveEnterTimestampMonotonic"]) / 1e6


def restarts(machine: Machine) -> int:
    return int(machine.show(UNIT, "NRestarts")["NRestarts"])


def is_active(machine: Machine) -> bool:
    told = machine.show(UNIT, "ActiveState", "SubState")
    return told == {"ActiveState": "active", "SubState": "running"}


def test_a_service_lives_under_systemd(tmp_path: Path, tell: Tell) -> None:
    begun = WallClock.awake()
    with booted(tmp_path / "machine") as machine:
        figures: dict[str, Any] = {"boot_and_install_seconds": round(WallClock.awake() - begun, 1)}
        check_installation(machine)
        prepare(machine)
        figures |= check_start(machine)
        check_credentials(machine)
        figures |= check_reload(machine)
        figures |= check_hang(machine)
        figures |= check_kill(machine)
        figures |= check_crash_loop(machine)
        check_removal(machine)
        tell("systemd", figures)


def check_installation(machine: Machine) -> None:
    """Installed twice: the second time changed nothing."""
    assert "installing" in machine.run("cat", "/install.first")
    assert "installing" not in machine.run("cat", "/install.second")
    assert len(machine.run("ls", "/opt/kis-trader/releases").split()) == 1
    assert "kis-trader" in machine.run("getent", "passwd", "kis-trader")
    for name in ("kis_app_key", "kis_app_secret", "kis_account", "kis_hts_id"):
        path = f"/etc/kis-trader/real.secrets/{name}"
        assert machine.run("stat", "-c", "%U %a", path).split() == ["root", "600"]
    told = machine.run("systemd-analyze", "security", "--threshold=12", "--no-pager", UNIT)
    assert "Overall exposure level" in told


def check_start(machine: Machine) -> dict[str, Any]:
    begun = WallClock.awake()
    trade(machine, "strategies_of_mine:Resting")
    took = WallClock.awake() - begun
    [reconciled] = machine.named(UNIT, "trading")
    # Both are of the machine's monotonic clock; journald's stamp is of when it read the line.
    assert started_at(machine) >= reconciled["heard"] - 0.5
    names = [line["event"] for line in machine.log(UNIT)]
    assert names.index("recovered") < names.index("gate_opened") < names.index("trading")
    status = machine.until(
        "it says what it does",
        lambda: machine.show(UNIT, "StatusText")["StatusText"].startswith("trading KR"),
    )
    assert status
    machine.until("its bids rest", lambda: len(open_orders(machine)) == 6)
    state = machine.run("ls", "-la", "/var/lib/kis-trader/desk/sim")
    assert "journal-" in state
    check_log_files(machine)
    # By this the installer knows which releases still run.
    [release] = machine.run("ls", "/opt/kis-trader/releases").split()
    pid = machine.show(UNIT, "MainPID")["MainPID"]
    assert f" /opt/kis-trader/releases/{release}/" in machine.run("cat", f"/proc/{pid}/maps")
    user = ("setpriv", "--reuid=kis-trader", "--regid=kis-trader", "--clear-groups")
    command = ("/opt/kis-trader/venv/bin/python", "-m", "daemon", "status", "--mode", "sim")
    told = machine.run(*user, *command, "--data-dir", "/var/lib/kis-trader/desk", "--json")
    assert "running" in told, "its operators reach it through the sandbox"
    return {"start_to_ready_seconds": round(took, 2)}


def check_log_files(machine: Machine) -> None:
    """A shipper reads the log as a member of the group; others do not, and it reads no more."""
    folder = "/var/log/kis-trader/desk"
    [name] = machine.run("ls", folder).split()
    assert name.startswith("kis-trader-")
    assert machine.run("stat", "-c", "%U %G %a", f"{folder}/{name}").split() == [
        *("kis-trader", "kis-trader", "640")
    ]
    group = machine.run("getent", "group", "kis-trader").split(":")[2]
    stranger = ("setpriv", "--reuid=65534", "--regid=65534")
    shipper = (*stranger, f"--groups={group}")
    read = ("cat", f"{folder}/{name}")
    assert "gate_opened" in machine.run(*shipper, *read)
    assert machine.run(*stranger, "--clear-groups", *read, check=False) == ""
    assert machine.run(*shipper, "ls", "/var/lib/kis-trader/desk", check=False) == ""


def check_credentials(machine: Machine) -> None:
    """The service reads its keys; nobody else can, and no list of processes shows them."""
    folder = f"/run/credentials/{UNIT}"
    user = machine.run("id", "-u", "kis-trader").strip()
    assert machine.run("stat", "-c", "%u %a", folder).split() == [user, "500"]
    assert machine.run("stat", "-c", "%u %a", f"{folder}/kis_app_key").split() == [user, "400"]
    stranger = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert KEY not in machine.run(*stranger, "cat", f"{folder}/kis_app_key", check=False)
    source = "/etc/kis-trader/desk.secrets/kis_app_key"
    assert KEY not in machine.run(*stranger, "cat", source, check=False)
    pid = machine.show(UNIT, "MainPID")["MainPID"]
    told = machine.run("cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline")
    assert "CREDENTIALS_DIRECTORY" in told
    assert KEY not in told
    assert SECRET not in told
    journal = machine.run("journalctl", "-u", UNIT, "--no-pager")
    assert KEY not in journal
    assert SECRET not in journal
    assert "12345678" not in journal


def check_reload(machine: Machine) -> dict[str, Any]:
    """Good settings change what may change; bad ones change nothing; it trades on."""
    yaml = "/etc/kis-trader/desk.yaml"
    began = started_at(machine)
    text = settings("own.strategies_of_mine:Resting", quantity=77, more="on_stop: leave")
    machine.write(yaml, text)
    asked = WallClock.awake()
    machine.run("systemctl", "reload", UNIT)
    [done] = machine.until("it reloads", lambda: machine.named(UNIT, "reloaded"))
    assert done["changes"] == ["risk.max_order_quantity: 500 → 77"]
    assert done["unchanged"] == ["on_stop"]
    machine.write(yaml, settings("own.strategies_of_mine:Resting", quantity=-1))
    machine.run("systemctl", "reload", UNIT)
    [refused] = machine.until("it refuses", lambda: machine.named(UNIT, "reload_refused"))
    assert "risk.max_order_quantity" in refused["faults"][0]
    assert is_active(machine)
    assert started_at(machine) == began
    return {"reload_seconds": round(done["heard"] - asked, 2)}


def check_hang(machine: Machine) -> dict[str, Any]:
    trade(machine, "strategies_of_mine:HangsOnce")
    machine.until("it hangs", lambda: "hung" in machine.run("ls", "/var/lib/kis-trader/desk"))
    hung = WallClock.awake()
    machine.until("it runs again", lambda: restarts(machine) == 1 and is_active(machine))
    again = started_at(machine)
    journal = machine.run("journalctl", "-u", UNIT, "--no-pager")
    assert "Watchdog timeout" in journal
    assert "own/strategies_of_mine.py" in journal, "the traceback shows who hung"
    assert again - hung < WATCHDOG + 10
    assert restarts(machine) == 1
    return {"watchdog_seconds": WATCHDOG, "hang_to_ready_seconds": round(again - hung, 2)}


def check_kill(machine: Machine) -> dict[str, Any]:
    """Killed in the middle of trading, it is back by itself; at its end the books are equal."""
    trade(machine, "churn:Churn")
    recovered = [kill_once(machine, kills) for kills in (1, 2, 3)]
    took = check_stop(machine)
    assert took < STOP_LIMIT
    assert machine.show(UNIT, "Result", "ExecMainStatus") == {
        "Result": "success",
        "ExecMainStatus": "0",
    }
    assert open_orders(machine) == []
    return {"kill_to_ready_seconds": recovered, "stop_seconds": round(took, 2)}


def kill_once(machine: Machine, kills: int) -> float:
    """Kill it while it trades, for the time `kills`; returns the seconds until it was back."""
    count = len(machine.named(UNIT, "order_accepted"))
    machine.until("it trades", lambda: len(machine.named(UNIT, "order_accepted")) > count + 9)
    killed = WallClock.awake()
    machine.run("kill", f"-{signal.SIGKILL.value}", machine.show(UNIT, "MainPID")["MainPID"])
    machine.until("it is back", lambda: restarts(machine) == kills and is_active(machine))
    return round(started_at(machine) - killed, 2)


def check_stop(machine: Machine) -> float:
    """Stop it, with its books equal to the broker's; returns how many seconds that took."""
    before = len(machine.named(UNIT, "run_report"))
    asked = WallClock.awake()
    machine.run("systemctl", "stop", UNIT)
    took = WallClock.awake() - asked
    machine.until("it reports", lambda: len(machine.named(UNIT, "run_report")) > before)
    report = machine.named(UNIT, "run_report")[-1]
    assert report["books_equal"], report
    return took


def check_crash_loop(machine: Machine) -> dict[str, Any]:
    """When it was restarted too often, the emergency leaves no order open, and says so."""
    trade(machine, "strategies_of_mine:Doomed")
    begun = WallClock.awake()
    most = 0

    def failed() -> bool:
        nonlocal most
        most = max(most, len(open_orders(machine)))
        return machine.show(UNIT, "ActiveState")["ActiveState"] == "failed"

    machine.until("it is given up", failed)
    given_up = WallClock.awake()
    assert most > 0, "it left orders"
    [done] = machine.until(
        "the emergency is over", lambda: machine.named(FAILURE, "emergency_done")
    )
    over = WallClock.awake()
    assert open_orders(machine) == []
    assert "emergency_done" in machine.run("sh", "-c", "cat /var/log/kis-trader/desk/*.jsonl")
    machine.until(
        "the alarm rings",
        lambda: "alarm of desk: success" in machine.run("journalctl", "-u", FAILURE, "--no-pager"),
    )
    # A person starts it again: its books take in what the emergency did.
    trade(machine, "churn:Churn")
    machine.until("it trades", lambda: len(machine.named(UNIT, "order_accepted")) > 0)
    check_stop(machine)
    return {
        "crash_loop_seconds": round(given_up - begun, 1),
        "orders_open_at_most": most,
        "orders_cancelled": done["orders_seen"],
        "given_up_to_none_open_seconds": round(over - given_up, 2),
    }


def check_removal(machine: Machine) -> None:
    script = "/source/deploy/systemd/install.sh"
    machine.write(script, ROOT.joinpath("deploy/systemd/install.sh").read_text(), "755")
    check_homes(machine, script)
    machine.run(script, "--uninstall")
    assert "kis-trader@.service\n" not in machine.run("ls", "/etc/systemd/system")
    assert machine.run("ls", "/opt/kis-trader").split() == ["on-failure", "own"], (
        "what is one's own"
    )
    assert "journal-" in machine.run("ls", "/var/lib/kis-trader/desk/sim")
    assert "real.yaml" in machine.run("ls", "/etc/kis-trader")
    machine.run(script, "--uninstall", "--purge")
    assert "kis-trader" not in machine.run("ls", "/var/lib").split()
    assert "kis-trader" not in machine.run("ls", "/etc", "/etc/systemd/system")


def check_homes(machine: Machine, script: str) -> None:
    """A Python at home is refused, wherever root is at home."""
    machine.write("/source/uv.lock", "")
    for home in ("/root", "/srv/root"):
        machine.run("sed", "-i", f"s#^root:.*#root:x:0:0:root:{home}:/bin/sh#", "/etc/passwd")
        machine.run("mkdir", "-p", home)
        machine.run("cp", "/usr/bin/python3", f"{home}/python")
        install = f"{script} --python {home}/python 2>&1"
        assert "a service sees no home folder" in machine.run("sh", "-c", install, check=False)
