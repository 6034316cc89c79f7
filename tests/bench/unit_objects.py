"""Prints a unit's Kubernetes objects as the component declares them: a JSON list of token, name and properties.

In a process of its own, because it runs the component under Pulumi's mocks. What donvi's own provider makes (the
certificate) isn't among them.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pulumi

from donvi.registry import load_city
from donvi.tenancy import describe


class Recorder(pulumi.runtime.Mocks):
    """Takes down what is registered."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if args.typ.startswith("kubernetes:"):
            self.found.append({"token": args.typ, "name": args.name, "properties": dict(args.inputs)})
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[Any, Any]:
        return {}


def main(code: str) -> None:
    """Print the objects of one unit."""
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder)
    from components.apps import Apps, AppsConfig

    tenancy = describe(load_city(), code)
    Apps("apps", AppsConfig(code, tenancy.namespaces, tenancy.apps))
    import asyncio

    asyncio.get_event_loop().run_until_complete(pulumi.runtime.stack.wait_for_rpcs())
    print(json.dumps(recorder.found))


if __name__ == "__main__":
    main(sys.argv[1])
