#!/usr/bin/python
"""Declare objects of Vault: mounts, auth methods, policies, roles, settings."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_object
short_description: Declare objects of Vault
description:
  - Compares each declared object with what Vault returns, field by field, and writes only those that differ.
  - Fields that are not declared are left alone. Nothing is ever deleted.
  - Runs on the controller and logs in with an operator's client certificate.
options:
  address: {description: URL of Vault, type: str, required: true}
  ca_file: {description: Certificates that Vault's own is checked against, type: path, required: true}
  client_certificate: {description: The operator's certificate, type: path, required: true}
  client_key: {description: The operator's key, type: path, required: true}
  role: {description: Role of the cert auth method, type: str, default: administrator}
  objects:
    description: What must be true, in order.
    type: list
    elements: dict
    required: true
    suboptions:
      kind:
        description:
          - C(mount) and C(auth) enable a secrets engine or auth method at I(path) of I(type) and tune it by I(data).
          - C(write) holds I(data) at I(path).
          - C(create) writes I(data) only when I(path) holds nothing, for keys that must never change.
        type: str
        choices: [mount, auth, write, create]
        default: write
      path: {description: API path without C(v1), type: str, required: true}
      type: {description: Type of a mount or auth method, type: str}
      options: {description: Options of a mount, type: dict}
      data: {description: Declared fields, type: dict, default: {}}
      secrets:
        description: Fields that Vault never returns, so they can't be compared; written whenever I(data) is.
        type: dict
        default: {}
"""

EXAMPLES = r"""
- name: Hold the policies
  vault_object:
    address: https://vault.example.test:8200
    ca_file: /etc/ssl/root.crt
    client_certificate: operator.crt
    client_key: operator.key
    objects:
      - {kind: mount, path: kv, type: kv, options: {version: "2"}}
      - {path: sys/policies/acl/reader, data: {policy: 'path "kv/data/*" { capabilities = ["read"] }'}}
"""

RETURN = r"""
objects: {description: Paths that were written, or would be, type: list, returned: always}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.donvi_vault import CONNECTION, Vault, run_in_vault, same

OBJECT = {
    "kind": {"type": "str", "choices": ["mount", "auth", "write", "create"], "default": "write"},
    "path": {"type": "str", "required": True},
    "type": {"type": "str"},
    "options": {"type": "dict"},
    "data": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
}


def compare(vault: Vault, item: dict[str, Any]) -> tuple[dict[str, Any] | None, list[str]]:
    """What is there, and the names of the declared fields that differ."""
    kind, path = item["kind"], item["path"]
    if kind in {"mount", "auth"}:
        table = "mounts" if kind == "mount" else "auth"
        found = vault.read(f"sys/{table}/{path}")
        if found is not None:
            found = vault.read(f"sys/{table}/{path}/tune") or {}
    else:
        found = vault.read(path)
    if found is None:
        return None, sorted(item["data"])
    if kind == "create":
        return found, []
    return found, sorted(name for name, value in item["data"].items() if not same(value, found.get(name)))


def apply(vault: Vault, item: dict[str, Any], *, exists: bool) -> None:
    """Write one object."""
    kind, path, data = item["kind"], item["path"], item["data"]
    if kind in {"write", "create"}:
        vault.request("POST", path, data | item["secrets"])
        return
    table = "mounts" if kind == "mount" else "auth"
    if not exists:
        body = {"type": item["type"], "config": data}
        vault.request("POST", f"sys/{table}/{path}", body | ({"options": item["options"]} if item["options"] else {}))
    else:
        vault.request("POST", f"sys/{table}/{path}/tune", data)


def shown(item: dict[str, Any], names: list[str], source: dict[str, Any] | None) -> str:
    """The differing fields as text for ``--diff``."""
    if source is None:
        return ""
    return "".join(f"{item['path']}: {name} = {source.get(name)}\n" for name in names) or f"{item['path']}\n"


def converge(vault: Vault, objects: list[dict[str, Any]], *, write: bool) -> dict[str, Any]:
    """Bring every object to what is declared."""
    written: list[str] = []
    before = after = ""
    for item in objects:
        found, names = compare(vault, item)
        if found is not None and not names:
            continue
        written.append(item["path"])
        before += shown(item, names, found)
        after += shown(item, names, item["data"])
        if write:
            apply(vault, item, exists=found is not None)
    return {"changed": bool(written), "objects": written, "diff": {"before": before, "after": after}}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=CONNECTION
        | {"objects": {"type": "list", "elements": "dict", "required": True, "options": OBJECT}},
        supports_check_mode=True,
    )
    result = run_in_vault(module, lambda vault: converge(vault, module.params["objects"], write=not module.check_mode))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
