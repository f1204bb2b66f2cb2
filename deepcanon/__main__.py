"""`python -m deepcanon` is the `deepcanon` command."""

import sys

from deepcanon.cli import main

if __name__ == "__main__":
    sys.exit(main())
