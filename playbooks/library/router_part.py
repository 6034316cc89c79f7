#!/usr/bin/python
"""Hold one part of the core router's rules: the base, or the fragment of a unit."""

from __future__ import annotations

DOCUMENTATION = r"""
module: router_part
short_description: Hold one part of the core router's rules
description:
  - The parts live in one table and each in a file of its own, which are loaded together at boot. A part is loaded in
    one transaction, under a lock on the machine, and leaves the others as they are.
  - What should be in force is asked of nft itself, which loads the files in a scratch network namespace. So rules that
    were flushed or edited by hand are a change, and a fragment that touches what is not its own is refused.
  - The base is loaded for a limited time; C(nftables_ruleset) with C(state=confirmed) keeps it. Nothing is kept yet, so
    this is no change; in a check it is. Fragments that got lost with the base are loaded with it.
options:
  name: {description: "C(base), or C(unit_) and the unit's code", type: str, required: true}
  state:
    description: Whether the part is there; a base always stays.
    type: str
    choices: [present, absent]
    default: present
  ruleset: {description: Text of the part, type: str, default: ""}
  removal: {description: Text that takes a fragment away, type: str, default: ""}
  folder: {description: Folder of the parts' files, type: path, default: /etc/donvi/router.d}
  rollback_seconds: {description: When the machine takes a base back, type: int, default: 30}
"""

EXAMPLES = r"""
- name: Hold a unit's fragment
  router_part:
    name: unit_26506
    ruleset: "{{ lookup('ansible.builtin.file', 'fragment.nft') }}"
"""

RETURN = r"""
pending: {description: Whether a base waits for its confirmation, type: bool, returned: always}
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.donvi_nftables import PENDING, begin, difference, draft, locked, read, run, settle, told

if TYPE_CHECKING:
    from collections.abc import Iterable

TABLE = ("inet", "donvi")
BASE = "base"
SHARED = frozenset({"units", "unit_sources4", "unit_sources6"})
"""The places of the base that fragments hang their elements in."""

NAME = re.compile(r"base|unit_[0-9]{5}")
FRAGMENTS = re.compile(r"unit_[0-9]{5}(?:_4|_6|_denied)?")
BLOCK = re.compile(r"^\t(chain|counter|map|set) (\w+) \{\n(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
ELEMENTS = re.compile(r"\t\telements = \{(.*?) \}\n", re.DOTALL)
ELEMENT = re.compile(r'(?:[^",]|"[^"]*")+')
INTERFACE = re.compile(r'^"([^"]+)"', re.MULTILINE)
FIRST = re.compile(r'^\t"([^"]+)"', re.MULTILINE)
Objects = dict[str, list[str]]
"""Lines of each object by ``kind name``; a set's elements are sorted, because the kernel keeps no order."""


def listed(text: str) -> Objects:
    """Return the objects of a table as nft lists it."""
    found = {}
    for kind, name, body in BLOCK.findall(text):
        elements = ELEMENTS.search(body)
        lines = [line.strip() for line in ELEMENTS.sub("", body).splitlines()]
        inside = [part.strip() for part in ELEMENT.findall(elements[1])] if elements else []
        found[f"{kind} {name}"] = [*lines, *sorted(filter(None, inside))]
    return found


def part_of(objects: Objects, name: str, interfaces: Iterable[str]) -> Objects:
    """Return what belongs to a part.

    :param interfaces: of the fragment's elements in the shared places; the base has none there.
    """
    begins = ("type ", "flags ") if name == BASE else tuple(f'"{interface}"' for interface in interfaces)
    found = {}
    for key, lines in objects.items():
        own, mine = key.split()[1], lines
        if own in SHARED:
            mine = [line for line in lines if line.startswith(begins)]
            belongs = bool(mine)
        elif name == BASE:
            belongs = not FRAGMENTS.fullmatch(own)
        else:
            belongs = own == name or own.startswith(f"{name}_")
        if belongs:
            found[key] = mine
    return found


def shown(objects: Objects) -> str:
    """Return objects as text, for a difference."""
    return "".join(f"{key}\n" + "".join(f"\t{line}\n" for line in lines) for key, lines in sorted(objects.items()))


