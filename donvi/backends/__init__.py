"""Adapters of the real systems, plain functions usable without Pulumi."""
