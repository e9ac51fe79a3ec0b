"""The shell commands of the documentation."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from tests import ROOT

BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


class Command(NamedTuple):
    """One command of a code block, and where it stands."""

    place: str
    words: list[str]


def pages() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True)
    return listed.stdout.split()


def commands() -> Iterator[Command]:
    """The commands of all pages; continued lines are joined, and those joined by && are taken apart."""
    for page in pages():
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            line = text[: block.start()].count("\n") + 2
            for command in block[2].replace("\\\n", " ").splitlines():
                words = shlex.split(command, comments=True)
                while words:
                    end = words.index("&&") if "&&" in words else len(words)
                    yield Command(f"{page}:{line}", words[:end])
                    words = words[end + 1 :]
                line += 1
