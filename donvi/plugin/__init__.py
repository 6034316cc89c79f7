"""What every plugin process of this repository needs to talk to the Pulumi engine, and nothing about what it serves.

In: the encoding of values, the process with its gRPC server, statuses that carry a half-made resource, lines for a
person. Out: resources, back ends, the city. Used by ``donvi.provider`` and by the lab's Kubernetes plugin.
"""
