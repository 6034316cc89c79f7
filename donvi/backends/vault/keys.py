"""Transit keys, wrapped secrets, tokens and SSH signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from donvi.backends.vault.transport import Transport, escape
from donvi.errors import BackendError, PermissionDeniedError

if TYPE_CHECKING:
    from collections.abc import Mapping

TRANSIT = "transit/keys"


class Keys(Transport):
    """Everything that hands out or protects a key."""

    def transit_read(self, name: str) -> int | None:
        """Return the latest version of a transit key, or ``None``."""
        data = self.find(f"{TRANSIT}/{escape(name)}")
        return int(data["latest_version"]) if data else None

    def transit_create(self, name: str) -> int:
        """Make a transit key, if it isn't there, and return its latest version."""
        version = self.transit_read(name)
        if version is None:
            self.post(f"{TRANSIT}/{escape(name)}", {"type": "aes256-gcm96", "exportable": False})
            version = self.transit_read(name) or 1
        return version

    def wrap(self, data: Mapping[str, Any], *, ttl_seconds: int) -> str:
        """Wrap values into a token that unwraps once within ``ttl_seconds``."""
        answer = self.request("post", "sys/wrapping/wrap", data, wrap_ttl=ttl_seconds)
        return str(answer["wrap_info"]["token"])

    def wrap_path(self, wrapping: str) -> str | None:
        """Return the path that made a wrapping token, or ``None`` when it is used up, expired or no such token."""
        try:
            answer = self.post("sys/wrapping/lookup", {"token": wrapping})
        except PermissionDeniedError:
            raise
        except BackendError:
            return None
        return str(answer["data"]["creation_path"])

    def unwrap(self, wrapping: str, *, creation_path: str = "sys/wrapping/wrap") -> dict[str, Any]:
        """Unwrap a token, after checking that it was made at the path it should have been made at.

        :raises BackendError: it was made elsewhere (somebody put another in its place), is used up or expired.
        """
        made_at = self.wrap_path(wrapping)
        if made_at != creation_path:
            why = f"it was made at {made_at}" if made_at else "it has been used or has expired"
            raise BackendError(
                f"the wrapped secret can't be opened: {why}", hint="have a new one issued, and ask who opened this one"
            )
        answer = self.post("sys/wrapping/unwrap", {"token": wrapping})
        return dict(answer.get("data") or answer.get("auth") or {})

    def token_create(self, role: str, *, ttl_seconds: int) -> str:
        """Make a token through a token role, e.g. ``verify``."""
        answer = self.post(f"auth/token/create/{escape(role)}", {"ttl": f"{ttl_seconds}s", "renewable": False})
        return str(answer["auth"]["client_token"])

    def token_policies(self) -> tuple[str, ...]:
        """Return the policies of the client's own token, sorted."""
        return tuple(sorted(self.get("auth/token/lookup-self")["policies"]))

    def token_revoke_self(self) -> None:
        """End the client's own token."""
        self.post("auth/token/revoke-self")

    def ssh_sign(self, mount: str, role: str, public_key: str, *, principals: str, ttl_seconds: int) -> str:
        """Sign an OpenSSH public key as a user certificate and return it in OpenSSH's form.

        :param principals: the login names it is good for, separated by commas.
        """
        payload = {
            "public_key": public_key,
            "valid_principals": principals,
            "cert_type": "user",
            "ttl": f"{ttl_seconds}s",
            "extensions": {"permit-pty": ""},
        }
        return str(self.post(f"{escape(mount)}/sign/{escape(role)}", payload)["data"]["signed_key"])

    def ssh_sign_host(self, mount: str, role: str, public_key: str, *, principals: str, ttl_seconds: int) -> str:
        """Sign an OpenSSH public key as a host certificate and return it in OpenSSH's form.

        :param principals: the names and addresses by which clients know the machine, separated by commas.
        """
        payload = {
            "public_key": public_key,
            "valid_principals": principals,
            "cert_type": "host",
            "ttl": f"{ttl_seconds}s",
        }
        return str(self.post(f"{escape(mount)}/sign/{escape(role)}", payload)["data"]["signed_key"])

    def ssh_authority(self, mount: str) -> str:
        """Return the public key of an SSH engine's authority, in OpenSSH's form."""
        return str(self.get(f"{escape(mount)}/config/ca")["public_key"]).strip()
