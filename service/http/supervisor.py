"""Changes the process from which ``bentoml serve`` supervises its worker."""

import signal
from typing import Any

from circus.client import make_json
from circus.sighandler import SysHandler


def pass_on_sighup() -> None:
    """Make the supervisor, if this process becomes one, pass SIGHUP to the worker, which then looks for new artefacts.

    By default it replaces the worker, and the new worker refuses requests while it loads.
    """

    def handle_hup(self: Any) -> None:
        ask = make_json("signal", name="service", signum=int(signal.SIGHUP))
        self.controller.loop.add_callback_from_signal(self.controller.dispatch, (None, ask))

    SysHandler.handle_hup = handle_hup
