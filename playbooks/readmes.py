"""Writes the README of each role from its ``meta/argument_specs.yml``: the one place that describes its variables.

``python playbooks/readmes.py ROLE…`` writes those roles' (all without a name), ``--check`` says which are out of date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parent / "roles"
NOTE = "<!-- written by playbooks/readmes.py from meta/argument_specs.yml -->"


def readme(role: Path) -> str:
    """Return the text of a role's README."""
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]
    lines = [NOTE, f"# {role.name}", "", f"{spec['short_description']}.", "", *_paragraphs(spec.get("description", []))]
    options = spec.get("options", {})
    if options:
        lines += ["| variable | type | default | meaning |", "|---|---|---|---|"]
        lines += [_row(name, option) for name, option in options.items()]
    return "\n".join(lines).rstrip() + "\n"


def _paragraphs(description: str | list[str]) -> list[str]:
    texts = [description] if isinstance(description, str) else description
    return [line for text in texts for line in (_marked(text), "")]


def _row(name: str, option: dict[str, Any]) -> str:
    kind = option.get("type", "str")
    if kind == "list":
        kind = f"list of {option.get('elements', 'any')}"
    default = "required" if option.get("required") else f"`{_plain(option.get('default', ''))}`"
    description = option.get("description", "")
    text = description if isinstance(description, str) else " ".join(description)
    return f"| `{name}` | {kind} | {default} | {_marked(text)} |"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _marked(text: str) -> str:
    """Turn ``C(…)`` into code."""
    return " ".join(re.sub(r"\bC\(([^)]*)\)", r"`\1`", text).replace("|", "\\|").split())


def main(arguments: list[str]) -> int:
    """Write or check."""
    names = [argument for argument in arguments if not argument.startswith("-")]
    roles = [ROLES / name for name in names] or sorted(path for path in ROLES.iterdir() if path.is_dir())
    stale = [role for role in roles if _read(role / "README.md") != readme(role)]
    if "--check" in arguments:
        for role in stale:
            print(f"playbooks/roles/{role.name}/README.md is out of date: run python playbooks/readmes.py {role.name}")
        return 1 if stale else 0
    for role in stale:
        (role / "README.md").write_text(readme(role), encoding="utf-8")
    return 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
