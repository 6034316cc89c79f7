"""A run that is longer than a token's life keeps it alive, on a real Vault."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from donvi.cli.fleet.token import kept_alive

if TYPE_CHECKING:
    from tests.support.vault_server import VaultServer


def environ(server: VaultServer, token: str) -> dict[str, str]:
    return {"VAULT_ADDR": server.address, "VAULT_TOKEN": token, "VAULT_CACERT": server.ca_file}


def expires(server: VaultServer, token: str) -> str:
    return str(server.root.with_token(token).get("auth/token/lookup-self")["expire_time"])


def test_a_token_outlives_its_first_life(own_vault: VaultServer) -> None:
    token = own_vault.token("default", ttl="2m")
    before = expires(own_vault, token)
    told: list[str] = []
    with kept_alive(environ(own_vault, token), told.append, every=0.2):
        Event().wait(3.0)  # its life is counted in seconds
    assert told == []
    assert expires(own_vault, token) > before


def test_a_token_that_cannot_be_renewed_is_told_once_and_ends_nothing(own_vault: VaultServer) -> None:
    told: list[str] = []
    heard, again = Event(), Event()

    def tell(text: str) -> None:
        (again if told else heard).set()
        told.append(text)

    with kept_alive(environ(own_vault, "no-token-of-this-server"), tell, every=0.05):
        assert heard.wait(60)
        assert not again.wait(1.0)
    assert "can't be renewed" in told[0]
    assert "no-token-of-this-server" not in told[0]


def test_without_a_vault_nothing_is_asked() -> None:
    with kept_alive({"VAULT_ADDR": "https://127.0.0.1:1"}, [].append, every=0.001):
        pass
