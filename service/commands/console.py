"""The console script ``kidogo``: one name for the commands, each imported when it is called."""

import pkgutil
import sys
from collections.abc import Sequence
from typing import NamedTuple


class Command(NamedTuple):
    """``entry`` is the function to call without arguments; it reads ``sys.argv``. ``extra`` installs what it needs."""

    entry: str
    help: str
    extra: str | None = None


COMMANDS = {
    "serve": Command("service.commands.serve:main", "serve variants over HTTP; without any, the one that is installed"),
    "build": Command("build_models.__main__:cli", "make variants of a model, check, and roll back", extra="build"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; returns the exit status."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print("usage: kidogo COMMAND …\n")
        for known, command in COMMANDS.items():
            print(f"  kidogo {known:<10} {command.help}")
        print("\nkidogo COMMAND --help has the options of a command.")
        return 0
    if name not in COMMANDS:
        print(f"kidogo: no command {name!r}; choose from {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    command = COMMANDS[name]
    sys.argv = [f"kidogo {name}", *rest]
    try:
        run = pkgutil.resolve_name(command.entry)
        return int(run() or 0)
    except ModuleNotFoundError as error:
        if command.extra is None:
            raise
        print(
            f"kidogo {name} needs the package {error.name}, which is not installed:"
            f" pip install 'kidogo[{command.extra}]'",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
