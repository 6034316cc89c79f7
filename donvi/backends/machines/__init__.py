"""Machines over SSH, with a key that lives minutes, on tmpfs, signed by Vault.

What goes in: running a script on a machine of the deployment. What stays out: what the scripts do
(``donvi.provider.handlers``) and the configuration of machines (``playbooks``).
"""

from donvi.backends.machines.runner import Completed, SshRunner

__all__ = ["Completed", "SshRunner"]
