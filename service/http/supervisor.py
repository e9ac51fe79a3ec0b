"""Changes the supervisor process of ``bentoml serve``."""

import signal
from typing import Any

from circus.client import make_json
from circus.sighandler import SysHandler


def pass_on_sighup() -> None:
    """If this process becomes the supervisor, make it forward SIGHUP to the worker, which then reloads artefacts.

    By default the supervisor replaces the worker, and the new one rejects requests while it loads.
    """

    def handle_hup(self: Any) -> None:
        ask = make_json("signal", name="service", signum=int(signal.SIGHUP))
        self.controller.loop.add_callback_from_signal(self.controller.dispatch, (None, ask))

    SysHandler.handle_hup = handle_hup
