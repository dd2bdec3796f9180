#!/usr/bin/env python3
"""A server that answers by the path: over TCP, TLS and a Unix socket, and as a proxy.

Usage: peer.py DIRECTORY. The certificates are in there (certificates.sh makes them), and the ports go there, one file
each; `ready` is there when all of them listen.
"""

import gzip
import select
import socket
import socketserver
import ssl
import sys
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

DIRECTORY = sys.argv[1]
LATER = defaultdict(threading.Event)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    # A response goes out whole, when it is flushed.
    wbufsize = -1

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", fields=(), length=None):
        self.send_response_only(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", len(body) if length is None else length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            whole = b""
            while size := int(self.rfile.readline(), 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_expect_100(self):
        if self.path == "/refuse":
            self.close_connection = True
            self.answer(403)
            return False
        result = super().handle_expect_100()
        self.wfile.flush()
        return result

    def hang(self):
        """Until the client has gone."""
        self.wfile.flush()
        self.close_connection = True
        try:
            self.connection.recv(1)
        except OSError:
            pass

    def serve(self):
        whole = urlsplit(self.path)
        if whole.scheme and not getattr(self.server, "proxy", False):
            return self.answer(400, b"an absolute target, and this is no proxy\n")
        if whole.scheme and self.server.password and not self.allowed("Proxy-Authorization"):
            return self.answer(407, b"who is there?\n", [("Proxy-Authenticate", "Basic realm=x")])
        body = self.body()
        name, _, argument = whole.path.lstrip("/").partition("/")
        route = getattr(self, "on_" + (name or "hello").replace(".", "_"), None)
        if route is None:
            return self.answer(404, b"there is no such page\n", [("Content-Type", "text/plain")])
        route(argument, whole.query, body)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PURGE = serve

    def do_CONNECT(self):
        if not getattr(self.server, "proxy", False):
            return self.answer(405)
        if self.server.password and not self.allowed("Proxy-Authorization"):
            self.close_connection = True
            return self.answer(407, b"", [("Proxy-Authenticate", "Basic realm=x")])
        self.close_connection = True
        port = int(self.path.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as other:
            self.send_response_only(200, "Tunnel")
            self.end_headers()
            self.wfile.flush()
            ways = {self.connection: other, other: self.connection}
            while True:
                for ready in select.select(list(ways), [], [], 30)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    ways[ready].sendall(data)

    def allowed(self, field):
        return self.headers.get(field) == "Basic dXNlcjpzZWNyZXQ="

    def on_hello(self, *_):
        self.answer(200, b"hello\n", [("Content-Type", "text/plain"), ("X-Mixed", "one"), ("x-mixed", "two")])

    def on_bytes(self, size, *_):
        self.answer(200, b"x" * int(size), [("Accept-Ranges", "bytes")])

    def on_line(self, number, *_):
        """A body in two parts, so that others could come between them."""
        self.send_response_only(200)
        self.send_header("Content-Length", str(2 * len(number) + 2))
        self.end_headers()
        self.wfile.write(number.encode() + b"-")
        self.wfile.flush()
        self.wfile.write(number.encode() + b"\n")
        self.wfile.flush()

    def on_chunked(self, size, *_):
        self.send_response_only(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(int(size) // 1000):
            self.wfile.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def on_status(self, status, *_):
        self.answer(int(status), f"status {status}\n".encode())

    def on_redirect(self, count, *_):
        to = f"/redirect/{int(count) - 1}" if int(count) > 1 else "/hello"
        self.answer(302, b"moved\n", [("Location", to)])

    def on_to(self, status, query, _):
        self.answer(int(status), b"moved\n", [("Location", query)])

    def on_elsewhere(self, *_):
        """A URL that is neither ASCII nor UTF-8."""
        self.answer(302, b"moved\n", [("Location", "/caf\xe9")])

    def on_echo(self, argument, query, body):
        head = f"{self.command} {self.path}\n"
        head += "".join(f"{name.lower()}: {value}\n" for name, value in self.headers.items())
        self.answer(200, head.encode() + b"\n" + body)

    def on_gzip(self, *_):
        self.answer(200, gzip.compress(b"hello\n" * 1000), [("Content-Encoding", "gzip")])

    def on_badgzip(self, *_):
        self.answer(200, b"this is no gzip", [("Content-Encoding", "gzip")])

    def on_coded(self, coding, *_):
        self.answer(200, b"as it is\n", [("Content-Encoding", coding)])

    def on_empty(self, *_):
        self.answer(200)

    def on_private(self, *_):
        if self.allowed("Authorization"):
            return self.answer(200, b"welcome\n")
        self.answer(401, b"who is there?\n", [("WWW-Authenticate", "Basic realm=x")])

    def on_early(self, *_):
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        self.answer(200, b"hello\n")

    def on_range(self, *_):
        wanted = self.headers.get("Range", "")
        if wanted != "bytes=2-4":
            return self.answer(416)
        self.answer(206, b"cde", [("Content-Range", "bytes 2-4/10")])

    def on_slow(self, *_):
        self.answer(200, b"0123456789", length=1000)
        self.hang()

    def on_silent(self, *_):
        self.hang()

    def on_large(self, *_):
        """More than a client that is being tested wants to wait for."""
        size = 1 << 40
        self.send_response_only(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        while True:
            self.wfile.write(b"x" * 65536)

    def on_late(self, number, query, _):
        """Answers 1 after everything with a higher number that is asked for at the same time, with the same query."""
        if number == "1":
            LATER[query].wait(20)
        self.answer(200, f"late {number}\n".encode())
        if number == "3":
            LATER[query].set()

    def on_truncated(self, *_):
        self.answer(200, b"half", length=10)
        self.close_connection = True

    def on_nothing(self, *_):
        self.close_connection = True

    def raw(self, response):
        self.wfile.write(response)
        self.close_connection = True

    def on_garbage(self, *_):
        self.raw(b"this is not HTTP\r\n\r\n")

    def on_badlength(self, *_):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n")

    def on_badchunk(self, *_):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nno size\r\n")

    def on_longhead(self, *_):
        self.raw(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * (1 << 20) + b"\r\nContent-Length: 0\r\n\r\n")

    def on_transfer(self, coding, *_):
        self.raw(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n".encode())

    def on_trailers(self, *_):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.raw(head + b"6\r\nhello\n\r\n0\r\nx-sum: 12\r\nx-by: me\r\n\r\n")


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256
    context = None
    proxy = False
    password = False

    def handle_error(self, *_):
        """Clients may go when they like."""

    def process_request_thread(self, request, address):
        if self.context:
            request.settimeout(30)
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError:
                return request.close()
        super().process_request_thread(request, address)


class UnixServer(Server):
    address_family = socket.AF_UNIX


def tls(certificate, client_ca=None, newest=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{DIRECTORY}/{certificate}.pem", f"{DIRECTORY}/{certificate}.key")
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(f"{DIRECTORY}/{client_ca}.pem")
    if newest:
        context.maximum_version = newest
    return context


def start(name, context=None, **settings):
    if name == "unix":
        server = UnixServer(f"{DIRECTORY}/socket", Handler)
    else:
        server = Server(("127.0.0.1", 0), Handler)
    server.context = context
    for key, value in settings.items():
        setattr(server, key, value)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(f"{DIRECTORY}/port.{name}", "w") as file:
        file.write(str(server.server_address[1]) if name != "unix" else "")


start("http")
start("unix")
start("proxy", proxy=True)
start("locked", proxy=True, password=True)
start("https", tls("good"))
start("expired", tls("expired"))
start("other", tls("other"))
start("self", tls("self"))
start("asking", tls("good", client_ca="ca"))
start("asking12", tls("good", client_ca="ca", newest=ssl.TLSVersion.TLSv1_2))
open(f"{DIRECTORY}/ready", "w").close()
# Whoever started this ends it; but not for ever.
threading.Event().wait(600)
