"""Shows all accounts: cash, holdings, open orders, token. Never orders."""

import sys
from collections.abc import Sequence

from daemon import accounts_command


def main(argv: Sequence[str] | None = None) -> int:
    """Show them; returns the exit code."""
    return accounts_command.main(argv)


if __name__ == "__main__":
    sys.exit(main())
