"""Trading in US markets: not part of this version."""

import sys
from collections.abc import Sequence

from daemon import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Say so; returns the exit code."""
    return cli.trade_us(argv)


if __name__ == "__main__":
    sys.exit(main())
