"""`python -m daemon`: the operator's commands."""

import sys

from daemon.commands import main

if __name__ == "__main__":
    sys.exit(main())
