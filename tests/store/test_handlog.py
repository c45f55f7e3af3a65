import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.store.handlog import HandLog

AT = datetime(2026, 11, 2, tzinfo=UTC)


def test_lines_are_appended_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "sim" / "by-hand.jsonl"
    HandLog(path).write("sending", AT, {"api": "a"})
    HandLog(path).write("answered", AT, {"code": "0"})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["what"] for line in lines] == ["sending", "answered"]
    assert lines[0] == {"at": "2026-11-02T00:00:00+00:00", "what": "sending", "api": "a"}
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="link"):
        HandLog(tmp_path / "link").write("sending", AT, {})
    assert not (tmp_path / "elsewhere").exists()
