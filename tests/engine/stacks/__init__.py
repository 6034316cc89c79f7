"""The real stacks on the real systems of the lab, one test after the other."""
