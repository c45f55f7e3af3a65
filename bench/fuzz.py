"""Fuzz the codec for long: `uv run python bench/fuzz.py --cases 10000000 --processes 2`.

Prints one JSON line. Exits with 1 at the first error the codec does not name, with the seed, the
number of the case and its input in hex.
"""

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.kis.fuzzing import Escaped, Fuzz


def run(seed: int, cases: int) -> Counter[str]:
    """One process's share."""
    return Fuzz(seed).run(cases)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    shares = options.processes * 10
    each, rest = divmod(options.cases, shares)
    cases = [each + (number < rest) for number in range(shares)]
    started = time.perf_counter()
    outcomes: Counter[str] = Counter()
    told: dict[str, object] = {"bench": "fuzz", "cases": options.cases, "seed": options.seed}
    failed = 0
    with ProcessPoolExecutor(options.processes) as pool:
        runs = [pool.submit(run, options.seed + number, cases[number]) for number in range(shares)]
        try:
            for done in runs:
                outcomes += done.result()
        except Escaped as escaped:
            failed = 1
            pool.shutdown(cancel_futures=True)
            told |= {
                "failed_seed": escaped.seed,
                "failed_case": escaped.case,
                "where": escaped.what,
                "cause": escaped.cause,
                "input": escaped.hex,
            }
    seconds = time.perf_counter() - started
    told |= {
        "seconds": round(seconds, 1),
        "cases_per_second": round(options.cases / seconds),
        "outcomes": dict(sorted(outcomes.items())),
    }
    print(json.dumps(told, ensure_ascii=False))
    return failed


if __name__ == "__main__":
    sys.exit(main())
