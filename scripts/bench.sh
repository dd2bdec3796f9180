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
cargo build --release --manifest-path benches/peers/Cargo.toml
target=$(cargo metadata --no-deps --offline --format-version 1 --manifest-path benches/peers/Cargo.toml |
  sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

# What is measured is the contenders, and not this machine's settings of TCP: its congestion control may pace what is
# sent by timers, as BBR does, which on loopback takes longer than all else in a large body. A network namespace of its
# own has Reno, which every kernel has and which on loopback does what CUBIC, the usual default, does.
namespace=(unshare --net)
[ "$(id -u)" = 0 ] || namespace=(unshare --user --map-root-user --net)
namespace+=(sh -c 'ip link set lo up && echo reno >/proc/sys/net/ipv4/tcp_congestion_control && exec "$@"' sh)
"${namespace[@]}" true 2>/dev/null || {
  echo "bench: no network namespace of its own (it takes unshare and ip, from Debian's util-linux and iproute2, and the" \
    "permission): measuring with $(cat /proc/sys/net/ipv4/tcp_congestion_control) as TCP's congestion control" >&2
  namespace=()
}
exec "${namespace[@]}" "$target/release/driver" "$@"
