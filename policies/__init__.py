"""The policy pack: what no preview and no ``up`` may get past, whoever wrote the program.

Goes in: rules (``rules/``, one file per subject), the register of waivers (``waivers.yaml``), and what lets the engine
run them. Stays out: how a unit's description follows from data (``donvi.tenancy``), and what makes it real. A rule is a
pure function of a resource's inputs and the city's numbers; it never names a value, only where it stands.
"""
