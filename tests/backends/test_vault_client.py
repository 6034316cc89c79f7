"""The Vault client against a real server: what it does, and what a person reads when Vault refuses."""

from __future__ import annotations

import http.server
import ssl
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from donvi.backends.vault import AppRoleSpec, VaultClient
from donvi.errors import (
    BackendError,
    ConflictError,
    PermissionDeniedError,
    SealedError,
    ThrottledError,
    UnreachableError,
    UsageError,
)
from tests.support.ca import Authority
from tests.support.vault_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.vault_server import VaultServer

SECRET = "mật-khẩu-Q7x2-không-được-lộ"
AN_APPROLE = AppRoleSpec(policies=("unit-90001",), token_ttl_seconds=600, secret_id_ttl_seconds=600)


@pytest.fixture
def vault(own_vault: VaultServer) -> Iterator[VaultClient]:
    client = own_vault.client("apply")
    yield client
    client.close()


def test_an_entry_is_written_read_listed_and_removed_with_all_its_versions(vault: VaultClient) -> None:
    assert vault.kv_read("thu/một") is None
    assert vault.kv_write("thu/một", {"tên": "Vũng Tàu"}) == 1
    assert vault.kv_write("thu/một", {"tên": "Vũng Tàu", "số": 2}) == 2
    assert vault.kv_read("thu/một") == {"tên": "Vũng Tàu", "số": 2}
    assert vault.kv_list("thu") == ["một"]
    vault.kv_delete("thu/một")
    vault.kv_delete("thu/một")
    assert vault.kv_read("thu/một") is None
    assert vault.kv_list("thu") == []


def test_of_two_first_writers_one_is_told_that_the_other_was_faster(vault: VaultClient) -> None:
    vault.kv_write("thu/cas", {"của": "một"}, cas=0)
    with pytest.raises(ConflictError, match="thu/cas was written by somebody else"):
        vault.kv_write("thu/cas", {"của": "hai"}, cas=0)
    assert vault.kv_read("thu/cas") == {"của": "một"}


@pytest.mark.parametrize("path", ["", "a//b", "../sys/seal", "a/../b", "a/\x00", "a/\n"])
def test_a_path_that_would_lead_elsewhere_is_refused_before_anything_is_sent(vault: VaultClient, path: str) -> None:
    with pytest.raises(UsageError, match="not a path in Vault"):
        vault.kv_read(path)


def test_names_with_url_syntax_stay_names(vault: VaultClient) -> None:
    for name in ("a?list=true", "a#b", "a%2Fb", "a b", "đ;=&"):
        vault.kv_write(f"thu/{name}", {"tên": name})
        assert vault.kv_read(f"thu/{name}") == {"tên": name}


def test_a_denied_request_names_the_path_and_the_remedy(own_vault: VaultServer) -> None:
    preview = own_vault.client("preview")
    with pytest.raises(PermissionDeniedError, match=r"kv/data/probes/26506/x.*role `apply`"):
        preview.kv_write("probes/26506/x", {"password": SECRET})


def test_neither_token_nor_secret_is_in_an_error_or_its_traceback(own_vault: VaultServer) -> None:
    token = own_vault.token("preview")
    denied = VaultClient(own_vault.address, token, own_vault.ca_file)
    nobody = VaultClient(f"https://127.0.0.1:{free_port()}", token, own_vault.ca_file)
    for client in (denied, nobody):
        with pytest.raises(BackendError) as caught:
            client.kv_write("probes/26506/x", {"password": SECRET})
        told = "".join(traceback.format_exception(caught.value))
        chained = [caught.value, caught.value.__context__, caught.value.__cause__]
        assert token not in told
        assert SECRET not in told
        assert not any(hasattr(error, "request") for error in chained), "the library's error carries the token's header"


def test_a_server_that_is_not_there_is_called_unreachable_with_its_address(own_vault: VaultServer) -> None:
    address = f"https://127.0.0.1:{free_port()}"
    with pytest.raises(UnreachableError, match=f"{address} can't be reached: Connection refused"):
        VaultClient(address, "no token", own_vault.ca_file).kv_read("a")


def test_a_server_with_a_certificate_of_another_authority_gets_no_token(own_vault: VaultServer, tmp_path: Path) -> None:
    stranger = tmp_path / "other.crt"
    stranger.write_text(Authority("Another root").pem)
    with pytest.raises(UnreachableError, match="TLS certificate could not be verified"):
        VaultClient(own_vault.address, "no token", str(stranger)).kv_read("a")


