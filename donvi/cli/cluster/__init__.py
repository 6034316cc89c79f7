"""``donvi cluster``: the operator's way into the cluster.

Imports nothing by itself: ``donvi cluster credential`` starts without typer.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Load the verbs when the whole command line does."""
    if name == "app":
        from donvi.cli.cluster.verbs import app

        return app
    raise AttributeError(name)
