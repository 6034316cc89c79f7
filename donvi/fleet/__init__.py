"""Runs stacks by the official command line, and heals what a dead run left behind.

Goes in: what is done with whole stacks. Stays out: what a stack holds (``stacks``, ``components``), the real systems.
"""
