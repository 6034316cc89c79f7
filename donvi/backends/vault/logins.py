"""How people log in to Vault, and what groups of the directory may do once their members have."""

from __future__ import annotations

from donvi.backends.vault.transport import MissingError, Transport, escape


class Logins(Transport):
    """Login methods and their groups; ``method`` is where a method is mounted, e.g. ``ldap``."""

    def auth_accessors(self) -> dict[str, str]:
        """Return Vault's own identifier of every login method, by where it is mounted."""
        return {path.rstrip("/"): str(method["accessor"]) for path, method in self.get("sys/auth").items()}

    def auth_accessor(self, method: str) -> str:
        """Return Vault's own identifier of a login method.

        :raises MissingError: there is no such method.
        """
        try:
            return self.auth_accessors()[method]
        except KeyError:
            raise MissingError(
                f"Vault has no login method at {method}/", hint="run the playbook datacentre.yml: it enables the method"
            ) from None

    def login_group_read(self, method: str, name: str) -> tuple[str, ...] | None:
        """Return the policies of a group, sorted, or ``None`` when Vault doesn't know it."""
        data = self.find(f"auth/{escape(method)}/groups/{escape(name)}")
        return None if data is None else tuple(sorted(data.get("policies") or ()))

    def login_group_write(self, method: str, name: str, policies: tuple[str, ...]) -> None:
        """Give members of a group these policies, and no others, from their next login on."""
        self.post(f"auth/{escape(method)}/groups/{escape(name)}", {"policies": ",".join(sorted(policies))})

    def login_group_delete(self, method: str, name: str) -> None:
        """Forget a group; nothing there is success."""
        self.delete(f"auth/{escape(method)}/groups/{escape(name)}")
