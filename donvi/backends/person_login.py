"""A person's way into the cluster: the account's password, then a certificate of the unit's for an hour at most."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from donvi.backends.client_certificate import METHOD, Credential, Refused, VaultLink, opened, signed
from donvi.errors import BackendError, PermissionDeniedError

if TYPE_CHECKING:
    import ssl


class Person(NamedTuple):
    """Who logged in: the account's own name, whatever was typed, and a credential."""

    login: str
    credential: Credential


def person(address: str, context: ssl.SSLContext, login: str, password: str, *, role: str) -> Person:
    """Log in by the directory, and sign with the role of a unit's people; the token ends with this call.

    :param role: PKI role and policy of the unit's people, e.g. ``unit-26506-person``.
    :raises PermissionDeniedError: wrong name or password, a first password that wasn't changed, or no administrator.
    :raises UnreachableError: Vault doesn't answer.
    :raises BackendError: Vault can't ask the directory.
    """
    with opened(address, context) as link:
        token, policies, entity = _logged_in(link, login, password)
        try:
            if role not in policies:
                raise PermissionDeniedError(
                    f"{login} is not an administrator of this unit's pages ({role} isn't granted)",
                    hint="the post brings it: see the roles with `cluster` in city/systems/, and `donvi show UNIT`",
                )
            name = _name(link, token, entity)
            return Person(name, signed(link, token, role, name))
        finally:
            link.call("POST", "auth/token/revoke-self", token, {})


def _logged_in(link: VaultLink, login: str, password: str) -> tuple[str, list[str], str]:
    answer = link.call("POST", f"auth/{METHOD}/login/{quote(login, safe='')}", body={"password": password})
    if not isinstance(answer, Refused):
        auth = answer["auth"]
        return auth["client_token"], auth["policies"], auth["entity_id"]
    if answer.status == http.client.NOT_FOUND or "unsupported path" in answer.words:
        raise BackendError(f"Vault has no login at auth/{METHOD}", hint="run the playbook datacentre.yml")
    if answer.status in {http.client.BAD_REQUEST, http.client.FORBIDDEN} and "connect" not in answer.words:
        raise PermissionDeniedError(
            f"{login} can't log in: wrong name or password, or the first password was not changed yet",
            hint="the name is the employee id or the address; too many wrong passwords lock an account for 15 minutes",
        )
    raise BackendError(
        f"Vault can't ask the directory about {login}: {answer.words}", hint="see whether the directory runs"
    )


def _name(link: VaultLink, token: str, entity: str) -> str:
    """Return the name that the certificate is bound to: the account's, also when the address was typed."""
    answer = link.call("GET", f"identity/entity/id/{quote(entity, safe='')}", token)
    if isinstance(answer, Refused):
        raise BackendError(f"Vault doesn't say whose the login is: {answer.words}", hint="try again")
    names = [alias["name"] for alias in answer["data"]["aliases"] if alias.get("mount_type") == METHOD]
    if len(names) != 1:
        raise BackendError(f"Vault knows {len(names)} names of this login", hint="ask the administrator of Vault")
    return str(names[0])
