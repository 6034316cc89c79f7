"""The real API that the watches follow."""

from tests.support.control_plane import control_plane

__all__ = ["control_plane"]
