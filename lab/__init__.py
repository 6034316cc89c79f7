"""The embedded default: real machines on one host, so that everything else runs on a laptop and in CI.

In: the image, machines and their network, keys and certificates that exist before any server does, the inventory and
the deployment file, the lock of the one lab per host. Out: what runs on the machines; that is ``playbooks/``' business.
"""
