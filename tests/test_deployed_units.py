"""The units of deploy/systemd, judged by systemd's own tools, and by what the code really does."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from daemon import cli
from daemon.engine.desk import START_LIMIT
from daemon.sources import SECRET_SETTINGS

FOLDER = Path(__file__).parents[1] / "deploy" / "systemd"
UNITS = ("kis-trader", "kis-trader-failure")
EXPOSURE = 12
"""Tenths of what `systemd-analyze security` may find at most."""

NEWER = {"RestartSteps", "RestartMaxDelaySec", "RestartMode"}
"""Settings that systemd knows since 254; before, it says so and goes on."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here"
)


def text(name: str) -> str:
    return (FOLDER / f"{name}@.service").read_text(encoding="utf-8")


def installed(name: str, folder: Path) -> Path:
    """The unit as the installer writes it, with a program that is there."""
    program = re.sub(r"@PREFIX@/venv/bin/\S+", sys.executable, text(name))
    path = folder / f"{name}@desk.service"
    path.write_text(program.replace("@PREFIX@", str(folder)), encoding="utf-8")
    return path


def values(name: str, setting: str) -> list[str]:
    return re.findall(rf"^{setting}=(.*)$", text(name), re.MULTILINE)


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_line(name: str, tmp_path: Path) -> None:
    path = installed(name, tmp_path)
    for other in UNITS:
        installed(other, tmp_path)
    done = analyze("verify", str(path))
    told = [line for line in (done.stdout + done.stderr).splitlines() if str(tmp_path) in line]
    unknown = {
        match[1] for line in told if (match := re.search(r"Unknown key (?:name )?'(\w+)'", line))
    }
    assert [line for line in told if "Unknown key " not in line] == []
    assert unknown <= NEWER
    assert done.returncode == 0, done.stderr


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_the_sandbox_leaves_little_exposed(name: str, tmp_path: Path) -> None:
    path = installed(name, tmp_path)
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(path))
    assert done.returncode == 0, done.stdout
    open_door = path.read_text(encoding="utf-8").replace("PrivateDevices=yes\n", "")
    path.write_text(open_door.replace("ProtectSystem=strict\n", ""), encoding="utf-8")
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(path))
    assert done.returncode != 0, "a threshold that nothing fails is none"


@needs_systemd
def test_an_allow_list_closes_the_network(tmp_path: Path) -> None:
    path = installed("kis-trader", tmp_path)
    with path.open("a", encoding="utf-8") as unit:
        unit.write((FOLDER / "addresses.conf").read_text(encoding="utf-8"))
    done = analyze("security", "--offline=true", "--threshold=11", str(path))
    assert done.returncode == 0, done.stdout


def test_both_units_are_shut_in_alike() -> None:
    def sandbox(name: str) -> str:
        whole = text(name)
        return whole[whole.index("# Nothing of the machine") : whole.index("MemoryMax")]

    assert sandbox("kis-trader") == sandbox("kis-trader-failure")


def test_exit_codes_that_need_a_person_start_nothing_again() -> None:
    for name in UNITS:
        [prevented] = values(name, "RestartPreventExitStatus")
        codes = {int(code) for code in prevented.split()}
        assert codes == {cli.EXIT_USAGE, cli.EXIT_ALREADY_RUNNING, cli.EXIT_NEEDS_OPERATOR}
        assert cli.EXIT_UNAVAILABLE not in codes, "a broker that is away comes back"


def test_every_secret_comes_as_a_credential_and_may_be_missing() -> None:
    wanted = {f"kis_{name}" for name in SECRET_SETTINGS}
    for name in UNITS:
        assert {each.partition(":")[0] for each in values(name, "LoadCredential")} == wanted
        assert {each.partition(":")[0] for each in values(name, "SetCredential")} == wanted


def test_the_failure_of_one_is_the_start_of_the_other() -> None:
    assert values("kis-trader", "OnFailure") == ["kis-trader-failure@%i.service"]
    assert "kis-trader-failure@%i.service" in values("kis-trader", "After")[0]
    [command] = values("kis-trader-failure", "ExecStart")
    assert "-m daemon cancel-all" in command
    for setting in ("User", "WorkingDirectory", "EnvironmentFile", "StateDirectory"):
        assert values("kis-trader", setting) == values("kis-trader-failure", setting)


def test_the_group_reads_the_log_and_nothing_else_of_it() -> None:
    [folder] = values("kis-trader", "Environment=KIS_LOG_FOLDER")
    assert [folder.removeprefix("/var/log/")] == values("kis-trader", "LogsDirectory")
    assert values("kis-trader", "LogsDirectoryMode") == ["0750"]
    assert values("kis-trader", "StateDirectoryMode") == ["0700"]
    assert values("kis-trader", "UMask") == ["0077"]


def test_the_emergency_logs_where_the_daemon_does() -> None:
    for setting in ("Environment=KIS_LOG_FOLDER", "LogsDirectory", "LogsDirectoryMode", "UMask"):
        assert values("kis-trader", setting) == values("kis-trader-failure", setting), setting


def test_the_emergency_waits_until_systemd_gives_up() -> None:
    assert values("kis-trader", "RestartMode") == ["direct"]


def seconds(setting: str) -> float:
    [value] = values("kis-trader", setting)
    return float(value)


