"""Runs on a unit's machine, from standard input to standard output; standard library only, imported nowhere.

The unit's private keys stay here: this program uses them in place. It reads one JSON object of questions and writes
one JSON object of answers by question id. Passwords and tokens come on standard input and are never part of an
answer.

======== ================================================== ===================================================
kind     further fields                                     answer
======== ================================================== ===================================================
tls      host, port, path, certificate?, key?, user?,       stage, status, detail
         password?
greet    host, port                                         stage, detail (the server's greeting)
page     host, path, address?, asked_name?, plain?, port?   stage, status, headers, body (base64), certificate
                                                            (PEM of the leaf), version, detail
inside   source, address, port, seconds                     state (as link), detail
dns      message (base64 of a query), server?               message (base64 of the response), server, detail
link     address, port, seconds                             state (open, refused, silent, unreachable), detail
forge    source, target, port, count                        sent, detail
pair     certificate, key                                   certificate (PEM chain), public_key (PEM), exists,
                                                            mode, owner (of the key's file), detail
command  arguments                                          status, output, detail
modes    patterns                                           modes (by path)
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
import stat
import struct
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
AT_ONCE = 24
PAGE_BYTES = 1 << 18
CONNECT = """
import socket, sys
address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
try:
    socket.create_connection((address, port), seconds).close()
except TimeoutError:
    print("silent")
except ConnectionRefusedError:
    print("refused")
except OSError:
    print("unreachable")
else:
    print("open")
