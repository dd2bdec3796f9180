"""What the tests fetch from Python's http.server: server.py ADDRESS PORT DIRECTORY VERSION [CERTIFICATE KEY]."""
import functools
import http.server
import ssl
import sys


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        # A body that ends with the connection, since nothing else says where.
        if self.path.startswith("/until-the-end"):
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            for _ in range(int(self.path.partition("?")[2])):
                self.wfile.write(b"a line of the body\n")
        else:
            super().do_GET()

    def log_message(self, *args):
        pass


address, port, directory, version, *certificate = sys.argv[1:]
Handler.protocol_version = version
handler = functools.partial(Handler, directory=directory)
server = http.server.ThreadingHTTPServer((address, int(port)), handler)
if certificate:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