def is_given_up(life: float, pause: float) -> bool:
    """Whether systemd gives up what lives and pauses for so many seconds, again and again.

    As it counts: a window begins with a start, and the first start after its end begins the next.
    """
    interval, burst = seconds("StartLimitIntervalSec"), seconds("StartLimitBurst")
    window, starts = 0.0, 0
    for each in range(1000):
        at = each * (life + pause)
        if each == 0 or at > window + interval:
            window, starts = at, 0
        starts += 1
        if starts > burst:
            return True
    return False


def test_a_broker_that_is_away_is_no_reason_to_give_up() -> None:
    first, later = seconds("RestartSec"), seconds("RestartMaxDelaySec")
    assert first < later
    for pause in (first, later):
        assert not is_given_up(START_LIMIT, pause)
    # Not even when a crash of long ago left one start to this window already.
    assert (seconds("StartLimitBurst") - 1) * (START_LIMIT + first) > seconds(
        "StartLimitIntervalSec"
    )


def test_what_crashes_or_hangs_at_once_again_and_again_is_given_up() -> None:
    hang = 10 + seconds("WatchdogSec") + seconds("TimeoutAbortSec")
    # The longest pause, too: systemd counts restarts, and never forgets, while the unit runs.
    for pause in (seconds("RestartSec"), seconds("RestartMaxDelaySec")):
        for life in (0.0, 5.0, hang):
            assert is_given_up(life, pause), (life, pause)


def test_the_stop_has_time_for_all_its_stages() -> None:
    [limit] = values("kis-trader", "TimeoutStopSec")
    # Cancels at the broker's own pace may take a minute by themselves.
    assert int(limit) >= 90
    [watchdog] = values("kis-trader", "WatchdogSec")
    assert int(watchdog) <= 20


def test_the_installer_is_a_program_that_a_plain_shell_reads() -> None:
    script = FOLDER / "install.sh"
    assert script.stat().st_mode & 0o111
    shell = shutil.which("dash") or "sh"
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "set -eu" in script.read_text(encoding="utf-8")


def test_the_installer_shows_its_flags_and_refuses_what_it_does_not_know() -> None:
    script = str(FOLDER / "install.sh")
    shown = subprocess.run([script, "--help"], capture_output=True, text=True, check=False)
    assert shown.returncode == 0
    for flag in ("--prefix", "--uninstall", "--purge", "--python", "--otlp"):
        assert flag in shown.stdout
    for wrong in (["--no-such"], ["--prefix"]):
        done = subprocess.run([script, *wrong], capture_output=True, check=False)
        assert done.returncode == 2
    for prefix in ("/", "/etc", "relative", "/opt/a b", "/opt/$(id)"):
        done = subprocess.run([script, "--prefix", prefix], capture_output=True, check=False)
        assert done.returncode == 1, prefix


def installer(name: str, prefix: Path, after: str = "") -> str:
    """Run a function of the installer's own, then the commands `after`; returns what they say."""
    script = (FOLDER / "install.sh").read_text(encoding="utf-8")
    [function] = re.findall(rf"^{name}\(\) \{{\n.*?^\}}$", script, re.MULTILINE | re.DOTALL)
    command = f"set -eu\nprefix={prefix} extra=\n{function}\n{name}\n{after}"
    shell = [shutil.which("dash") or "sh", "-c", command]
    return subprocess.run(shell, check=True, stdout=subprocess.PIPE, text=True).stdout


def prune(prefix: Path) -> set[str]:
    """The releases that the installer leaves there."""
    installer("prune", prefix)
    return {each.name for each in (prefix / "releases").iterdir()}


def test_the_installer_keeps_the_packages_it_was_once_asked_for(tmp_path: Path) -> None:
    packages = tmp_path / "releases" / "a" / "venv" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    assert installer("keep_extra", tmp_path, 'echo "$extra"') == "\n", "nothing is installed"
    (tmp_path / "venv").symlink_to("releases/a/venv")
    assert installer("keep_extra", tmp_path, 'echo "$extra"') == "\n"
    (packages / "opentelemetry").mkdir()
    assert installer("keep_extra", tmp_path, 'echo "$extra"') == "--extra=otlp\n"


def releases(prefix: Path, *names: str) -> None:
    """Releases that became the current one in this order."""
    for age, name in enumerate(reversed(names)):
        library = prefix / "releases" / name / "venv" / "module.so"
        library.parent.mkdir(parents=True)
        library.write_bytes(bytes(4096))
        os.utime(library.parents[1], (1e9 - age, 1e9 - age))


def test_the_installer_keeps_the_last_three_releases_and_the_current_one(tmp_path: Path) -> None:
    releases(tmp_path, "a", "b", "c", "d", "e")
    (tmp_path / "venv").symlink_to("releases/a/venv")
    assert prune(tmp_path) == {"a", "c", "d", "e"}


def test_the_installer_keeps_a_release_while_it_runs(tmp_path: Path) -> None:
    releases(tmp_path, "a", "b", "c", "d", "e")
    (tmp_path / "venv").symlink_to("releases/e/venv")
    code = (
        "import mmap, sys; file = open(sys.argv[1], 'rb');"
        "seen = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "releases/a/venv/module.so")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as runs:
        assert runs.stdin is not None
        assert runs.stdout is not None
        runs.stdout.readline()
        assert prune(tmp_path) == {"a", "c", "d", "e"}
        runs.stdin.write(b"\n")
    assert prune(tmp_path) == {"c", "d", "e"}


def test_the_user_is_one_of_the_system() -> None:
    line = (FOLDER / "kis-trader.sysusers").read_text(encoding="utf-8").splitlines()[-1]
    assert line.split()[:3] == ["u", "kis-trader", "-"]
