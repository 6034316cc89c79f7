"""The Pulumi program: the stack ``platform``, and one stack per unit named ``<code>-<slug>``."""
