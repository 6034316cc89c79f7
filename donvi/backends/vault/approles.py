"""AppRoles: the identities that a unit's machines log in to Vault with (mounted at ``auth/approle``)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from msgspec import Struct

from donvi.backends.vault.transport import Transport, escape

MOUNT = "auth/approle/role"

_FIXED: dict[str, Any] = {"bind_secret_id": True, "secret_id_num_uses": 0, "token_num_uses": 0}


class AppRoleSpec(Struct, frozen=True, kw_only=True):
    """What a login with the role gives. A token lives ``token_ttl_seconds`` and can't be renewed beyond it."""

    policies: tuple[str, ...]
    token_ttl_seconds: int
    secret_id_ttl_seconds: int
    bound_cidrs: tuple[str, ...] = ()


def canonical_cidr(text: str) -> str:
    """Return a network in the one form that is compared: a single address gets its prefix length.

    :raises ValueError: it is no network, or has host bits.
    """
    return str(ip_network(text))


class AppRoles(Transport):
    """Reading, writing and deleting AppRoles, and issuing SecretIDs."""

    def approle_read(self, name: str) -> AppRoleSpec | None:
        """Return a role as it is, or ``None``; a setting that this class never makes shows as a policy in brackets."""
        data = self.find(f"{MOUNT}/{escape(name)}")
        if data is None:
            return None
        ttl = int(data.get("token_ttl") or 0)
        fixed = _FIXED | {"token_max_ttl": ttl}
        odd = tuple(f"({key}={data.get(key)})" for key, value in sorted(fixed.items()) if data.get(key) != value)
        cidrs = sorted({canonical_cidr(cidr) for cidr in data.get("token_bound_cidrs") or ()})
        if sorted({canonical_cidr(cidr) for cidr in data.get("secret_id_bound_cidrs") or ()}) != cidrs:
            odd += ("(secret_id_bound_cidrs differ)",)
        return AppRoleSpec(
            policies=tuple(sorted(data.get("token_policies") or ())) + odd,
            token_ttl_seconds=ttl,
            secret_id_ttl_seconds=int(data.get("secret_id_ttl") or 0),
            bound_cidrs=tuple(cidrs),
        )

    def approle_write(self, name: str, spec: AppRoleSpec) -> None:
        """Make a role, or change it to the specification."""
        cidrs = [canonical_cidr(cidr) for cidr in spec.bound_cidrs]
        settings = _FIXED | {
            "token_policies": list(spec.policies),
            "token_ttl": spec.token_ttl_seconds,
            "token_max_ttl": spec.token_ttl_seconds,
            "secret_id_ttl": spec.secret_id_ttl_seconds,
            "token_bound_cidrs": cidrs,
            "secret_id_bound_cidrs": cidrs,
        }
        self.post(f"{MOUNT}/{escape(name)}", settings)

    def approle_delete(self, name: str) -> None:
        """Delete a role; its SecretIDs die with it."""
        self.delete(f"{MOUNT}/{escape(name)}")

    def approle_id(self, name: str) -> str:
        """Return the RoleID, which is public."""
        return str(self.get(f"{MOUNT}/{escape(name)}/role-id")["role_id"])

    def approle_secret_id(self, name: str, *, wrap_ttl: int) -> str:
        """Issue a SecretID and return the token it is wrapped in, good for ``wrap_ttl`` seconds and one unwrapping."""
        answer = self.request("post", f"{MOUNT}/{escape(name)}/secret-id", {}, wrap_ttl=wrap_ttl)
        return str(answer["wrap_info"]["token"])
