"""What the service changes in the process that ``bentoml serve`` supervises its worker from."""

import signal
from typing import Any

from circus.client import make_json
from circus.sighandler import SysHandler


def pass_on_sighup() -> None:
    """Have the supervisor, if this process becomes it, hand SIGHUP to the worker, which then looks for new artefacts.

    By itself it would replace the worker, and the new one would refuse requests while it loads.
    """

    def handle_hup(self: Any) -> None:
        ask = make_json("signal", name="service", signum=int(signal.SIGHUP))
        self.controller.loop.add_callback_from_signal(self.controller.dispatch, (None, ask))

    SysHandler.handle_hup = handle_hup
