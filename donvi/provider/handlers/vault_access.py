"""Who may do what in Vault: policies, AppRoles of machines, groups of people.

A policy carries its owner mark in its text, the others in KV.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING

from donvi.backends import vault as backend
from donvi.backends.vault import AppRoleSpec, Owner, PathRule
from donvi.errors import DataError, UsageError
from donvi.provider.handler import Failure, Found, Handler, Inputs, Result, handler
from donvi.provider.handlers.marks import (
    Marked,
    name_failures,
    owner_of_inputs,
    presumed_owner,
    same_set,
    spelled,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.backends.vault import VaultClient
    from donvi.provider.handler import JSON
    from donvi.provider.services import Services

POLICY = "donvi:vault:Policy"
APP_ROLE = "donvi:vault:AppRole"
LOGIN_GROUP = "donvi:vault:LoginGroup"

_PARAMETER = re.compile(r"\A[a-z][a-z0-9_]*\Z")


class PolicyInputs(Inputs, frozen=True, kw_only=True):
    """An ACL policy as rules."""

    name: str
    rules: tuple[PathRule, ...]


@handler(POLICY, inputs=PolicyInputs, replace_on={"name"})
class PolicyHandler(Handler[PolicyInputs]):
    """Writes the canonical text of the rules, with the owner in its first line."""

    def check(self, new: PolicyInputs) -> Iterable[Failure]:
        """Refuse names and capabilities that Vault would bend or refuse, and a path named twice."""
        yield from name_failures(new.name)
        seen = set()
        for number, rule in enumerate(new.rules):
            where = f"rules[{number}]"
            if not rule.path or rule.path.startswith("/"):
                yield Failure(f"{where}.path", f"{rule.path!r} must be a path without a leading slash")
            if rule.path in seen:
                yield Failure(f"{where}.path", f"{rule.path} has a rule already: put its capabilities into one rule")
            seen.add(rule.path)
            for name in rule.denied:
                if not _PARAMETER.match(name):
                    yield Failure(f"{where}.denied", f"{name!r} is no parameter of a request, such as not_after")
            if not rule.capabilities or not backend.CAPABILITIES.issuperset(rule.capabilities):
                known = ", ".join(sorted(backend.CAPABILITIES))
                yield Failure(f"{where}.capabilities", f"{list(rule.capabilities)}: use at least one of {known}")

    def same(self, name: str, old: JSON, new: JSON) -> bool:
        """Compare rules without regard to their order."""
        return old == new or (name == "rules" and _sorted_rules(old) == _sorted_rules(new))

    def create(self, services: Services, new: PolicyInputs) -> Result:
        """Write a new policy, or finish our own."""
        return self._write(services, new, accepted={owner_of_inputs(new)})

    def read(self, services: Services, id: str, known: PolicyInputs | None) -> Found | None:
        """Parse the policy's text; what rules can't express is no rules in a refresh, and an error in an import."""
        text = services.vault.policy_read(id)
        if text is None:
            return None
        try:
            policy = backend.parse(text, name=id)
        except DataError:
            if known is None:
                raise
            policy = backend.Policy(owner=backend.owner_of(text), rules=())
        owner = policy.owner or (Owner("", "") if known else presumed_owner("policy", id))
        rules = known.rules if known and backend.canonical(known.rules) == policy.rules else policy.rules
        return Found(id, PolicyInputs(unit=owner.unit, key=owner.key, name=id, rules=rules))

    def update(self, services: Services, id: str, old: PolicyInputs, new: PolicyInputs) -> Result:
        """Write the new text, also over one that lost its mark."""
        return self._write(services, new, accepted={None, owner_of_inputs(old), owner_of_inputs(new)})

    def delete(self, services: Services, id: str, old: PolicyInputs) -> None:
        """Delete the policy, unless it is somebody else's by now."""
        text = services.vault.policy_read(id)
        if text is not None and backend.owner_of(text) in {None, owner_of_inputs(old)}:
            services.vault.policy_delete(id)

    @staticmethod
    def _write(services: Services, new: PolicyInputs, accepted: set[Owner | None]) -> Result:
        text = services.vault.policy_read(new.name)
        if text is not None and (found := backend.owner_of(text)) not in accepted:
            raise backend.conflict(f"the Vault policy {new.name}", POLICY, new.name, found)
        wanted = backend.render(owner_of_inputs(new), new.rules)
        if text != wanted:
            services.vault.policy_write(new.name, wanted)
        return Result(new.name)


def _sorted_rules(rules: JSON) -> list[tuple[str | list[str], ...]]:
    if not isinstance(rules, list):
        return []
    return sorted(
        (str(rule["path"]), *(sorted(map(str, rule.get(name) or ())) for name in ("capabilities", "denied")))  # type: ignore[index,union-attr,call-overload,arg-type]
        for rule in rules
    )


class AppRoleInputs(Inputs, frozen=True, kw_only=True):
    """A machine identity; times in seconds."""

    name: str
    policies: tuple[str, ...]
    token_ttl_seconds: int
    secret_id_ttl_seconds: int
    bound_cidrs: tuple[str, ...] = ()


