"""Runs the example whose rule is the stack's name."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pulumi

# the resource types of the provider donvi are the repository's
sys.path.append(str(Path(__file__).resolve().parents[2]))

example = import_module(pulumi.get_stack().replace("-", "_"))
example.program(repaired=pulumi.Config().get_bool("repaired") or False)
