"""The program that runs on a unit's machines, against a real TLS server that demands a client certificate."""

import base64
import datetime as dt
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from donvi.verify.ask.batch import PROGRAM

NOW = dt.datetime.now(dt.UTC)
PASSWORD = "mat-khau-chim-hoang-yen"


def issue(folder, name, issuer=None):
    """Write a certificate and key for ``name``; without an issuer a self-signed authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by_name, by_key = issuer or (subject, key)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(hours=1))
        .not_valid_after(NOW + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(by_key, hashes.SHA256())
    )
    (folder / f"{name}.crt").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / f"{name}.key").write_bytes(pem)
    return subject, key


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.headers.get("Authorization") else 401)
        self.end_headers()

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    root = issue(folder, "root")
    issue(folder, "localhost", root)
    issue(folder, "unit", root)
    stranger = issue(folder, "stranger")
    issue(folder, "stranger-unit", stranger)
    return folder


@pytest.fixture(scope="module")
def port(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "localhost.crt", folder / "localhost.key")
    context.load_verify_locations(folder / "root.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def ask(folder, port):
    def asker(*, root="root", **fields):
        question = {"kind": "tls", "host": "localhost", "port": port, "path": "/", **fields}
        text = json.dumps({"root": str(folder / f"{root}.crt"), "asked": {"q": question}})
        done = subprocess.run([sys.executable, "-I", PROGRAM], input=text, capture_output=True, text=True, check=True)
        assert PASSWORD not in done.stdout + done.stderr
        return json.loads(done.stdout)["q"]

    return asker


def shown(folder, name):
    return {"certificate": str(folder / f"{name}.crt"), "key": str(folder / f"{name}.key")}


def test_with_certificate_and_password_the_service_answers(ask, folder):
    answer = ask(**shown(folder, "unit"), user="probe", password=PASSWORD)
    assert (answer["stage"], answer["status"]) == ("answered", 200)


def test_without_a_certificate_the_refused_handshake_is_told_from_a_dead_service(ask):
    assert ask()["stage"] == "refused"


def test_a_certificate_of_another_authority_is_refused(ask, folder):
    assert ask(**shown(folder, "stranger-unit"))["stage"] == "refused"


def test_a_dead_service_is_unreachable(ask, folder):
    assert ask(**shown(folder, "unit"), port=1)["stage"] == "unreachable"


def test_a_service_that_the_root_does_not_vouch_for_is_untrusted(ask, folder):
    assert ask(**shown(folder, "unit"), root="stranger")["stage"] == "untrusted"


def test_a_machine_without_its_certificate_says_so(ask, folder):
    answer = ask(**shown(folder, "missing"))
    assert answer["stage"] == "unequipped"
    assert "missing.crt" in answer["detail"]


def put(question):
    text = json.dumps({"root": "/nowhere", "asked": {"q": question}})
    done = subprocess.run([sys.executable, "-I", PROGRAM], input=text, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["q"]


def test_a_connection_is_open_or_refused_by_the_target():
    with socket.create_server(("127.0.0.1", 0)) as server:
        question = {"kind": "link", "address": "127.0.0.1", "port": server.getsockname()[1], "seconds": 1}
        assert put(question)["state"] == "open"
    assert put(question)["state"] == "refused"


def test_a_connection_that_nobody_answers_is_silent():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # the queue holds no second one
            question = {"kind": "link", "address": "127.0.0.1", "port": port, "seconds": 0.3}
            assert put(question)["state"] == "silent"


def test_a_server_that_speaks_first_is_read_over_tls_and_by_name(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "localhost.crt", folder / "localhost.key")

    def serve(server):
        for _ in range(2):
            plain, _ = server.accept()
            try:
                with context.wrap_socket(plain, server_side=True) as channel:
                    channel.sendall(b"220 mail ready\r\n")
            except OSError:
                plain.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        question = {"kind": "greet", "host": "localhost", "port": server.getsockname()[1]}
        answers = {}
        for root in ("root", "stranger"):
            text = json.dumps({"root": str(folder / f"{root}.crt"), "asked": {"q": question}})
            done = subprocess.run([sys.executable, "-I", PROGRAM], input=text.encode(), capture_output=True, check=True)
            answers[root] = json.loads(done.stdout)["q"]
    assert answers["root"] == {"stage": "answered", "detail": "220 mail ready"}
    assert answers["stranger"]["stage"] == "untrusted"


def test_the_permissions_of_secrets_are_seen_in_every_folder(tmp_path):
    (tmp_path / "unit").mkdir()
    key = tmp_path / "unit" / "gateway.key"
    key.touch(0o640)
    key.chmod(0o640)
    found = put({"kind": "modes", "patterns": [f"{tmp_path}/**/*.key"]})["modes"]
    assert {path: mode.split()[1] for path, mode in found.items()} == {str(key): "0640"}


def test_a_program_that_is_not_there_is_told(tmp_path):
    answer = put({"kind": "command", "arguments": [str(tmp_path / "nft")]})
    assert answer.get("status", -1) != 0
    assert "nft" in answer["detail"]


PAGE = "<!doctype html><html lang=vi>Phường Vũng Tàu"


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Redirects(Pages):
    def do_GET(self):
        self.send_response(301)
        self.send_header("Location", f"https://{self.headers['Host']}{self.path}")
        self.end_headers()


def serving(handler, context=None):
    server = Server(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def site(folder):
    """A server that knows one host name, and breaks off the handshake for any other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "localhost.crt", folder / "localhost.key")
    context.sni_callback = lambda _s, name, _c: None if name == "localhost" else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    server = serving(Pages, context)
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def fetch(folder, port, root="root", **fields):
    question = {"kind": "page", "host": "localhost", "path": "/", "port": port, **fields}
    text = json.dumps({"root": str(folder / f"{root}.crt"), "asked": {"q": question}})
    done = subprocess.run([sys.executable, "-I", PROGRAM], input=text, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["q"]


def test_a_page_comes_with_its_headers_and_the_certificate_it_came_under(folder, site):
    answer = fetch(folder, site)
    assert (answer["stage"], answer["status"], answer["version"]) == ("answered", 200, "TLSv1.3")
    assert base64.b64decode(answer["body"]).decode() == PAGE
    assert answer["headers"]["content-type"] == "text/html; charset=utf-8"
    assert answer["certificate"].strip() == (folder / "localhost.crt").read_text().strip()


def test_a_page_whose_certificate_the_city_did_not_sign_is_untrusted(folder, site):
    assert fetch(folder, site, root="stranger")["stage"] == "untrusted"


def test_a_host_name_that_the_server_has_not_got_is_refused_not_unreachable(folder, site):
    assert fetch(folder, site, asked_name="khong-co.localhost")["stage"] == "refused"
    assert fetch(folder, 1)["stage"] == "unreachable"


def test_a_redirect_is_told_and_not_followed(folder):
    server = serving(Redirects)
    answer = fetch(folder, server.server_address[1], plain=True, address="127.0.0.1", host="www.vung-tau.test")
    assert (answer["status"], answer["headers"]["location"]) == (301, "https://www.vung-tau.test/")
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace")
def test_a_connection_is_tried_from_inside_the_pod_that_has_an_address():
    name = f"donvi-test-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "address", "add", "192.0.2.7/32", "dev", "lo"], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        question = {"kind": "inside", "source": "192.0.2.7", "address": "192.0.2.7", "port": 9, "seconds": 1}
        assert put(question)["state"] == "refused", "only there the address is the machine's own"
        assert put(question | {"source": "192.0.2.8"})["state"] == "absent"
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