@handler(APP_ROLE, inputs=AppRoleInputs, replace_on={"name"}, stable={"roleId"})
class AppRoleHandler(Handler[AppRoleInputs]):
    """An AppRole; its RoleID is public, SecretIDs are issued when a machine needs one."""

    def check(self, new: AppRoleInputs) -> Iterable[Failure]:
        """Refuse lifetimes without an end, networks with host bits, and the root policy."""
        yield from name_failures(new.name)
        if "root" in new.policies:
            yield Failure("policies", "root is for nobody's machine: name the unit's own policy")
        for name, seconds in (
            ("tokenTtlSeconds", new.token_ttl_seconds),
            ("secretIdTtlSeconds", new.secret_id_ttl_seconds),
        ):
            if seconds <= 0:
                yield Failure(name, f"{seconds} would live for ever: give a lifetime in seconds")
        for number, cidr in enumerate(new.bound_cidrs):
            if reason := _cidr_fault(cidr):
                yield Failure(f"boundCidrs[{number}]", reason)

    def same(self, name: str, old: JSON, new: JSON) -> bool:
        """Compare lists without regard to order."""
        return old == new or same_set(old, new)

    def create(self, services: Services, new: AppRoleInputs) -> Result:
        """Mark the name, then make the role."""
        vault = services.vault
        self._mark(vault, new.name).claim(new, lambda: vault.approle_read(new.name) is not None)
        return self._write(vault, new)

    def read(self, services: Services, id: str, known: AppRoleInputs | None) -> Found | None:
        """Return the role as it is."""
        spec = services.vault.approle_read(id)
        if spec is None:
            return None
        owner = self._mark(services.vault, id).found(known)
        inputs = AppRoleInputs(
            unit=owner.unit,
            key=owner.key,
            name=id,
            policies=spelled(known.policies if known else None, spec.policies),
            token_ttl_seconds=spec.token_ttl_seconds,
            secret_id_ttl_seconds=spec.secret_id_ttl_seconds,
            bound_cidrs=spelled(known.bound_cidrs if known else None, spec.bound_cidrs, backend.canonical_cidr),
        )
        return Found(id, inputs, {"roleId": services.vault.approle_id(id)})

    def update(self, services: Services, id: str, old: AppRoleInputs, new: AppRoleInputs) -> Result:
        """Change the role."""
        self._mark(services.vault, id).keep(old, new)
        return self._write(services.vault, new)

    def delete(self, services: Services, id: str, old: AppRoleInputs) -> None:
        """Delete the role, then its mark."""
        mark = self._mark(services.vault, id)
        if mark.ours(old):
            services.vault.approle_delete(id)
            mark.release()

    @staticmethod
    def _mark(vault: VaultClient, name: str) -> Marked:
        return Marked(vault, "app-role", name, APP_ROLE)

    @staticmethod
    def _write(vault: VaultClient, new: AppRoleInputs) -> Result:
        vault.approle_write(
            new.name,
            AppRoleSpec(
                policies=new.policies,
                token_ttl_seconds=new.token_ttl_seconds,
                secret_id_ttl_seconds=new.secret_id_ttl_seconds,
                bound_cidrs=new.bound_cidrs,
            ),
        )
        return Result(new.name, {"roleId": vault.approle_id(new.name)})


def _cidr_fault(cidr: str) -> str:
    try:
        backend.canonical_cidr(cidr)
    except ValueError:
        try:
            return f"{cidr!r} has bits beyond its prefix: did you mean {ip_network(cidr, strict=False)}?"
        except ValueError:
            return f"{cidr!r} is not a network: write it as 10.1.0.0/20 or fd9b:…/56"
    return ""


class LoginGroupInputs(Inputs, frozen=True, kw_only=True):
    """What members of a group may do once they log in by a method, e.g. ``ldap``."""

    method: str
    name: str
    policies: tuple[str, ...]


@handler(LOGIN_GROUP, inputs=LoginGroupInputs, replace_on={"method", "name"})
class LoginGroupHandler(Handler[LoginGroupInputs]):
    """A group as the login method knows it. Its id is ``<method>/<name>``."""

    def check(self, new: LoginGroupInputs) -> Iterable[Failure]:
        """Refuse what Vault would bend, and the root policy."""
        yield from name_failures(new.method, "method")
        yield from name_failures(new.name)
        if "root" in new.policies:
            yield Failure("policies", "root is for nobody's people: name the unit's own policy")

    def same(self, name: str, old: JSON, new: JSON) -> bool:
        """Compare policies without regard to their order."""
        return old == new or same_set(old, new)

    def create(self, services: Services, new: LoginGroupInputs) -> Result:
        """Mark the group, then write it."""
        vault, identifier = services.vault, f"{new.method}/{new.name}"
        self._mark(vault, identifier).claim(new, lambda: vault.login_group_read(new.method, new.name) is not None)
        return self._write(vault, new)

    def read(self, services: Services, id: str, known: LoginGroupInputs | None) -> Found | None:
        """Return the group's policies as they are."""
        method, _, name = id.rpartition("/")
        if not method:
            raise UsageError(f"{id!r} is not the id of a login group", hint="write it as <method>/<name>")
        policies = services.vault.login_group_read(method, name)
        if policies is None:
            return None
        owner = self._mark(services.vault, id).found(known)
        spelt = spelled(known.policies if known else None, policies)
        return Found(id, LoginGroupInputs(unit=owner.unit, key=owner.key, method=method, name=name, policies=spelt))

    def update(self, services: Services, id: str, old: LoginGroupInputs, new: LoginGroupInputs) -> Result:
        """Change the policies; who is logged in keeps the old ones until the token ends."""
        self._mark(services.vault, id).keep(old, new)
        return self._write(services.vault, new)

    def delete(self, services: Services, id: str, old: LoginGroupInputs) -> None:
        """Forget the group, then its mark."""
        mark = self._mark(services.vault, id)
        if mark.ours(old):
            services.vault.login_group_delete(old.method, old.name)
            mark.release()

    @staticmethod
    def _mark(vault: VaultClient, name: str) -> Marked:
        return Marked(vault, "login-group", name, LOGIN_GROUP)

    @staticmethod
    def _write(vault: VaultClient, new: LoginGroupInputs) -> Result:
        vault.login_group_write(new.method, new.name, new.policies)
        return Result(f"{new.method}/{new.name}")
