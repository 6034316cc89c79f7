"""What a plugin process loads of Pulumi's SDK: the engine's messages, and nothing besides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

SHARED = """
{first}
{second}
from donvi.plugin.proto import engine_pb2, provider_pb2
from pulumi.runtime.proto import engine_pb2 as sdk_engine, provider_pb2 as sdk_provider
assert engine_pb2.LogRequest is sdk_engine.LogRequest
assert provider_pb2.DiffResponse is sdk_provider.DiffResponse
assert provider_pb2.CheckRequest.AutonamingOptions is sdk_provider.CheckRequest.AutonamingOptions
import pulumi
assert pulumi.Output.from_input(1) is not None
"""
OURS, SDK = "import donvi.plugin.proto.provider_pb2_grpc", "import pulumi.runtime.proto.provider_pb2_grpc"


def run(program: str) -> str:
    """Run a program in a process of its own and return what it printed."""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "module", ["donvi.provider.__main__", "lab.kubernetes_plugin.__main__", "policies.server", "donvi.plugin.proto"]
)
def test_a_plugin_process_doesnt_load_the_sdk_for_programs(module: str) -> None:
    loaded = run(f"import sys, {module}; print('pulumi' in sys.modules, 'donvi.plugin.proto' in sys.modules)")
    assert loaded.split() == ["False", "True"], f"{module} pays for what only programs need"


@pytest.mark.parametrize(("first", "second"), [(OURS, SDK), (SDK, OURS)])
def test_a_message_has_one_class_by_either_name_whichever_is_loaded_first(first: str, second: str) -> None:
    run(SHARED.format(first=first, second=second))


def test_the_kubernetes_plugin_loads_no_http_library_before_the_api_is_asked() -> None:
    loaded = run("import sys, lab.kubernetes_plugin.__main__; print({'urllib3', 'http.client'} & set(sys.modules))")
    assert loaded.strip() == "set()", "a run without changes asks the API nothing"
