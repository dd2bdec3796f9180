#!/usr/bin/env bash
# Fetches from a real server: nginx, started here on loopback, with the example as the client.
set -euo pipefail
cd "$(dirname "$0")/.."
fetch=${1:?"usage: scripts/nginx.sh PATH-OF-THE-FETCH-EXAMPLE"}
dir=$(mktemp -d)
port=$((20000 + RANDOM % 10000))
pid=
finish() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  [ -z "$pid" ] || wait "$pid" 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
fail() {
  echo "nginx: $*" >&2
  exit 1
}

mkdir -p "$dir/www/small"
head -c $((64 << 20)) /dev/urandom >"$dir/www/large"
for i in $(seq 1000); do echo "file $i" >"$dir/www/small/$i"; done
chmod -R a+rX "$dir"
cat >"$dir/nginx.conf" <<CONF
daemon off;
pid $dir/pid;
error_log stderr crit;
events { worker_connections 64; }
http {
  access_log off;
  keepalive_requests 10000;
  client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fastcgi;
  uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;
  server { listen 127.0.0.1:$port; root $dir/www; }
}
CONF
nginx -p "$dir" -c "$dir/nginx.conf" 2>"$dir/log" &
pid=$!
base=http://127.0.0.1:$port
for _ in $(seq 100); do
  "$fetch" -s -o /dev/null "$base/small/1" && break
  kill -0 "$pid" 2>/dev/null || fail "did not start: $(cat "$dir/log")"
  sleep 0.05
done

"$fetch" -sS -o "$dir/large" "$base/large"
cmp "$dir/large" "$dir/www/large" || fail "the 64 MiB file differs"
sum=$(sha256sum <"$dir/large")
[ "$sum" = "$(sha256sum <"$dir/www/large")" ] || fail "the 64 MiB file has another sha256"
[ "$("$fetch" -sS "$base/large" | sha256sum)" = "$sum" ] || fail "the 64 MiB file differs on standard output"

urls=()
for i in $(seq 1000); do urls+=("$base/small/$i"); done
"$fetch" -sS -w '%{stderr}%{num_connects}\n' "${urls[@]}" >"$dir/bodies" 2>"$dir/connects"
cat $(seq -f "$dir/www/small/%.0f" 1000) | cmp - "$dir/bodies" || fail "the 1,000 small files differ"
connects=$(awk '{ sum += $1 } END { print sum }' "$dir/connects")
[ "$connects" = 1 ] || fail "1,000 small files took $connects connections instead of 1"

status=$("$fetch" -sS -o /dev/null -w '%{http_code}' "$base/nothing") || fail "a 404 is no failure"
[ "$status" = 404 ] || fail "a missing file gave $status instead of 404"

echo "nginx: 64 MiB with equal sha256, 1,000 small files over one connection, a 404"
