"""The pure function from the city's data to one frozen description of a unit.

Goes in: what a unit has on every shared system, as data. Stays out: input and output, Pulumi, servers.
"""
