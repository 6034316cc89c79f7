"""Machines over SSH, with a key that lives minutes, on tmpfs, signed by Vault.

What goes in: running a script or a playbook on machines of the deployment. What stays out: what the scripts do
(``donvi.provider.handlers``) and the configuration of machines (``playbooks``).
"""

from donvi.backends.machines.host_certificate import HostCertificate, host_certificate
from donvi.backends.machines.playbook import PlaybookRun, run_playbook
from donvi.backends.machines.results import ChangedTask, HostResult, PlaybookResult, TaskEvent
from donvi.backends.machines.runner import Completed, SshRunner

__all__ = [
    "ChangedTask",
    "Completed",
    "HostCertificate",
    "HostResult",
    "PlaybookResult",
    "PlaybookRun",
    "SshRunner",
    "TaskEvent",
    "host_certificate",
    "run_playbook",
]
