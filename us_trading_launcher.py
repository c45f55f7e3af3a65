"""Trades US stocks: on the built-in simulator, with virtual money, or with real money."""

import sys
from collections.abc import Sequence

from daemon import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; returns the exit code."""
    return cli.trade_us(argv)


if __name__ == "__main__":
    sys.exit(main())
