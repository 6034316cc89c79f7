"""``python -m donvi.provider``: the executable that the engine starts, see ``plugin/pulumi-resource-donvi``."""

from __future__ import annotations

from donvi.plugin import process
from donvi.provider.handler import Registry
from donvi.provider.server import serve

if __name__ == "__main__":
    serve(Registry())
    process.leave()
