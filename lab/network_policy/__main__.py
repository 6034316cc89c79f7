"""``python3 -m network_policy SETTINGS.json [--closed]``: the service on the node.

With ``--closed`` it makes sure that rules are loaded at all, those that let nothing pass if need be, and ends.
"""

import logging
import os
import sys
import threading
from pathlib import Path

from .agent import Agent, Settings, ensure_closed


def _end(failure: threading.ExceptHookArgs) -> None:
    """A watch that stopped would leave old rules in force unnoticed: end, and be started again."""
    log.error("%s failed", failure.thread, exc_info=failure.exc_value)
    os._exit(1)


log = logging.getLogger("network_policy")
logging.basicConfig(level=logging.INFO, format="%(message)s")
threading.excepthook = _end
settings = Settings.read(Path(sys.argv[1]))
if "--closed" in sys.argv:
    ensure_closed(settings)
else:
    Agent(settings).run()
