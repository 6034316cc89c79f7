"""Stacks run by workers on other machines, over dask.distributed; the driver stays where the person is.

Goes in: how one operation of one stack travels to a worker and back. Stays out: order, waves, gates, journal and
limits, which are the driver's as on one machine.
"""
