"""The Pulumi program of every stack: which one runs follows from the stack's name.

``platform`` exports the deployment (where the city's systems are); a unit's stack takes it from there.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

# the engine runs this file as a script: the repository's packages lie one folder up
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pulumi

from donvi.errors import DonviError
from stacks.program import run

gc.disable()  # what a program loads and declares stays until its end: to search it is a tenth of all its work
try:
    run(pulumi.get_stack())
except DonviError as error:
    raise pulumi.RunError(str(error)) from None
