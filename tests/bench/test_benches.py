"""Every bench runs and prints one line of the shape that is read later. Figures prove nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.e2e


def line_of(name: str, *flags: str) -> dict[str, Any]:
    """What a bench printed, which is one JSON object and nothing else."""
    done = subprocess.run(
        [sys.executable, f"bench/{name}.py", *flags],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    told: dict[str, Any] = json.loads(line)
    assert told["bench"] == name
    return told


def test_feed() -> None:
    told = line_of("feed", "--quick")
    for variant in ("strategies", "inside"):
        assert set(told[variant]) == {"bare", "1", "10", "50"}
        for arm in told[variant].values():
            assert 0 < arm["delivered"] <= 1
            assert min(arm["ratio"], arm["cpu_ratio"], arm["frames_per_second"]) > 0
    for crowd in ("bare", "1", "10", "50"):
        assert told["in_time"][crowd]["cpu_ratio"] > 0
    assert told["decode"]["rate_to_plain"] > 0
    assert told["decode"]["times_faster_than_python_kis"] is None
    assert told["conflation"]["ratio"] > 0
    assert told["isolation"]["lost_by_the_nine"] == 0
    assert told["isolation"]["conflated_for_the_tenth"] > 0
    assert told["isolation"]["p99_ratio"] > 0


def test_feed_goes_on_without_a_package_to_compare_with() -> None:
    told = line_of("feed", "--quick", "--python-kis", sys.executable)
    assert told["decode"]["times_faster_than_python_kis"] is None


def test_tick_to_order(tmp_path: Path) -> None:
    told = line_of("tick_to_order", "--quick", "--folder", str(tmp_path))
    for condition in ("idle", "at_5000_frames_a_second"):
        assert set(told[condition]) == {"floor", "minimal", "daemon", "daemon_with_disk"}
        for arm in told[condition].values():
            assert arm["samples"] == 10
            assert min(arm["p50"], arm["p99_to_minimal"], arm["p50_to_floor"]) > 0
        assert told[condition]["daemon_with_disk"]["journal_p50"] > 0
        assert told[condition]["minimal"]["journal_p50"] == 0
    assert told["ten_orders"]["ratio"] > 0
    assert told["ten_orders"]["ratio_with_disk"] > 0


def test_scheduler() -> None:
    """In virtual time: here the figures do prove something."""
    told = line_of("scheduler", "--quick")
    for budget in ("bucket", "shared"):
        for scene in ("sustained", "bursts", "slow_uplinks"):
            assert told[budget][scene]["refused"] == 0
            assert told[budget][scene]["most_in_a_second"] <= 10
        assert told[budget]["order_behind_200"]["requests_let_past"] == 0
        assert told[budget]["sustained"]["of_the_most"] > 0.9


def test_memory() -> None:
    told = line_of("memory", "--quick")
    assert told["delivered"] == 1.0
    assert told["after_mb"] > 0
    assert told["ratio"] > 0


def test_risk_gate() -> None:
    told = line_of("risk_gate", "--quick")
    for books in ("quiet", "busy"):
        assert told[books]["floor_us"] > 0
        assert told[books]["with_gate_us"] > 0
        assert told[books]["ratio"] > 0


def test_kill_switch() -> None:
    """That nothing leaves after the command, and every cancel does, is no question of speed."""
    told = line_of("kill_switch", "--quick")
    assert told["waiting"] > 0
    assert told["orders_sent_after"] == 0
    assert told["accepted_after"] <= told["in_flight"]
    assert told["cancels"] >= 5
    assert told["verified_ms"] >= told["cancels_sent_ms"] > 0


def test_catalogue() -> None:
    told = line_of("catalogue", "--quick")
    assert told["load"]["entries"] == 276
    assert min(told["load"][name] for name in ("ms", "mb", "time_ratio", "memory_ratio")) > 0
    for scene in ("one_at_a_time", "8_at_once"):
        assert min(told[scene].values()) > 0


def test_soak() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.soak", "--minutes", "0.2", "--every", "1"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=180,
    )
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert (told["exit_code"], told["books_equal"]) == (0, True)
    assert len(told["rss_mib"]) == len(told["fds"]) > 1
    assert min(told["rss_mib"]) > 0
