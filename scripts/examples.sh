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
# Whether a line of the output, or of the errors, has this in it.
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

for example in fetch styles probe echo idle; do
  "$bin/$example" --help | true || fail "$example --help minds that nobody reads"
done
"$bin/styles" | true || fail "styles minds that nobody reads"

# shellcheck source=scripts/examples/fetch.sh
source "$(dirname "$0")/examples/fetch.sh"

echo "examples: all ran and ended as they should"
