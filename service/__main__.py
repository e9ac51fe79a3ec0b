"""``python -m service annotate``."""

import sys


def main() -> None:
    command, *arguments = sys.argv[1:] or [""]
    if command != "annotate":
        print("usage: python -m service annotate INPUT… (--help says more)", file=sys.stderr)
        sys.exit(0 if command in ("-h", "--help") else 2)
    from service.annotation.command import main as annotate

    sys.exit(annotate(arguments))


if __name__ == "__main__":
    main()
