"""Drives stacks through the engine: one by one, in order, with locks it can prove dead."""
