"""``python3 -m network_policy SETTINGS.json``: the service on the node."""

import logging
import os
import sys
import threading
from pathlib import Path

from .agent import Agent, Settings


def _end(failure: threading.ExceptHookArgs) -> None:
    """A watch that stopped would leave old rules in force unnoticed: end, and be started again."""
    log.error("%s failed", failure.thread, exc_info=failure.exc_value)
    os._exit(1)


log = logging.getLogger("network_policy")
logging.basicConfig(level=logging.INFO, format="%(message)s")
threading.excepthook = _end
Agent(Settings.read(Path(sys.argv[1]))).run()
