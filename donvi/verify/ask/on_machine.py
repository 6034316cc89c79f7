"""Runs on a unit's gateway, from standard input to standard output; standard library only, imported nowhere.

The unit's private keys stay here: this program uses them in place. It reads one JSON object of questions and writes
one JSON object of answers by question id. Passwords and tokens come on standard input and are never part of an
answer.

======== ================================================== ===================================================
kind     further fields                                     answer
======== ================================================== ===================================================
tls      host, port, path, certificate?, key?, user?,       stage, status, detail
         password?
dns      message (base64 of a query)                        message (base64 of the response), server, detail
pair     certificate, key                                   certificate (PEM chain), public_key (PEM), detail
fetch    url                                                status, body (base64), detail
vault    address, wrapping_token, role_id, own, foreign     unwrap, login, own, foreign (HTTP status), detail
nothing  what the answer is                                 that
======== ================================================== ===================================================

``stage``: ``unreachable`` (nobody answers), ``untrusted`` (the server's certificate isn't good), ``refused`` (the
server broke off the handshake), ``answered`` (there is an HTTP status), ``unequipped`` (this
machine lacks the certificate or its key).
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = dict[str, Any]

TIMEOUT = 6.0


def main() -> None:
    """Answer all questions, several at once."""
    questions = json.load(sys.stdin)
    root = questions.pop("root")
    with ThreadPoolExecutor(8) as pool:
        running = {
            identifier: pool.submit(ask, root, question) for identifier, question in sorted(questions["asked"].items())
        }
    json.dump({identifier: answer.result() for identifier, answer in running.items()}, sys.stdout)


def ask(root: str, question: dict[str, Any]) -> Answer:
    """Answer one question."""
    kind = question.pop("kind")
    try:
        answer: Answer = KINDS[kind](root, **question)
    except Exception as error:  # noqa: BLE001 - one question must not take the others along
        return {"detail": f"{type(error).__name__}: {error}", "stage": "unreachable"}
    return answer


def tls(
    root: str,
    *,
    host: str,
    port: int,
    path: str,
    certificate: str | None = None,
    key: str | None = None,
    user: str | None = None,
    password: str | None = None,
) -> Answer:
    """Make one HTTPS request, with a client certificate when one is named."""
    context = ssl.create_default_context(cafile=root)
    if certificate:
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            return {"stage": "unequipped", "detail": f"{certificate}: {error}"}
    connection = http.client.HTTPSConnection(host, port, context=context, timeout=TIMEOUT)
    headers = {"Accept": "application/json"}
    if user is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    try:
        plain = socket.create_connection((host, port), TIMEOUT)
    except OSError as error:
        return {"stage": "unreachable", "detail": f"{host}:{port}: {error}"}
    try:
        connection.sock = context.wrap_socket(plain, server_hostname=host)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
    except ssl.SSLCertVerificationError as error:
        return {"stage": "untrusted", "detail": f"{host}:{port}: {error.verify_message}"}
    except TimeoutError:
        return {"stage": "unreachable", "detail": f"{host}:{port}: no answer within {TIMEOUT:.0f} s"}
    except (ssl.SSLError, ConnectionError, http.client.BadStatusLine) as error:
        return {"stage": "refused", "detail": f"{host}:{port}: {error}"}
    finally:
        connection.close()
        plain.close()
    return {"stage": "answered", "status": response.status, "detail": ""}


def dns(_root: str, *, message: str) -> Answer:
    """Send a query to this machine's own resolver over TCP."""
    query = base64.b64decode(message)
    server = resolver()
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as link:
        link.settimeout(TIMEOUT)
        link.connect((server, 53))
        link.sendall(len(query).to_bytes(2, "big") + query)
        size = int.from_bytes(exactly(link, 2), "big")
        return {"message": base64.b64encode(exactly(link, size)).decode(), "server": server, "detail": ""}


def exactly(link: socket.socket, size: int) -> bytes:
    """Read ``size`` bytes."""
    data = b""
    while len(data) < size:
        chunk = link.recv(size - len(data))
        if not chunk:
            raise ConnectionError("the name server broke off")
        data += chunk
    return data


def resolver() -> str:
    """Return the address of this machine's resolver."""
    found = re.search(r"^nameserver\s+(\S+)", Path("/etc/resolv.conf").read_text(), re.MULTILINE)
    if not found:
        raise LookupError("/etc/resolv.conf names no name server")
    return found[1]


def pair(_root: str, *, certificate: str, key: str) -> Answer:
    """Return the certificate, and the public half of the key beside it."""
    public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout"], capture_output=True, text=True, check=False)
    chain = Path(certificate)
    return {
        "certificate": chain.read_text() if chain.exists() else "",
        "public_key": public.stdout,
        "detail": "" if chain.exists() else f"{certificate} doesn't exist",
    }


def fetch(root: str, *, url: str) -> Answer:
    """Fetch something published."""
    context = ssl.create_default_context(cafile=root)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT, context=context) as response:  # noqa: S310 - https only
            return {"status": response.status, "body": base64.b64encode(response.read()).decode(), "detail": ""}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": "", "detail": f"{url}: {error}"}


def vault(root: str, *, address: str, wrapping_token: str, role_id: str, own: str, foreign: str) -> Answer:
    """Log in as the unit: unwrap the SecretID, use it, read an own path and another unit's; tokens stay in here."""
    where = urlsplit(address)
    link = http.client.HTTPSConnection(
        where.hostname or "", where.port, context=ssl.create_default_context(cafile=root), timeout=TIMEOUT
    )
    status, wrapped = call(link, "POST", "/v1/sys/wrapping/unwrap", wrapping_token)
    answer = {"unwrap": status, "login": 0, "own": 0, "foreign": 0, "detail": ""}
    if status != http.client.OK:
        return answer | {"detail": "; ".join(wrapped.get("errors") or [])}
    secret_id = wrapped["data"]["secret_id"]
    status, session = call(link, "POST", "/v1/auth/approle/login", None, {"role_id": role_id, "secret_id": secret_id})
    answer["login"] = status
    if status != http.client.OK:
        return answer | {"detail": "; ".join(session.get("errors") or [])}
    token = session["auth"]["client_token"]
    answer["own"], _ = call(link, "GET", f"/v1/{own}", token)
    answer["foreign"], _ = call(link, "GET", f"/v1/{foreign}", token)
    call(link, "POST", "/v1/auth/token/revoke-self", token)
    return answer


def call(
    link: http.client.HTTPSConnection, method: str, path: str, token: str | None, body: Answer | None = None
) -> tuple[int, Answer]:
    """Make one call of Vault's API; return status and body."""
    headers = {"X-Vault-Token": token} if token else {}
    link.request(method, path, json.dumps(body) if body is not None else None, headers)
    response = link.getresponse()
    text = response.read()
    return response.status, json.loads(text) if text else {}


def nothing(_root: str, **answer: Any) -> Answer:
    """Answer a question that could not even be put."""
    return answer


KINDS: dict[str, Callable[..., Answer]] = {
    "nothing": nothing,
    "tls": tls,
    "dns": dns,
    "pair": pair,
    "fetch": fetch,
    "vault": vault,
}

if __name__ == "__main__":
    main()
