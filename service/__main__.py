"""``python -m service``: the console script ``kidogo``, where it is not installed."""

import sys

from service.commands.console import main

if __name__ == "__main__":
    sys.exit(main())
