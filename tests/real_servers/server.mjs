// What the tests fetch from Node: node server.mjs ADDRESS PORT.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const [address, port] = process.argv.slice(2);

const routes = {
  // The whole request, as the server has understood it.
  "/seen": (request, response) => {
    const hash = createHash("sha256");
    let length = 0;
    request.on("data", (data) => {
      hash.update(data);
      length += data.length;
    });
    request.on("end", () => {
      const { method, url, rawHeaders } = request;
      const lines = [method, url, `length ${length}`, `sha256 ${hash.digest("hex")}`];
      for (let at = 0; at < rawHeaders.length; at += 2) {
        lines.push(`${rawHeaders[at].toLowerCase()}: ${rawHeaders[at + 1]}`);
      }
      response.end(lines.join("\n"));
    });
  },
  // Sends back what comes, while it comes.
  "/echo": (request, response) => request.pipe(response),
  // As many chunks as are asked for, of which each has one byte more than the one before.
  "/chunked": async (request, response, query) => {
    for (let size = 1; size <= Number(query.get("chunks")); size++) {
      if (!response.write("x".repeat(size))) {
        await new Promise((resolve) => response.once("drain", resolve));
      }
    }
    response.end();
  },
  "/trailers": (request, response) => {
    response.writeHead(200, { Trailer: "X-Sum, X-More" });
    response.write("counted");
    response.addTrailers({ "X-Sum": "7", "X-More": "yes" });
    response.end();
  },
  "/hints": (request, response) => {
    response.writeProcessing();
    response.writeEarlyHints({ link: ["</a.css>; rel=preload", "</b.js>; rel=preload"] }, () =>
      response.end("hinted"),
    );
  },
  "/cookies": (request, response) => {
    response.setHeader("Set-Cookie", ["a=1; Path=/", "b=2; HttpOnly"]);
    response.end(request.headers.cookie ?? "none");
  },
  "/latin": (request, response) => {
    response.setHeader("X-Name", "na\u00efve");
    response.end(Buffer.from(request.headers["x-name"] ?? "", "latin1"));
  },
  "/status": (request, response, query) => {
    response.writeHead(Number(query.get("code")), query.get("reason") ?? undefined);
    response.end();
  },
  // Answers without having read, and reads no more.
  "/early": (request, response) => {
    request.pause();
    response.writeHead(413, { "Content-Length": 8, Connection: "close" });
    response.end("too much");
  },
  // Never answers.
  "/silent": () => {},
  // Answers, and never ends.
  "/stuck": (request, response) => {
    response.writeHead(200, { "Content-Length": 100 });
    response.write("the beginning");
  },
  "/gone": (request) => request.socket.destroy(),
  "/reset": (request) => request.socket.resetAndDestroy(),
  "/cut": (request, response) => {
    response.writeHead(200, { "Content-Length": 100 });
    response.write("the beginning", () => request.socket.destroy());
  },
  "/cut-chunk": (request, response) =>
    response.write("the beginning", () => request.socket.destroy()),
  // One connection, one number.
  "/connection": (request, response) => response.end(String(request.socket.number)),
  // Kept by the client, and closed by this server as soon as another request says so.
  "/close-others": (request, response) => {
    for (const socket of sockets) if (socket !== request.socket) socket.destroySoon();
    response.end("closed");
  },
};

const sockets = new Set();
let connections = 0;
const answer = (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://x");
  const route = routes[pathname];
  if (route) return route(request, response, searchParams);
  response.writeHead(404).end("nothing here");
};

const server = createServer({ keepAliveTimeout: 60_000 }, answer);
server.on("connection", (socket) => {
  socket.number = connections++;
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
});
// Who asks for leave to send a body gets it, or not.
server.on("checkContinue", (request, response) => {
  const refusals = { "/refuse": 403, "/cannot": 417 };
  const status = refusals[request.url];
  if (status) return response.writeHead(status, { "Content-Length": 2 }).end("no");
  response.writeContinue();
  answer(request, response);
});
routes["/cannot"] = routes["/seen"];
// Speaks another protocol from here on: all that comes goes back. The first of it comes right behind the head.
server.on("upgrade", (request, socket, head) => {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n\r\nwelcome `,
  );
  socket.write(head);
  socket.pipe(socket);
});
server.listen(Number(port), address);
