"""The engine's messages as Pulumi's SDK generates them, without the rest of that SDK.

``from donvi.plugin.proto import provider_pb2`` reads the same file as ``pulumi.runtime.proto`` does; importing it by
that name would run the package ``pulumi`` first, which is made for programs and takes as long to load as all that a
plugin needs (docs/adr, "What a plugin loads"). The message classes are the same ones by either name: protobuf keeps one
class per message and process.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.runtime.proto import analyzer_pb2 as analyzer_pb2
    from pulumi.runtime.proto import analyzer_pb2_grpc as analyzer_pb2_grpc
    from pulumi.runtime.proto import engine_pb2 as engine_pb2
    from pulumi.runtime.proto import engine_pb2_grpc as engine_pb2_grpc
    from pulumi.runtime.proto import plugin_pb2 as plugin_pb2
    from pulumi.runtime.proto import provider_pb2 as provider_pb2
    from pulumi.runtime.proto import provider_pb2_grpc as provider_pb2_grpc
    from pulumi.runtime.proto import status_pb2 as status_pb2


def _folders() -> list[str]:
    """Return where the SDK keeps its generated modules; looking for a top-level package doesn't run it.

    :raises ModuleNotFoundError: the SDK isn't installed.
    """
    sdk = find_spec("pulumi")
    found = [Path(place, "runtime", "proto") for place in (sdk and sdk.submodule_search_locations) or ()]
    if not any(folder.is_dir() for folder in found):
        raise ModuleNotFoundError("the package pulumi has no runtime/proto; install it as uv.lock has it")
    return [str(folder) for folder in found]


__path__ = _folders()
