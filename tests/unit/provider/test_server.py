"""What the provider process knows before the engine calls it."""

from __future__ import annotations

from importlib.metadata import version

from donvi.provider.handler import BACKEND_LIMITS
from donvi.provider.server import THREADS, VERSION, restrict


def test_the_engine_records_the_packages_version() -> None:
    assert version("donvi") == VERSION


def test_the_environment_is_cut_down_to_what_is_needed() -> None:
    environ = {"PATH": "/bin", "VAULT_TOKEN": "t", "DONVI_CITY": "c", "AWS_SECRET_ACCESS_KEY": "s", "PULUMI_HOME": "p"}
    restrict(environ)
    assert set(environ) == {"PATH", "VAULT_TOKEN", "DONVI_CITY"}


def test_full_backends_leave_threads_for_the_others() -> None:
    assert sum(BACKEND_LIMITS.values()) < THREADS
