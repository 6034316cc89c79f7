"""Starts the real provider server with the toy handlers."""

from donvi.provider.handler import Registry
from donvi.provider.server import serve

if __name__ == "__main__":
    serve(Registry("tests.engine.toy.subjects"))
