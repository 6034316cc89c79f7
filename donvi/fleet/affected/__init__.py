"""Which stacks a difference to a git revision can touch, and the proof that it can't touch the others.

Goes in: comparing two revisions of the city's data unit by unit, and of the code that stacks run. Stays out: running
anything. What can't be told apart counts as affected: a stack is left out only with proof.
"""

from donvi.fleet.affected.code import Code, read_code
from donvi.fleet.affected.whole import Affected, affected, current_code

__all__ = ["Affected", "Code", "affected", "current_code", "read_code"]
