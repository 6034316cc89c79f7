"""The custom resource of the Pulumi Kubernetes Operator that donvi writes, and a strict judgement of a manifest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jsonschema
import yaml

VARIABLE = "DONVI_OPERATOR_CRDS"
EXCERPT = Path(__file__).parents[1] / "unit/fleet/operator/stack_crd.yaml"
PUBLISHED = "pulumi.com_stacks.yaml"


def definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition: the published one where there is one, else the excerpt."""
    folder = os.environ.get(VARIABLE)
    path = Path(folder) / PUBLISHED if folder else EXCERPT
    crd: dict[str, Any] = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    return crd


def schema(crd: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of version v1 in which no object may have a property that the definition doesn't name."""
    found = next(version for version in crd["spec"]["versions"] if version["name"] == "v1")
    strict: dict[str, Any] = _closed(found["schema"]["openAPIV3Schema"])
    strict["properties"]["metadata"] = {"type": "object"}  # the API server's own
    return strict


def faults(manifest: dict[str, Any], strict: dict[str, Any]) -> list[str]:
    """Return what is wrong with a manifest, by path."""
    found = jsonschema.Draft202012Validator(strict).iter_errors(manifest)
    return [f"{error.json_path}: {error.message}" for error in found]


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {key: _closed(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made
