"""What the service changes in the process that ``bentoml serve`` supervises its worker from."""

import signal
import sys
from typing import Any


def pass_on_sighup() -> None:
    """Have the supervisor, if this process is it, hand SIGHUP to the worker, which then looks for new artefacts.

    By itself it would replace the worker, and the new one would refuse requests while it loads.
    """
    handler = sys.modules.get("circus.sighandler")
    if handler is None:
        return
    from circus.client import make_json

    def handle_hup(self: Any) -> None:
        ask = make_json("signal", name="service", signum=int(signal.SIGHUP))
        self.controller.loop.add_callback_from_signal(self.controller.dispatch, (None, ask))

    handler.SysHandler.handle_hup = handle_hup
