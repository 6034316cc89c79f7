#!/usr/bin/python
"""Hold kernel settings, in force and at boot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_settings
short_description: Hold kernel settings
description:
  - Compares the file and what is in force, so a value that was changed by hand is a change.
  - A container that may not change its kernel's settings holds the file alone, with a warning.
options:
  settings: {description: Name to value, type: dict, required: true}
  path: {description: File that is read at boot, type: path, required: true}
"""

EXAMPLES = r"""
- name: Forward packets
  kernel_settings:
    path: /etc/sysctl.d/60-example.conf
    settings: {net.ipv4.ip_forward: 1}
"""

RETURN = r"""
settings: {description: Names that were set, or would be, type: list, returned: always}
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

ROOT = Path("/proc/sys")


def in_force(name: str) -> str:
    """Return a setting's value with single spaces, or nothing when this kernel doesn't have it."""
    try:
        return " ".join((ROOT / name.replace(".", "/")).read_text().split())
    except OSError:
        return ""


def read_only(name: str) -> bool:
    """Say whether this machine may not change a setting."""
    try:
        return bool(os.statvfs(ROOT / name.replace(".", "/")).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"settings": {"type": "dict", "required": True}, "path": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    wanted = {name: str(value) for name, value in module.params["settings"].items()}
    path = Path(module.params["path"])
    text = "".join(f"{name} = {value}\n" for name, value in sorted(wanted.items()))
    before = path.read_text() if path.exists() else ""
    found = {name: in_force(name) for name in wanted}
    different = sorted(name for name, value in wanted.items() if found[name] != value)
    if kept := [name for name in different if read_only(name)]:
        module.warn(f"this machine may not change its kernel's settings, its host must: {', '.join(kept)}")
        different = [name for name in different if name not in kept]
    if not module.check_mode:
        if before != text:
            fresh = path.with_name(f".{path.name}.new")
            fresh.write_text(text)
            fresh.chmod(0o644)
            fresh.replace(path)
        for name in different:
            try:
                (ROOT / name.replace(".", "/")).write_text(wanted[name])
            except OSError as error:
                module.fail_json(msg=f"{name} can't be set to {wanted[name]}: {error}")
    diff = [{"before": before, "after": text, "before_header": str(path), "after_header": str(path)}]
    diff += [
        {
            "before": f"{name} = {found[name]}\n",
            "after": f"{name} = {wanted[name]}\n",
            "after_header": "in force",
        }
        for name in different
    ]
    module.exit_json(changed=before != text or bool(different), settings=different, diff=diff)


if __name__ == "__main__":
    main()
