"""Stack files of the clone that belong to another lab.

The engine writes a stack's wrapped key into ``stacks/config/Pulumi.<stack>.yaml``, which version control ignores. After
a reset, or when another clone made the lab anew, that key can't be unwrapped any more and every run of the stack fails;
without it the engine takes the key from the stack's state.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from lab.files import place

if TYPE_CHECKING:
    from pathlib import Path

    from lab.settings import LabSettings

OF_THE_LAB = ("secretsprovider", "encryptedkey", "encryptionsalt")
PROJECT = "donvi"


def forget_foreign_keys(settings: LabSettings) -> list[str]:
    """Take the wrapped keys of other labs out of the clone's stack files; return the names of those stacks.

    Settings that somebody wrote into such a file stay; a file of keys alone goes.
    """
    forgotten = []
    for file in sorted((settings.repository / "stacks/config").glob("Pulumi.*.yaml")):
        stack = file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        content = yaml.safe_load(file.read_text()) or {}
        key = content.get("encryptedkey")
        if key is None or key == _key_in_state(settings.home / "pulumi", stack):
            continue
        rest = {name: value for name, value in content.items() if name not in OF_THE_LAB}
        if rest:
            place(file, yaml.safe_dump(rest, allow_unicode=True).encode())
        else:
            file.unlink()
        forgotten.append(stack)
    return forgotten


def _key_in_state(backend: Path, stack: str) -> str | None:
    try:
        state: dict[str, Any] = json.loads((backend / ".pulumi/stacks" / PROJECT / f"{stack}.json").read_text())
        key: str = state["checkpoint"]["latest"]["secrets_providers"]["state"]["encryptedkey"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return key
