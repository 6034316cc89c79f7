"""``donvi cluster credential``: an exec credential plugin of client-go (client.authentication.k8s.io/v1).

Standard output is the credential alone; what goes wrong is told on standard error. Imports little: it is started for
every ``kubectl``.
"""

from __future__ import annotations

import json
import os
import sys

from donvi.errors import UsageError

VARIABLES = ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_CACERT")


def print_credential() -> None:
    """Print an ``ExecCredential`` for the operator role of the environment's token.

    :raises UsageError: the environment lacks something, or the token is no operator's.
    :raises BackendError: Vault refuses or doesn't answer.
    """
    address, token, ca_file = _environment()
    from donvi.backends.client_certificate import issue

    found = issue(address, token, ca_file)
    status = {
        "expirationTimestamp": found.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "clientCertificateData": found.certificate,
        "clientKeyData": found.key,
    }
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    sys.stdout.write(json.dumps(answer) + "\n")


def _environment() -> tuple[str, str, str]:
    values = [os.environ.get(name, "") for name in VARIABLES]
    if missing := [name for name, value in zip(VARIABLES, values, strict=True) if not value]:
        raise UsageError(
            f"{', '.join(missing)} not set: nobody knows who asks for the cluster",
            hint='run `eval "$(uv run donvi lab env)"` in this shell first',
        )
    address, token, ca_file = values
    return address, token, ca_file
