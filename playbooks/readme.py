"""Write each role's README.md from its argument specification; ``--check`` only says whether they are current.

Usage: python playbooks/readme.py [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).parent / "roles"


def readme(name: str, spec: dict[str, Any]) -> str:
    """The text of a role's README."""
    lines = [f"# {name}", "", spec["short_description"] + ".", ""]
    for paragraph in spec["description"]:
        lines += [plain(paragraph), ""]
    lines += ["| variable | type | default | meaning |", "|---|---|---|---|"]
    for option, what in sorted(spec["options"].items()):
        default = "*required*" if what.get("required") else f"`{what.get('default', '')}`"
        kind = what["type"] + (f" of {what['elements']}" if "elements" in what else "")
        lines.append(f"| `{option}` | {kind} | {default} | {plain(what['description'])} |")
    lines += ["", "Written by `python playbooks/readme.py` from `meta/argument_specs.yml`.", ""]
    return "\n".join(lines)


def plain(text: str) -> str:
    """Ansible's markup as Markdown."""
    return re.sub(r"\b[CI]\(([^)]*)\)", r"`\1`", text)


def outdated() -> dict[Path, str]:
    """READMEs that differ from what they should say."""
    found = {}
    for file in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        role = file.parents[1]
        text = readme(role.name, yaml.safe_load(file.read_text())["argument_specs"]["main"])
        target = role / "README.md"
        if not target.exists() or target.read_text() != text:
            found[target] = text
    return found


def main() -> int:
    """Write them, or tell which are out of date."""
    stale = outdated()
    for path, text in stale.items():
        if "--check" in sys.argv:
            print(f"{path}: run python playbooks/readme.py")
        else:
            path.write_text(text)
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
