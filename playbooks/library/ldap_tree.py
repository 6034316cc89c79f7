#!/usr/bin/python
"""Hold a list of entries of the local directory, with their passwords."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ldap_tree
short_description: Hold entries of the local directory
description:
  - Runs on the directory's own machine and speaks over C(ldapi) as root.
  - Creates missing entries in order and enforces the declared attributes; other attributes are left alone.
  - A password is enforced by trying it, so its stored form may be any hash.
options:
  entries:
    description: The entries, parents first.
    type: list
    elements: dict
    required: true
    suboptions:
      dn: {description: Name of the entry, type: str, required: true}
      attributes: {description: Attribute to its value or list of values, type: dict, required: true}
      password: {description: Password that must open the entry, type: str}
"""

EXAMPLES = r"""
- name: Hold the base
  ldap_tree:
    entries:
      - {dn: "dc=example,dc=test", attributes: {objectClass: [organization, dcObject], o: Example}}
"""

RETURN = r"""
entries: {description: Entries that were written, or would be, type: list, returned: always}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

try:
    import ldap
    import ldap.modlist

    MISSING = ""
except ImportError as error:
    MISSING = str(error)

URL = "ldapi:///"
ENTRY = {
    "dn": {"type": "str", "required": True},
    "attributes": {"type": "dict", "required": True},
    "password": {"type": "str", "no_log": True},
}


def encoded(attributes: dict[str, Any]) -> dict[str, list[bytes]]:
    """Attribute values as the wire wants them."""
    return {
        name: [str(one).encode() for one in (value if isinstance(value, list) else [value])]
        for name, value in attributes.items()
    }


def found(connection: Any, dn: str, names: list[str]) -> dict[str, list[bytes]] | None:
    """The declared attributes of an entry, or None."""
    try:
        answer = connection.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", names)
    except ldap.NO_SUCH_OBJECT:
        return None
    return {name.lower(): values for name, values in answer[0][1].items()}


def opens(dn: str, password: str) -> bool:
    """Whether the password opens the entry."""
    connection = ldap.initialize(URL)
    try:
        connection.simple_bind_s(dn, password)
    except (ldap.INVALID_CREDENTIALS, ldap.NO_SUCH_OBJECT, ldap.INAPPROPRIATE_AUTH):
        return False
    finally:
        connection.unbind_s()
    return True


def hold(connection: Any, entry: dict[str, Any], *, write: bool) -> bool:
    """Bring one entry to what is declared; whether it differed."""
    dn, wanted, password = entry["dn"], encoded(entry["attributes"]), entry["password"]
    secret = {"userPassword": [password.encode()]} if password else {}
    there = found(connection, dn, list(wanted))
    if there is None:
        if write:
            connection.add_s(dn, ldap.modlist.addModlist(wanted | secret))
        return True
    changes = [
        (ldap.MOD_REPLACE, name, values)
        for name, values in wanted.items()
        if sorted(there.get(name.lower(), [])) != sorted(values)
    ]
    if password and not opens(dn, password):
        changes.append((ldap.MOD_REPLACE, "userPassword", secret["userPassword"]))
    if changes and write:
        connection.modify_s(dn, changes)
    return bool(changes)


def converge(module: AnsibleModule) -> dict[str, Any]:
    """Bring every entry to what is declared."""
    connection = ldap.initialize(URL)
    try:
        connection.sasl_external_bind_s()
    except ldap.SERVER_DOWN:
        if not module.check_mode:
            raise
        return {"changed": True, "entries": [], "msg": "not compared: the directory isn't running yet"}
    written = [
        entry["dn"] for entry in module.params["entries"] if hold(connection, entry, write=not module.check_mode)
    ]
    return {"changed": bool(written), "entries": written}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"entries": {"type": "list", "elements": "dict", "required": True, "options": ENTRY}},
        supports_check_mode=True,
    )
    if MISSING:
        if module.check_mode:
            module.exit_json(changed=True, entries=[], msg=f"not compared: {MISSING}")
        module.fail_json(msg=f"{MISSING}; install python3-ldap on the machine")
    try:
        result = converge(module)
    except ldap.LDAPError as error:
        module.fail_json(msg=f"the directory refused: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
