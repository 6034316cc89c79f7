"""Vault's ACL policies as data: rules rendered to one canonical text, and read back from it.

The text's first line is the owner mark::

    # donvi-owner: 26506 policy/unit-26506-gateway
    path "kv/data/probes/26506/*" {
      capabilities = ["read"]
    }

A rule may also refuse parameters of requests, whatever their value (``denied_parameters``). Read back are this form,
the same written by hand with other spaces and comments, and Vault's JSON form. Whatever says more
(``allowed_parameters``, ``min_wrapping_ttl`` …) is not expressible as our rules.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from donvi.backends.vault.owners import Owner
from donvi.backends.vault.transport import Transport, escape
from donvi.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CAPABILITIES = frozenset({"create", "read", "update", "patch", "delete", "list", "sudo", "deny"})

_OWNER = re.compile(r"^# donvi-owner: (\S+) (\S.*?)\s*$", re.MULTILINE)
_WORD = re.compile(
    r"""\s+ | \#[^\n]* | //[^\n]* | /\*.*?\*/
        | (?P<text>"(?:[^"\\\n]|\\.)*") | (?P<name>[A-Za-z_]\w*) | (?P<sign>[{}\[\]=,])""",
    re.VERBOSE | re.DOTALL,
)


class PathRule(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What may be done below one path; ``*`` at the end and ``+`` for a part are Vault's own patterns.

    :ivar denied: parameters that no request may have.
    """

    path: str
    capabilities: tuple[str, ...]
    denied: tuple[str, ...] = ()


class Policy(Struct, frozen=True):
    """A policy as found: whose it is, and its rules in canonical order."""

    owner: Owner | None
    rules: tuple[PathRule, ...]


def canonical(rules: Iterable[PathRule]) -> tuple[PathRule, ...]:
    """Sort rules by path and each rule's capabilities by name."""
    sorted_rules = sorted(rules, key=lambda rule: rule.path)
    return tuple(
        PathRule(
            path=rule.path,
            capabilities=tuple(sorted(set(rule.capabilities))),
            denied=tuple(sorted(set(rule.denied))),
        )
        for rule in sorted_rules
    )


def render(owner: Owner, rules: Iterable[PathRule]) -> str:
    """Return the canonical text of a policy; equal rules give equal bytes."""
    blocks = [f"# donvi-owner: {owner.unit} {owner.key}\n"]
    for rule in canonical(rules):
        capabilities = ", ".join(json.dumps(name) for name in rule.capabilities)
        path = json.dumps(rule.path, ensure_ascii=False)
        names = "".join(f"    {json.dumps(name)} = []\n" for name in rule.denied)
        denied = f"  denied_parameters = {{\n{names}  }}\n" if names else ""
        blocks.append(f"path {path} {{\n  capabilities = [{capabilities}]\n{denied}}}\n")
    return "".join(blocks)


def parse(text: str, *, name: str = "policy") -> Policy:
    """Read a policy's text.

    :raises DataError: it says something that rules can't express.
    """
    try:
        rules = _from_json(text) if text.lstrip().startswith("{") else _from_hcl(text)
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        raise DataError(
            f"the Vault policy {name} says more than paths and capabilities",
            hint="write it with paths and capabilities only, or manage it outside donvi",
        ) from None
    return Policy(owner=owner_of(text), rules=canonical(rules))


def owner_of(text: str) -> Owner | None:
    """Return whose a policy is, as its text says."""
    mark = _OWNER.search(text)
    return Owner(unit=mark[1], key=mark[2]) if mark else None


class Policies(Transport):
    """Reading, writing and deleting ACL policies by name; names are lower-case, as Vault makes them."""

    def policy_read(self, name: str) -> str | None:
        """Return the text of a policy, or ``None``."""
        data = self.find(f"sys/policies/acl/{escape(name)}")
        return str(data["policy"]) if data else None

    def policy_write(self, name: str, text: str) -> None:
        """Write a policy's text."""
        self.post(f"sys/policies/acl/{escape(name)}", {"policy": text})

    def policy_delete(self, name: str) -> None:
        """Delete a policy."""
        self.delete(f"sys/policies/acl/{escape(name)}")

    def policy_list(self) -> list[str]:
        """Return the names of all policies."""
        return self.list("sys/policies/acl")


def _from_json(text: str) -> list[PathRule]:
    document = json.loads(text)
    if set(document) != {"path"}:
        raise ValueError(text)
    return [_from_block(path, block) for path, block in document["path"].items()]


def _from_block(path: str, block: dict[str, Any]) -> PathRule:
    denied = block.get("denied_parameters", {})
    if not set(block) <= {"capabilities", "denied_parameters"} or any(values != [] for values in denied.values()):
        raise ValueError(path)
    return _rule(path, block["capabilities"], denied)


def _rule(path: str, capabilities: Iterable[str], denied: Iterable[str]) -> PathRule:
    names = tuple(capabilities)
    if not CAPABILITIES.issuperset(names):
        raise ValueError(path)
    return PathRule(path=path, capabilities=names, denied=tuple(denied))


def _from_hcl(text: str) -> list[PathRule]:
    words = _words(text)
    rules = []
    for kind, word in words:
        if (kind, word) != ("name", "path"):
            raise ValueError(word)
        path = _text(next(words))
        _expect(words, "{", "capabilities", "=", "[")
        capabilities = tuple(_capabilities(words))
        rules.append(_rule(path, capabilities, _denied(words)))
    return rules


def _denied(words: Iterator[tuple[str, str]]) -> tuple[str, ...]:
    """Return the parameters that the rest of a rule refuses; a value that is refused alone isn't expressible."""
    first = next(words)[1]
    if first == "}":
        return ()
    if first != "denied_parameters":
        raise ValueError(first)
    _expect(words, "=", "{")
    names = []
    while (word := next(words))[1] != "}":
        names.append(_text(word))
        _expect(words, "=", "[", "]")
    _expect(words, "}")
    return tuple(names)


def _words(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        match = _WORD.match(text, position)
        if match is None:
            raise ValueError(text[position:])
        position = match.end()
        if match.lastgroup:
            yield match.lastgroup, match[0]


def _expect(words: Iterator[tuple[str, str]], *expected: str) -> None:
    for word in expected:
        if next(words)[1] != word:
            raise ValueError(word)


def _text(word: tuple[str, str]) -> str:
    kind, value = word
    if kind != "text":
        raise ValueError(value)
    return str(json.loads(value))


def _capabilities(words: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Yield the texts of a list up to its closing bracket; a comma after the last one is allowed."""
    for word in words:
        if word[1] == "]":
            return
        if word[1] != ",":
            yield _text(word)
    raise ValueError("]")
