#!/usr/bin/python
"""Hold secrets in Vault's KV engine whose values are drawn at random, once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_kv_generated
short_description: Hold secrets with randomly drawn values in Vault KV version 2
description:
  - A generated field is drawn when it is missing and never changed afterwards; a field with a value is enforced.
  - All secrets are handled in one call. Values come back in I(secrets), so the task needs C(no_log).
  - For secrets that don't exist yet check mode returns values that are thrown away, so that later tasks can be checked.
options:
  address: {description: URL of Vault, type: str, required: true}
  ca_file: {description: Certificates that Vault's own is checked against, type: path, required: true}
  client_certificate: {description: The operator's certificate, type: path, required: true}
  client_key: {description: The operator's key, type: path, required: true}
  role: {description: Role of the cert auth method, type: str, default: administrator}
  mount: {description: Path of the KV engine, type: str, default: kv}
  wanted:
    description: Path below the mount to its fields.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Hold a key
  vault_kv_generated:
    address: https://vault.example.test:8200
    ca_file: /etc/ssl/root.crt
    client_certificate: operator.crt
    client_key: operator.key
    wanted:
      backends/dns: {values: {name: key.}, generated: {secret: base64}}
  no_log: true
"""

RETURN = r"""
secrets: {description: Path to all fields of each secret, type: dict, returned: always}
paths: {description: Paths that were written, or would be, type: list, returned: always}
"""

import base64
import secrets
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.donvi_vault import CONNECTION, Vault, VaultError, run_in_vault

BYTES = 32
MOUNT_ATTEMPTS = 20  # KV version 2 prepares itself in the background after it was mounted


def draw(encoding: str) -> str:
    """A random value of 256 bits."""
    raw = secrets.token_bytes(BYTES)
    if encoding == "base64":
        return base64.b64encode(raw).decode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read(vault: Vault, path: str) -> dict[str, str]:
    """The fields of a secret; empty when it doesn't exist."""
    for _ in range(MOUNT_ATTEMPTS):
        try:
            answer = vault.read(path)
        except VaultError as error:
            if "Upgrading" not in str(error):
                raise
            time.sleep(0.1)
            continue
        return (answer or {}).get("data") or {}
    raise VaultError(f"{path}: the KV engine isn't ready")


def completed(found: dict[str, str], fields: dict[str, dict[str, str]]) -> dict[str, str]:
    """The secret as it must be: found fields, the declared values, what is missing drawn."""
    drawn = {name: draw(kind) for name, kind in (fields.get("generated") or {}).items() if not found.get(name)}
    return found | drawn | (fields.get("values") or {})


def converge(vault: Vault | None, mount: str, wanted: dict[str, Any], *, write: bool) -> dict[str, Any]:
    """Bring every secret to what is declared; without Vault everything is drawn and nothing kept."""
    result: dict[str, dict[str, str]] = {}
    paths: list[str] = []
    for path, fields in wanted.items():
        found = read(vault, f"{mount}/data/{path}") if vault else {}
        result[path] = completed(found, fields)
        if result[path] == found:
            continue
        paths.append(path)
        if write and vault:
            vault.request("POST", f"{mount}/data/{path}", {"data": result[path]})
    return {"changed": bool(paths), "paths": paths, "secrets": result}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=CONNECTION
        | {"mount": {"type": "str", "default": "kv"}, "wanted": {"type": "dict", "required": True, "no_log": False}},
        supports_check_mode=True,
    )
    mount, wanted = module.params["mount"], module.params["wanted"]
    result = run_in_vault(module, lambda vault: converge(vault, mount, wanted, write=not module.check_mode))
    if result.get("absent"):
        result |= converge(None, mount, wanted, write=False)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
