"""The Pulumi program and what drives it: the stack ``platform``, and one stack per unit named ``<code>-<slug>``."""
