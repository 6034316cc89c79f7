"""What every plugin process of this repository needs to talk to the Pulumi engine, and nothing about what it serves.

In: the encoding of values, the process with its gRPC server, statuses that carry a half-made resource, lines for a
person. Out: resources, back ends, the city. Used by ``donvi.provider`` and by the lab's Kubernetes plugin.
"""

from typing import Final

HOST_VARIABLE: Final = "DONVI_PLUGIN_HOST"
"""Set for a plugin that is to serve many engines (``hosting.py``), to the pid of whoever starts it."""

GRACE_SECONDS: Final = 20.0
"""How long operations that run may take to finish after a signal or the death of whoever started a plugin."""