"""


def main() -> None:
    """Answer all questions, several at once."""
    questions = json.load(sys.stdin)
    root = questions.pop("root")
    with ThreadPoolExecutor(AT_ONCE) as pool:
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


def greet(root: str, *, host: str, port: int) -> Answer:
    """Open TLS to a server that speaks first, and return its first line."""
    context = ssl.create_default_context(cafile=root)
    try:
        plain = socket.create_connection((host, port), TIMEOUT)
    except OSError as error:
        return {"stage": "unreachable", "detail": f"{host}:{port}: {error}"}
    try:
        with context.wrap_socket(plain, server_hostname=host) as channel:
            line = channel.recv(512).split(b"\r\n")[0].decode(errors="replace")
    except ssl.SSLCertVerificationError as error:
        return {"stage": "untrusted", "detail": f"{host}:{port}: {error.verify_message}"}
    except OSError as error:
        return {"stage": "refused", "detail": f"{host}:{port}: {error}"}
    finally:
        plain.close()
    return {"stage": "answered", "detail": line}


def page(
    root: str, *, host: str, path: str, address: str = "", asked_name: str = "", plain: bool = False, port: int = 0
) -> Answer:
    """Fetch a page as a browser would, and follow nothing.

    :param address: where to connect; where the name leads, by this machine's resolver, unless it is said.
    :param asked_name: ask for another host name in the handshake, whatever certificate then comes.
    :param plain: without TLS.
    """
    context = ssl.create_default_context(cafile=root)
    if asked_name:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = port or (http.client.HTTP_PORT if plain else http.client.HTTPS_PORT)
    try:
        channel = socket.create_connection((address or host, port), TIMEOUT)
    except OSError as error:
        return {"stage": "unreachable", "detail": f"{address or host}:{port}: {error}"}
    answer: Answer = {"stage": "answered", "certificate": "", "version": "", "detail": ""}
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        if not plain:
            secure = context.wrap_socket(channel, server_hostname=asked_name or host)
            answer["certificate"] = ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"")
            answer["version"] = secure.version() or ""
            channel = secure
        connection.sock = channel
        connection.request("GET", path, headers={"Host": host, "Accept": "text/html", "Connection": "close"})
        response = connection.getresponse()
        body = response.read(PAGE_BYTES)
    except ssl.SSLCertVerificationError as error:
        return {"stage": "untrusted", "detail": f"{host}:{port}: {error.verify_message}"}
    except TimeoutError:
        return {"stage": "unreachable", "detail": f"{host}:{port}: no answer within {TIMEOUT:.0f} s"}
    except (OSError, http.client.HTTPException) as error:
        return {"stage": "refused", "detail": f"{host}:{port}: {error or type(error).__name__}"}
    finally:
        connection.close()
        channel.close()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return answer | {"status": response.status, "headers": headers, "body": base64.b64encode(body).decode()}


def inside(_root: str, *, source: str, address: str, port: int, seconds: float) -> Answer:
    """Try a TCP connection from inside the pod that has the address ``source``: from its own network namespace."""
    for place in _places(source):
        enter = ["nsenter", f"--net={place}"]
        here = subprocess.run([*enter, "ip", "-j", "address"], capture_output=True, text=True, check=False)
        held = json.loads(here.stdout) if here.returncode == 0 and here.stdout.strip() else []
        if source in {entry["local"] for interface in held for entry in interface.get("addr_info", ())}:
            break
    else:
        return {"state": "absent", "detail": f"no pod here has the address {source}"}
    program, most = ["python3", "-I", "-c", CONNECT, address, str(port), str(seconds)], seconds + TIMEOUT
    try:
        done = subprocess.run([*enter, *program], capture_output=True, text=True, timeout=most, check=False)
    except subprocess.TimeoutExpired:
        return {"state": "absent", "detail": f"the machine didn't come to try within {most:.0f} s"}
    return {"state": done.stdout.strip() or "absent", "detail": done.stderr.strip()[-200:]}


def _places(source: str) -> list[Path]:
    """Return the network namespaces of pods, first those that the network plugin notes with the address."""
    notes = (note.read_text(errors="replace") for note in Path("/var/lib/cni/results").glob("*"))
    noted = set(re.findall(r"/netns/([\w-]+)", " ".join(note for note in notes if f'"{source}/' in note)))
    return sorted(Path("/run/netns").glob("*"), key=lambda place: (place.name not in noted, place.name))


def link(_root: str, *, address: str, port: int, seconds: float) -> Answer:
    """Try a TCP connection and nothing more."""
    try:
        socket.create_connection((address, port), seconds).close()
    except TimeoutError:
        return {"state": "silent", "detail": f"no answer within {seconds} s"}
    except ConnectionRefusedError:
        return {"state": "refused", "detail": ""}
    except OSError as error:
        return {"state": "unreachable", "detail": str(error)}
    return {"state": "open", "detail": ""}


def forge(_root: str, *, source: str, target: str, port: int, count: int) -> Answer:
    """Send a few TCP SYN with a source address that isn't ours (RFC 9293, 3.1; RFC 791, 3.1; RFC 8200, 3)."""
    six = ":" in source
    family = socket.AF_INET6 if six else socket.AF_INET
    from_, to = socket.inet_pton(family, source), socket.inet_pton(family, target)
    segment = struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 5 << 4, 2, 1024, 0, 0)
    pseudo = from_ + to + struct.pack("!II" if six else "!HH", *((20, 6) if six else (6, 20)))
    segment = segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
    if six:
        packet = struct.pack("!IHBB", 6 << 28, len(segment), socket.IPPROTO_TCP, 64) + from_ + to + segment
    else:
        packet = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, socket.IPPROTO_TCP, 0) + from_ + to + segment
    sent = 0
    try:
        with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            for _ in range(count):
                raw.sendto(packet, (target, 0))
                sent += 1
    except OSError as error:
        return {"sent": sent, "detail": str(error)}
    return {"sent": sent, "detail": ""}


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def dns(_root: str, *, message: str, server: str = "") -> Answer:
    """Send a query over TCP, to this machine's resolver unless another is named."""
    query = base64.b64decode(message)
    server = server or resolver()
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
    chain, private = Path(certificate), Path(key)
    exists = private.exists()
    return {
        "exists": exists,
        "mode": stat.S_IMODE(private.stat().st_mode) if exists else 0,
        "owner": private.owner() if exists else "",
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


def command(_root: str, *, arguments: list[str]) -> Answer:
    """Run a program that only looks."""
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    return {"status": done.returncode, "output": done.stdout, "detail": done.stderr.strip()[-300:]}


def modes(_root: str, *, patterns: list[str]) -> Answer:
    """Return owner and permissions of the files that match."""
    found = sorted({path for pattern in patterns for path in Path("/").glob(pattern.lstrip("/"))})
    return {"modes": {str(path): f"{path.owner()} {stat.S_IMODE(path.stat().st_mode):04o}" for path in found}}


def nothing(_root: str, **answer: Any) -> Answer:
    """Answer a question that could not even be put."""
    return answer


KINDS: dict[str, Callable[..., Answer]] = {
    "nothing": nothing,
    "tls": tls,
    "greet": greet,
    "page": page,
    "inside": inside,
    "dns": dns,
    "link": link,
    "forge": forge,
    "pair": pair,
    "command": command,
    "modes": modes,
    "fetch": fetch,
    "vault": vault,
}

if __name__ == "__main__":
    main()
