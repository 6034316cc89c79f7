"""Handlers of toy resources, found by the registry as the real ones are."""
