"""``kidogo serve``: ``bentoml serve`` on a folder of artefacts, or on the variant that is installed with Kidogo."""

import argparse
import os
import sys
from pathlib import Path

from service.artifacts.manifest import MANIFEST
from service.variants import BUNDLED_VARIANT

BUNDLED = Path(__file__).parents[1] / "bundled"
"""The folder of the artefact that is installed with Kidogo."""

SITE = Path(__file__).parents[2]
"""Where Python finds ``service``."""


def main() -> None:
    """Replace this process with the server. Its settings are environment variables."""
    parser = argparse.ArgumentParser(
        prog="kidogo serve",
        description="Serve the variants of a folder; if it has none, the bundled model, compressed to "
        f"{BUNDLED_VARIANT}. docs/settings.md lists the settings, which are environment variables.",
    )
    parser.add_argument(
        "--artifacts", type=Path, help="output folder of the build; default: NER_ARTIFACTS or artifacts"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    arguments = parser.parse_args()
    given = arguments.artifacts or os.environ.get("NER_ARTIFACTS")
    artifacts = Path(given or "artifacts").resolve()
    if any(artifacts.glob(f"*/{MANIFEST}")):
        print(f"serving the variants in {artifacts}", file=sys.stderr)
    elif given:
        parser.error(f"{artifacts} contains no artefacts: kidogo build --out {given} makes them")
    else:
        artifacts = BUNDLED
        os.environ.setdefault("NER_VARIANTS", BUNDLED_VARIANT)
        print(
            f"serving the bundled model as {BUNDLED_VARIANT}; kidogo build makes the other variants in ./artifacts",
            file=sys.stderr,
        )
    os.environ["NER_ARTIFACTS"] = str(artifacts)
    # A folder named service where the command is called must not be taken for this one.
    command = [sys.executable, "-m", "bentoml", "serve", "service:NerService", "--working-dir", str(SITE)]
    os.execv(sys.executable, [*command, "--host", arguments.host, "--port", str(arguments.port)])