def test_the_environments_authorities_and_proxies_are_not_used(
    own_vault: VaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.crt"
    bundle.write_text(Authority("Another root").pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert own_vault.client("apply").kv_read("nothing/here") is None


def test_plain_http_is_refused(own_vault: VaultServer) -> None:
    with pytest.raises(UsageError, match="not https"):
        VaultClient("http://127.0.0.1:8200", "t", own_vault.ca_file)


def test_a_missing_variable_is_named_with_the_command_that_sets_it() -> None:
    with pytest.raises(UsageError, match=r"VAULT_TOKEN, VAULT_CACERT is not set.*donvi lab env"):
        VaultClient.from_env({"VAULT_ADDR": "https://127.0.0.1:1"})


def test_an_engine_that_is_not_mounted_is_an_error_and_not_nothing(own_vault: VaultServer) -> None:
    with pytest.raises(BackendError, match=r"no handler for route|unsupported path|no-such-mount"):
        own_vault.root.find("no-such-mount/thing")


def test_a_sealed_vault_stops_the_run_at_once_and_works_again_when_unsealed(own_vault: VaultServer) -> None:
    client = own_vault.client("apply")
    client.kv_write("thu/niêm-phong", {"a": "b"})
    own_vault.seal()
    try:
        with pytest.raises(SealedError, match="is sealed: get kv/data/thu/") as caught:
            client.kv_read("thu/niêm-phong")
    finally:
        own_vault.unseal()
    assert "nothing is lost" in caught.value.hint
    assert client.kv_read("thu/niêm-phong") == {"a": "b"}


def test_many_threads_share_one_client(own_vault: VaultServer) -> None:
    client = own_vault.client("apply")

    def work(number: int) -> object:
        client.kv_write(f"song-song/{number}", {"số": number})
        return (client.kv_read(f"song-song/{number}") or {})["số"]

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(100))) == list(range(100))
    client.close()


def test_a_rate_limit_is_waited_out(own_vault: VaultServer) -> None:
    client = own_vault.client("apply")
    own_vault.root.post("sys/quotas/rate-limit/thu", {"path": "kv/", "rate": 4, "interval": "1s"})
    try:
        for _ in range(9):
            client.kv_read("nothing/here")
    finally:
        own_vault.root.delete("sys/quotas/rate-limit/thu")


def test_a_rate_limit_that_does_not_end_is_told_when_the_patience_is_over(own_vault: VaultServer) -> None:
    client = VaultClient(own_vault.address, own_vault.token("apply"), own_vault.ca_file, patience=0.5)
    own_vault.root.post("sys/quotas/rate-limit/thu", {"path": "kv/", "rate": 1, "interval": "60s"})
    try:
        with pytest.raises(ThrottledError, match="slow down"):
            [client.kv_read("nothing/here") for _ in range(4)]
    finally:
        own_vault.root.delete("sys/quotas/rate-limit/thu")


def test_a_token_is_never_carried_to_where_a_redirect_points(tmp_path: Path) -> None:
    with redirecting(tmp_path) as (address, ca_file, paths), pytest.raises(BackendError, match=r"VAULT_ADDR"):
        VaultClient(address, "no token", ca_file).kv_read("a")
    assert paths == ["/v1/kv/data/a"]


def test_what_was_wrapped_is_unwrapped_once(vault: VaultClient) -> None:
    wrapping = vault.wrap({"password": SECRET}, ttl_seconds=60)
    assert vault.wrap_path(wrapping) == "sys/wrapping/wrap"
    assert vault.unwrap(wrapping) == {"password": SECRET}
    assert vault.wrap_path(wrapping) is None
    with pytest.raises(BackendError, match="has been used or has expired"):
        vault.unwrap(wrapping)


def test_a_wrapping_made_elsewhere_is_not_opened(vault: VaultClient) -> None:
    vault.approle_write("unit-90001", AN_APPROLE)
    wrapping = vault.approle_secret_id("unit-90001", wrap_ttl=60)
    with pytest.raises(BackendError, match="was made at auth/approle/role/unit-90001/secret-id"):
        vault.unwrap(wrapping)
    assert vault.unwrap(wrapping, creation_path="auth/approle/role/unit-90001/secret-id")["secret_id"]


def test_the_verifiers_token_holds_the_verifiers_policy_only(vault: VaultClient) -> None:
    verifier = vault.with_token(vault.token_create("verify", ttl_seconds=60))
    assert verifier.token_policies() == ("default", "verify")
    vault.kv_write("probes/26506/probe", {"password": SECRET})
    assert (verifier.kv_read("probes/26506/probe") or {})["password"] == SECRET
    verifier.token_revoke_self()
    with pytest.raises(PermissionDeniedError):
        verifier.kv_read("probes/26506/probe")


@contextmanager
def redirecting(folder: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Run a TLS server that redirects every request; yield its address, its CA and the paths it was asked for."""
    authority = Authority()
    (folder / "ca.crt").write_text(authority.pem)
    certificate, key = authority.server(folder)
    paths: list[str] = []

    class Redirect(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(307)
            self.send_header("Location", f"/elsewhere{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirect) as server:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}", str(folder / "ca.crt"), paths
        finally:
            server.shutdown()
            thread.join()
