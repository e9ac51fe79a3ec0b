"""A real nginx, in the foreground, as whoever runs the tests."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@contextmanager
def proxying(site: str, folder: Path, probe: str = "/readyz") -> Iterator[int]:
    """nginx with this ``site``, which listens on 8080 in the text; gives the port that it listens on here, once
    ``probe`` is answered with 200.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    folder.mkdir()
    assert "listen 8080" in site
    site = site.replace("listen 8080", f"listen 127.0.0.1:{port}")
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{site}}}\n"
    )
    with subprocess.Popen([str(NGINX), "-e", str(folder / "error.log"), "-c", str(configuration)]) as process:
        try:
            deadline = time.monotonic() + 10
            while True:
                assert process.poll() is None, (folder / "error.log").read_text()
                assert time.monotonic() < deadline
                try:
                    if httpx.get(f"http://127.0.0.1:{port}{probe}").status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()
