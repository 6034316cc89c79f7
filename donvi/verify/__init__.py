"""Runs the acceptance suite in a process of its own and reads its verdict."""
