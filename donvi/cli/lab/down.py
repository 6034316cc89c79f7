"""``donvi lab down``: nothing left on the host but the disks."""

from __future__ import annotations

from donvi.cli.lab.place import lab_settings

EPILOG = """
Example:

`donvi lab down` · disks and the engine's state stay in the lab's folder; `donvi lab up` goes on from there
"""


def down() -> None:
    """Stop every machine and remove its processes, mounts, namespaces, links and cgroups; disks and state stay."""
    settings = lab_settings()
    from lab import control
    from lab.display import display

    with display() as shown:
        control.down(settings, shown)
