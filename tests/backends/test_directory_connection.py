"""What happens when the directory can't be reached, doesn't let us in, or drops the connection."""

from __future__ import annotations

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from donvi.backends.directory import Directory
from donvi.errors import PermissionDeniedError, UnreachableError, UsageError
from tests.support.ca import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from donvi.provider.services import Services
    from tests.backends.conftest import Unit


WRONG = "sai mật khẩu"


@pytest.fixture
def reader(services: Services) -> Directory:
    return services.directory_read


def stranger(services: Services, *, url: str = "", password: str = WRONG, ca_file: str = "") -> Directory:
    return Directory(
        url or services.deployment.directory.url,
        services.directory_write.bind_dn,
        password,
        ca_file or services.ca_file,
    )


def assert_unreachable(directory: Directory, seconds: float = 5.0) -> UnreachableError:
    began = time.monotonic()
    with pytest.raises(UnreachableError) as caught:
        directory.get("dc=tphcm,dc=test")
    assert time.monotonic() - began < seconds
    assert caught.value.hint
    return caught.value


def test_a_directory_that_is_down_is_reported_at_once(services: Services) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ldaps://127.0.0.1:{taken.getsockname()[1]}"
        assert url in assert_unreachable(stranger(services, url=url)).message


def test_a_directory_that_accepts_and_stays_silent_is_given_up(services: Services) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = assert_unreachable(stranger(services, url=f"ldaps://127.0.0.1:{silent.getsockname()[1]}"))
    assert "in time" in error.message


def test_a_certificate_of_another_root_is_refused(services: Services, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_text(Authority("Another root").pem)
    assert "certificate" in assert_unreachable(stranger(services, ca_file=str(other))).message


def test_the_directory_is_never_asked_without_tls(services: Services) -> None:
    with pytest.raises(UsageError, match="ldaps"):
        stranger(services, url="ldap://127.0.0.1").get("dc=tphcm,dc=test")


def test_a_wrong_password_is_denied_and_not_repeated_in_the_error(services: Services) -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        stranger(services).check_login()
    assert "provider-write" in str(caught.value)
    assert "mật khẩu" not in repr(caught.value) + str(caught.value.__cause__)


def test_the_reader_cant_write_and_the_error_names_the_entry(reader: Directory, unit: Unit) -> None:
    with pytest.raises(PermissionDeniedError, match=unit.code) as caught:
        reader.modify(unit.dn, replace={"description": ("khác",)})
    assert "apply" in caught.value.hint


def test_a_preview_has_no_writer(services_of: Callable[[str], Services], unit: Unit) -> None:
    preview = services_of("preview")
    assert preview.directory_read.get(unit.dn) is not None
    with pytest.raises(PermissionDeniedError):
        _ = preview.directory_write


def drop_connections(host: str, port: int) -> int:
    """Shut down this process's own connections to a server, as its restart would."""
    dropped = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            with socket.socket(fileno=os.dup(int(descriptor.name))) as link:
                if link.getpeername()[:2] == (host, port):
                    link.shutdown(socket.SHUT_RDWR)
                    dropped += 1
        except OSError:
            continue
    return dropped


def test_a_restarted_directory_is_reached_again_without_an_error(
    services: Services, environment: Mapping[str, str], unit: Unit
) -> None:
    host, port = services.deployment.directory.url.removeprefix("ldaps://").rsplit(":", 1)
    secret = services.vault.kv_read("backends/directory/read")
    assert secret is not None
    own = Directory(
        services.deployment.directory.url, secret["bind_dn"], secret["password"], environment["VAULT_CACERT"]
    )
    assert own.get(unit.dn) is not None
    assert drop_connections(host, int(port)) > 0
    assert own.get(unit.dn) is not None
    own.close()


def test_many_threads_share_a_bounded_number_of_connections(services: Services, unit: Unit) -> None:
    secret = services.vault.kv_read("backends/directory/read")
    assert secret is not None
    own = Directory(services.deployment.directory.url, secret["bind_dn"], secret["password"], services.ca_file, size=3)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: own.get(unit.dn), range(200)))
    assert all(entry is not None and entry.one("ou") == unit.code for entry in found)
    assert len(own._idle) <= 3
    own.close()
    assert own.get(unit.dn) is not None, "it may be used again after it was closed"
    own.close()
