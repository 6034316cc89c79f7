"""Enforces Kubernetes NetworkPolicies on the lab's node, where no component that does could be had.

In: a pure function from pods, namespaces and policies to one nftables ruleset, and the service that watches the API,
loads the ruleset in one transaction and cuts connections it no longer allows. Out: everything else; a real cluster
brings its own. It is copied to the node and runs there with Debian's Python alone, so it imports the standard library
and itself, nothing else.

What it holds to, beyond the API's documentation:

- Pod traffic that the node forwards is filtered both ways; what a pod sends to the node itself counts as its egress.
  What the node sends to its pods always passes (probes).
- Answers pass by connection tracking; a connection begins with a SYN, so the other end can't take up one that was cut.
- A pod address that the API hasn't told of yet passes nothing, in either direction.
"""
