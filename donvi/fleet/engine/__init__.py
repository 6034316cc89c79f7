"""Runs many stacks with what is costly started once: interpreter, imports, provider, policy pack.

The official engine runs each stack, on the same state and with the same results as by hand; what it would start for
each stack it finds running. ``runner.py`` is the door; ``hosts.py`` are the processes as the driver sees them,
``warm.py`` is one of them, ``program.py`` what its children do, ``project.py`` what ``Pulumi.yaml`` says.
Stays out: which stacks, in what order, what becomes of the results (``donvi.fleet``).
"""

from donvi.fleet.engine.runner import FastRunner

__all__ = ["FastRunner"]