class Router:
    """The parts on this machine."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.name: str = module.params["name"]
        self.folder = Path(module.params["folder"])
        self.seconds: int = module.params["rollback_seconds"]
        self.path = self.folder / f"{self.name}.nft"

    def live(self) -> Objects:
        """Return what is in force; nothing when the table isn't there."""
        code, out, _ = run(self.module, "nft", "-s", "list", "table", *TABLE, check=False)
        return listed(out) if code == 0 else {}

    def scratch(self, text: str) -> Objects:
        """Return what nft makes of a text, loaded where there is nothing else."""
        script = f"nft -f - && nft -s list table {' '.join(TABLE)}"
        return listed(run(self.module, "unshare", "--net", "sh", "-c", script, data=text)[1])

    def hold(self, text: str) -> dict[str, Any]:
        """Bring the part to its text."""
        if self.name == BASE:
            return self._hold_base(text)
        base = read(self.folder / f"{BASE}.nft")
        if not base:
            if self.module.check_mode:  # the first preview of all: the base is a change of its own
                return {"changed": True, "diff": difference(read(self.path), text, str(self.path))}
            self.module.fail_json(msg="the router has no base yet; bring up the stack `platform` first")
        bare, whole = self.scratch(base), self.scratch(base + text)
        interfaces = self._interfaces(bare, whole)
        self._refuse_strange(bare, whole, interfaces)
        wanted, live = part_of(whole, self.name, interfaces), self.live()
        found = self._compare(text, part_of(live, self.name, interfaces), wanted)
        if found["changed"] and not self.module.check_mode:
            if not live:
                self.module.fail_json(msg="the router's base isn't in force; bring up the stack `platform` first")
            fresh = draft(self.path, text, 0o644)
            self._apply(text)
            fresh.replace(self.path)
        return found

    def _hold_base(self, text: str) -> dict[str, Any]:
        settle(self.module, self.seconds)
        wanted, live = self.scratch(text), self.live()
        found = self._compare(text, part_of(live, BASE, ()), part_of(wanted, BASE, ()))
        if self.module.check_mode or not found["changed"]:
            return {**found, "pending": False}
        with locked():
            load = text + "".join(read(path) for path in self._lost(live)) + self._strange(live, wanted)
            begin(self.module, load, self.path, self.seconds, {**found, "text": text})
        return {"changed": False, "pending": True}

    def remove(self, removal: str) -> dict[str, Any]:
        """Take the fragment away; a base stays, a firewall most of all."""
        if self.name == BASE:
            return {"changed": False}
        everything = self.live()
        hung = [line for line in everything.get("map units", ()) if line.endswith(f"goto {self.name}")]
        interfaces = {*FIRST.findall(removal + read(self.path)), *INTERFACE.findall("\n".join(hung))}
        live = part_of(everything, self.name, interfaces)
        if not live and not self.path.exists():
            return {"changed": False}
        found = {"changed": True, "diff": difference(shown(live) or read(self.path), "", self.name)}
        if not self.module.check_mode:
            if live and not removal:
                self.module.fail_json(
                    msg=f"{self.name} is in force, and nothing says how to take it away: give `removal`"
                )
            self._apply(removal if live else "")
            self.path.unlink(missing_ok=True)
        return found

    def _compare(self, text: str, live: Objects, wanted: Objects) -> dict[str, Any]:
        now = read(self.path)
        if now != text:
            return {"changed": True, "diff": difference(now, text, str(self.path))}
        if live != wanted:
            return {"changed": True, "diff": difference(shown(live), shown(wanted), "rules in force")}
        return {"changed": False}

    def _apply(self, text: str) -> None:
        """Load a fragment or its removal while nobody else changes rules and no base is on trial."""
        while True:
            settle(self.module, self.seconds)
            with locked():
                if PENDING.is_dir():
                    continue
                run(self.module, "nft", "--file", "-", data=text)
                return

    def _interfaces(self, bare: Objects, whole: Objects) -> set[str]:
        """Return the interfaces whose elements a fragment hangs in the shared places."""
        new = (line for key in whole for line in whole[key] if key.split()[1] in SHARED and line not in bare[key])
        return {match[1] for line in new if (match := INTERFACE.match(line))}

    def _refuse_strange(self, bare: Objects, whole: Objects, interfaces: set[str]) -> None:
        own = part_of(whole, self.name, interfaces)
        rest = {key for key in whole if whole[key] != bare.get(key) and key not in own}
        rest |= {key for key in bare if set(bare[key]) - set(whole.get(key, ()))}
        if rest or len(interfaces) > 1:
            strange = sorted(rest) or [f"interfaces {', '.join(sorted(interfaces))}"]
            self.module.fail_json(msg=f"{self.name} would change what is not its own: {', '.join(strange)}")

    def _lost(self, live: Objects) -> list[Path]:
        """Return the files of fragments that should be in force and aren't."""
        return [path for path in sorted(self.folder.glob("unit_*.nft")) if f"chain {path.stem}" not in live]

    def _strange(self, live: Objects, wanted: Objects) -> str:
        """Return the commands that remove what neither the base nor a fragment knows; chains before what they use.

        A fragment that uses one of them makes nft refuse the whole.
        """
        gone = sorted(part_of(live, BASE, ()).keys() - wanted.keys())
        chains = [key for key in gone if key.startswith("chain ")]
        others = [key for key in gone if key not in chains]
        words = [("flush", key) for key in chains] + [("delete", key) for key in (*chains, *others)]
        return "".join(f"{word} {key.replace(' ', f' {TABLE[0]} {TABLE[1]} ')}\n" for word, key in words)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "ruleset": {"type": "str", "default": ""},
            "removal": {"type": "str", "default": ""},
            "folder": {"type": "path", "default": "/etc/donvi/router.d"},
            "rollback_seconds": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    if not NAME.fullmatch(module.params["name"]):
        module.fail_json(msg=f"{module.params['name']!r} is no part: base, or unit_ and a code")
    router = Router(module)
    with told(module):
        if module.params["state"] == "absent":
            result = router.remove(module.params["removal"])
        else:
            result = router.hold(module.params["ruleset"].rstrip("\n") + "\n")
    module.exit_json(**{"pending": False, **result})


if __name__ == "__main__":
    main()
