"""Manifests as files: ``kubectl apply -k DIR`` takes them, version control shows what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from donvi.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    Manifest = dict[str, Any]

INDEX = "kustomization.yaml"
SHARED = "shared.yaml"
STACKS = "stacks"
MARK = "# donvi operator\n"
"""First line of every file written here: what carries it may be replaced."""


@dataclass(frozen=True)
class Bundle:
    """All manifests of a fleet.

    :param shared: objects every stack needs, in the order of application.
    :param stacks: name of the Pulumi stack to its Stack object.
    """

    shared: list[Manifest]
    stacks: dict[str, Manifest]


def render(bundle: Bundle) -> str:
    """Return one stream of YAML documents, for ``kubectl apply -f -``."""
    return MARK + _documents([*bundle.shared, *bundle.stacks.values()])


def files(bundle: Bundle) -> dict[str, str]:
    """Return file names, relative to a folder, and their texts."""
    stacks = {f"{STACKS}/{stack}.yaml": _documents([value]) for stack, value in bundle.stacks.items()}
    resources = [SHARED, *sorted(stacks)]
    index = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources}
    found = {INDEX: _documents([index]), SHARED: _documents(bundle.shared), **stacks}
    return {name: MARK + text for name, text in found.items()}


def write(bundle: Bundle, folder: Path) -> tuple[list[str], list[str]]:
    """Make a folder hold exactly these manifests; returns the names written anew or changed, and the names removed.

    A file that is right already isn't touched.

    :raises UsageError: a file in the way wasn't written by donvi; nothing is changed.
    """
    wanted = files(bundle)
    there = _present(folder)
    foreign = sorted(name for name, text in there.items() if not text.startswith(MARK))
    if foreign:
        raise UsageError(f"{folder / foreign[0]} wasn't written by donvi", hint="give a folder that holds nothing else")
    changed = [name for name, text in wanted.items() if there.get(name) != text]
    for name in changed:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[name], encoding="utf-8")
    gone = sorted(there.keys() - wanted.keys())
    for name in gone:
        (folder / name).unlink()
    return sorted(changed), gone


def _present(folder: Path) -> dict[str, str]:
    paths = [*folder.glob("*.yaml"), *folder.glob(f"{STACKS}/*.yaml")]
    try:
        return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{folder} can't be read: {error}", hint="give another folder") from None


class _Dumper(yaml.CSafeDumper):
    """Writes lists and texts in full at every place, and a text of several lines as such."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _documents(values: list[Manifest]) -> str:
    return yaml.dump_all(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, explicit_start=True, width=1000)
