#!/usr/bin/env bash
# Runs every example for real, the way a newcomer would, and looks at what it says and how it ends.
set -euo pipefail
bin=${1:?"usage: scripts/examples.sh DIRECTORY-OF-THE-EXAMPLES"}
dir=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap finish EXIT
fail() {
  echo "examples: $*" >&2
  exit 1
}
# code WANTED COMMAND...: runs it and compares the exit code.
code() {
  local wanted=$1 got=0
  shift
  "$@" >"$dir/out" 2>"$dir/err" || got=$?
  [ "$got" = "$wanted" ] || fail "$* ended with $got instead of $wanted: $(cat "$dir/err")"
}
said() { grep -q -- "$1" "$dir/out" "$dir/err" || fail "\"$1\" was not said: $(cat "$dir/out" "$dir/err")"; }

for example in fetch styles probe echo idle; do
  code 0 "$bin/$example" --help
  said Usage
done

for example in probe echo idle styles; do code 2 "$bin/$example" --nonsense; done
code 0 "$bin/probe"
said "ring               works"

code 0 "$bin/styles"
code 1 "$bin/styles" http://127.0.0.1:1/
said "Connection refused"

code 0 "$bin/idle" 500
said "0 descriptors more than at the start"
code 1 "$bin/idle" 18446744073709551615
said "ulimit"
code 1 "$bin/echo" 127.0.0.1:99999
said "port"

"$bin/echo" 127.0.0.1:0 >"$dir/echo" 2>&1 &
pids+=($!)
for _ in $(seq 100); do grep -q 127.0.0.1 "$dir/echo" && break; sleep 0.05; done
port=$(grep -o '127\.0\.0\.1:[0-9]*' "$dir/echo" | head -1 | cut -d: -f2)
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'an echo\n' >&3
read -r -t 5 line <&3
exec 3>&-
[ "$line" = "an echo" ] || fail "echo answered $line"
kill -INT "${pids[0]}"
wait "${pids[0]}" || fail "echo ended with $? on Ctrl-C: $(cat "$dir/echo")"

code 0 "$bin/fetch"
said "Hello from the eye of the storm"
code 2 "$bin/fetch" --no-such-option
code 3 "$bin/fetch" 'http://[::1'
code 1 "$bin/fetch" ftp://127.0.0.1/
code 6 "$bin/fetch" http://no-such-host.invalid/
said "no-such-host.invalid"
# Port 1 of loopback: nobody listens there.
code 7 "$bin/fetch" http://127.0.0.1:1/
said "Connection refused"
code 7 "$bin/fetch" -s http://127.0.0.1:1/
[ ! -s "$dir/err" ] || fail "-s was not silent"

# peer PORT-FILE BYTES: a server for one connection that sends BYTES and closes, in the background.
peer() {
  python3 - "$1" "$2" <<'PEER' &
import socket, sys, time
listener = socket.create_server(("127.0.0.1", 0))
listener.settimeout(20)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(listener.getsockname()[1]))
import os
os.rename(sys.argv[1] + ".new", sys.argv[1])
peer, _ = listener.accept()
peer.settimeout(20)
peer.recv(65536)
peer.sendall(sys.argv[2].encode().decode("unicode_escape").encode("latin-1"))
if sys.argv[2].endswith("WAIT"):
    peer.recv(1)
peer.close()
PEER
  pids+=($!)
  for _ in $(seq 100); do [ -e "$1" ] && break; sleep 0.05; done
}
peer "$dir/partial" 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'
code 18 "$bin/fetch" "http://127.0.0.1:$(cat "$dir/partial")/"
peer "$dir/empty" ''
code 52 "$bin/fetch" "http://127.0.0.1:$(cat "$dir/empty")/"
peer "$dir/garbage" 'this is not HTTP\r\n\r\n'
code 8 "$bin/fetch" "http://127.0.0.1:$(cat "$dir/garbage")/"
peer "$dir/slow" 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nWAIT'
code 28 "$bin/fetch" -m 0.2 "http://127.0.0.1:$(cat "$dir/slow")/"

peer "$dir/head" 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\nx-a: b;\r\n\r\nbody'
code 0 "$bin/fetch" -I -X GET -H 'X-A: b;' -H 'Accept:' "http://127.0.0.1:$(cat "$dir/head")/"
said "x-a: b;"
! grep -q body "$dir/out" || fail "-I printed the body"
code 2 "$bin/fetch" -I -d x http://127.0.0.1:1/
for example in fetch styles probe echo idle; do
  "$bin/$example" --help | true || fail "$example --help minds that nobody reads"
done
"$bin/styles" | true || fail "styles minds that nobody reads"

echo "examples: all ran and ended as they should"
