"""JSON schemas of the YAML files, generated from the types that parse them.

``python -m donvi.registry.schema city/schema`` writes them; a test compares, so editor and parser agree.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from donvi.registry.drift_rules import DriftRules
from donvi.registry.images import Images
from donvi.registry.model import Posts, Settings, Sources, System
from donvi.registry.portal_model import Portal

FILES: dict[str, type] = {
    "city.json": Settings,
    "drift-rules.json": DriftRules,
    "images.json": Images,
    "portal.json": Portal,
    "posts.json": Posts,
    "sources.json": Sources,
    "system.json": System,
}


def schema(kind: type) -> str:
    """Return the JSON schema (draft 2020-12) of a file's type as text."""
    found: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(kind)}
    return json.dumps(found, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def main(arguments: list[str]) -> None:
    """Write every schema into the folder named on the command line."""
    (folder,) = arguments
    for name, kind in FILES.items():
        (Path(folder) / name).write_text(schema(kind), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
