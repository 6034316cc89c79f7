"""Manifests for the Pulumi Kubernetes Operator 2.x: continuous reconciliation of the same stacks, inside a cluster.

Goes in: what follows from city, places and choices, as plain objects, and their files. Stays out: talking to a cluster.
"""

from donvi.fleet.operator.files import Bundle, render, write
from donvi.fleet.operator.manifests import bundle
from donvi.fleet.operator.model import Choices, Drift, Places

__all__ = ["Bundle", "Choices", "Drift", "Places", "bundle", "render", "write"]
