"""What the verbs on stacks share: options, the session that drives a run, its progress and its summary.

Goes in: what `preview`, `up`, `refresh`, `destroy`, `runs` and `resume` have in common. Stays out: the run itself
(``donvi.fleet``).
"""
