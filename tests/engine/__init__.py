"""Tests with the real engine: the adapter's quirks with toy handlers, the stacks against the lab."""
