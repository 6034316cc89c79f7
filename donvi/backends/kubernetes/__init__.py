"""The cluster's API by plain HTTPS: Secrets of certificates, and reading many objects at once.

What goes in: one call per operation that donvi's own provider and verifier need, our errors, our owner mark. What stays
out: what a unit should have (``donvi.tenancy``), the objects that components declare through ``pulumi_kubernetes``.
Modules are imported one by one (``client``, ``objects``, ``secrets``): whoever needs a credential only waits for no
other library.
"""
