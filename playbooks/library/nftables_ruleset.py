#!/usr/bin/python
"""Load a ruleset for a limited time, and keep it once the operator has shown that he still gets in."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nftables_ruleset
short_description: Load an nftables ruleset that takes itself back
description:
  - C(loaded) loads the ruleset in one transaction and starts a timer on the machine that restores the rules from
    before. The file stays the old one meanwhile, so a machine that starts again has the old rules. Nothing is kept yet,
    so this is no change; in a check it is.
  - C(confirmed) stops the timer and writes the file. Call it over a new connection.
  - C(settled) waits until no load is pending and says whether the last one was taken back.
  - The rules in force are compared too, so a flushed ruleset is a change.
options:
  state: {description: See above, type: str, choices: [loaded, confirmed, settled], default: loaded}
  ruleset: {description: Text of the ruleset, type: str}
  path: {description: File that is loaded at boot, type: path, default: /etc/nftables.conf}
  rollback_seconds: {description: When the timer restores the rules, type: int, default: 30}
"""

EXAMPLES = r"""
- name: Load the ruleset
  nftables_ruleset:
    ruleset: "{{ lookup('ansible.builtin.file', 'gateway.nft') }}"
"""

RETURN = r"""
pending: {description: Whether a load waits for its confirmation, type: bool, returned: loaded}
rolled_back: {description: When the last pending load was taken back, or empty, type: str, returned: settled}
"""

import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.donvi_nftables import begin, difference, keep, locked, place, read, run, settle, told

RECORD = Path("/var/lib/donvi/nftables.live")
TABLE = re.compile(
    r"^\s*(?:add\s+|create\s+)?table\s+(?:(ip6?|inet|arp|bridge|netdev)\s+)?([A-Za-z_]\w*)", re.MULTILINE
)


class Ruleset:
    """The machine's ruleset and what is known of it."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path = Path(module.params["path"])
        self.seconds = module.params["rollback_seconds"]

    def live(self, text: str) -> str:
        """Return the tables that a text defines as they are in force, without counters; what is missing is left out."""
        tables = sorted({(family or "ip", name) for family, name in TABLE.findall(text)})
        listed = (run(self.module, "nft", "-s", "list", "table", *table, check=False) for table in tables)
        return "".join(out for code, out, _ in listed if code == 0)

    def compare(self, text: str) -> dict[str, Any]:
        """Return whether file and rules in force are what they should be, with the difference."""
        now, live, recorded = read(self.path), self.live(text), read(RECORD)
        if now != text:
            return {"changed": True, "diff": difference(now, text, str(self.path))}
        if live != recorded:
            return {"changed": True, "diff": difference(live, recorded, "rules in force")}
        return {"changed": False}

    def load(self, text: str) -> dict[str, Any]:
        """Load the ruleset on trial, unless everything is as it should be."""
        settle(self.module, self.seconds)
        run(self.module, "nft", "--check", "--file", "-", data=text)
        found = self.compare(text)
        if self.module.check_mode or not found["changed"]:
            return {**found, "pending": False}
        with locked():
            begin(self.module, text, self.path, self.seconds, {**found, "recorded": True})
        return {"changed": False, "pending": True}

    def confirm(self) -> dict[str, Any]:
        """Keep the pending ruleset."""
        with locked():
            kept = keep(self.module)
            if kept.get("recorded"):
                RECORD.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                place(RECORD, self.live(kept["text"]), 0o600)
        return {"changed": True, "diff": kept["diff"]}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["loaded", "confirmed", "settled"], "default": "loaded"},
            "ruleset": {"type": "str"},
            "path": {"type": "path", "default": "/etc/nftables.conf"},
            "rollback_seconds": {"type": "int", "default": 30},
        },
        required_if=[("state", "loaded", ["ruleset"])],
        supports_check_mode=True,
    )
    ruleset = Ruleset(module)
    with told(module):
        if module.params["state"] == "loaded":
            result = ruleset.load(module.params["ruleset"].rstrip("\n") + "\n")
        elif module.params["state"] == "confirmed":
            result = ruleset.confirm()
        else:
            result = {"changed": False, "rolled_back": settle(module, ruleset.seconds)}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
