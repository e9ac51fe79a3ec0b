"""``kidogo serve``: ``bentoml serve`` on a folder of artefacts, or on the variant that is installed with Kidogo."""

import argparse
import logging
import os
import sys
from pathlib import Path

from service.artifacts.bundled import BUNDLED, given_or_bundled, has_artifacts
from service.telemetry.environment import refuse_invalid_environment
from service.variants import BUNDLED_VARIANT

SITE = Path(__file__).parents[2]
"""Where Python finds ``service``."""


def main() -> None:
    """Become the server. Its settings are environment variables."""
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
    parser.add_argument(
        "--single-process",
        action="store_true",
        help="serve without BentoML, in half the memory; nothing restarts the process if it is killed, as BentoML's "
        "supervisor does with its worker",
    )
    arguments = parser.parse_args()
    artifacts = given_or_bundled(arguments.artifacts or os.environ.get("NER_ARTIFACTS"))
    if artifacts == BUNDLED:
        os.environ.setdefault("NER_VARIANTS", BUNDLED_VARIANT)
        print(
            f"serving the bundled model as {BUNDLED_VARIANT}; kidogo build makes the other variants in ./artifacts",
            file=sys.stderr,
        )
    elif has_artifacts(artifacts):
        print(f"serving the variants in {artifacts}", file=sys.stderr)
    else:
        parser.error(f"{artifacts} contains no artefacts: kidogo build --out {artifacts} makes them")
    os.environ["NER_ARTIFACTS"] = str(artifacts)
    refuse_invalid_environment()
    serve = serve_here if arguments.single_process else serve_supervised
    serve(arguments.host, arguments.port)


def serve_supervised(host: str, port: int) -> None:
    """Replace this process with ``bentoml serve``."""
    # A module named service where the command is called must not be taken for this one.
    os.environ["PYTHONSAFEPATH"] = "1"
    command = [sys.executable, "-m", "bentoml", "serve", "service:NerService", "--working-dir", str(SITE)]
    os.execv(sys.executable, [*command, "--host", host, "--port", str(port)])


def serve_here(host: str, port: int) -> None:
    """Answer requests in this process until it gets a signal.

    Raises ``SystemExit`` if the port is taken.
    """
    # Read when prometheus_client is imported. One process keeps its metrics in memory.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    import uvicorn

    from service import process
    from service.http.api import create_api
    from service.http.front import Front
    from service.http.transport import HttpProtocol

    # The format of warnings from libraries.
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    app = Front(create_api(process.lifespan))
    # Without ``workers``, uvicorn reads WEB_CONCURRENCY, which some hosts set.
    uvicorn.run(
        app, host=host, port=port, workers=1, http=HttpProtocol, ws="none", log_config=None, server_header=False
    )
