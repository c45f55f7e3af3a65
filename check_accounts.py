"""Shows an account: cash, holdings, open orders, token. Never orders."""

import sys
from collections.abc import Sequence

from daemon import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Show it; returns the exit code."""
    return cli.check_accounts(argv)


if __name__ == "__main__":
    sys.exit(main())
