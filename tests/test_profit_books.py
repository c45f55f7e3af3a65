"""Books of profit that settings describe."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_what_profit_depends_on_is_told_in_the_same_words_by_every_process(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path;from daemon.profit_books import profit_book;"
        "from daemon.config import load_settings;"
        "funds = {'funds': [f'{each:06}' for each in range(9)]};"
        "settings = load_settings('sim', {'costs': funds}, environ={}, root=Path());"
        "print(profit_book(settings).basis)"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            env={"PYTHONHASHSEED": seed},
            cwd=ROOT,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1
    assert b"000008" in told.pop()
