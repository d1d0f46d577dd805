"""A small https server on this machine whose faults are chosen, and the certificate it is trusted by."""

import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@dataclass
class Server:
    """What is served, how it fails, and what was asked.

    files: contents by path. break_after: bytes after which each next answer ends, first to last.
    ranges: whether parts are given. shift: how far off the parts are that it gives. redirects: path to address. status: of every answer, if not 200.
    asked: (path, Range header) of each request. pause: seconds between pieces.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    break_after: list[int] = field(default_factory=list)
    ranges: bool = True
    shift: int = 0
    content_type: str = "application/octet-stream"
    announces_length: bool = True
    redirects: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    pause: float = 0.0
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(certificate: Path | None) -> Iterator[Server]:
    """A running server; plain http where it is given no certificate."""
    server = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    http.handle_error = lambda *_: None  # a client that leaves is what is tested here
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        http.socket = context.wrap_socket(http.socket, server_side=True)
    scheme = "https" if certificate else "http"
    server.address = f"{scheme}://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def make_certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 in one file, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the test server's certificate, is not installed")
    file = folder / "server.pem"
    call = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 "
        f"-addext keyUsage=critical,digitalSignature,keyCertSign -keyout {file} -out {folder}/cert"
    )
    subprocess.run(call.split(), check=True, capture_output=True)
    file.write_text(file.read_text() + (folder / "cert").read_text())
    return file


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            server.asked.append((self.path, asked))
            if self.path in server.redirects:
                self._head(302, 0, {"Location": server.redirects[self.path]})
                return
            if server.status or self.path not in server.files:
                self._head(server.status or 404, 0)
                return
            body, start, more = server.files[self.path], 0, {}
            if asked and server.ranges:
                start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) + server.shift
                if start >= len(body):
                    self._head(416, 0)
                    return
                more = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            self._head(206 if more else 200, len(body) - start, more)
            stop = server.break_after.pop(0) if server.break_after else None
            self._body(body[start:][:stop])
            if stop is not None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        def _head(self, status: int, length: int, more: dict[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", server.content_type)
            if server.announces_length or status != 200:
                self.send_header("Content-Length", str(length))
            else:
                self.send_header("Transfer-Encoding", "chunked")
            for name, value in (more or {}).items():
                self.send_header(name, value)
            self.end_headers()

        def _body(self, content: bytes) -> None:
            write: Callable[[bytes], object] = self.wfile.write
            for at in range(0, len(content), 1 << 16):
                piece = content[at : at + (1 << 16)]
                write(piece if server.announces_length else b"%x\r\n%s\r\n" % (len(piece), piece))
                time.sleep(server.pause)
            if not server.announces_length:
                write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    return Handler
