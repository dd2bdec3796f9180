#!/usr/bin/env bash
# Measures eyewall beside hand-written loops and other runtimes: builds benches/peers and runs its driver.
# scripts/bench.sh --help says what can be chosen.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in taskset nginx strace; do
  PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || {
    echo "bench: $tool is missing (Debian: apt-get install util-linux nginx-light strace)" >&2
    exit 1
  }
done
cc -E - <<<'#include <openssl/ssl.h>' >/dev/null 2>&1 || {
  echo "bench: what curl's TLS builds with is missing (Debian: apt-get install gcc libssl-dev)" >&2
  exit 1
}
export PATH=$PATH:/usr/sbin
cargo build --quiet --release --manifest-path benches/peers/Cargo.toml
target=$(cargo metadata --no-deps --offline --format-version 1 --manifest-path benches/peers/Cargo.toml |
  sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
exec "$target/release/driver" "$@"
