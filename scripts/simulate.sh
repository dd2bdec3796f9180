#!/usr/bin/env bash
# Runs tests on a ring that no kernel serves (src/ring/simulated/): it takes liberties that io_uring has, as a seed draws
# them.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'HELP'
Usage: scripts/simulate.sh [--seeds FIRST[-LAST]] [--asan] [TEST...]

Runs the test programs of these names (lib for the unit tests), or most of them, with each seed, and ends with 1 if one
fails. The seed is printed; what failed with it mostly fails again with it, the more so the less threads a test has.

  --seeds FIRST[-LAST]   6-8 if not given, which take each liberty at least once; with 0 the ring takes none
  --asan                 under AddressSanitizer, which sees here what it does not where the kernel reads and writes: a
                         buffer that is freed too early
HELP
}

seeds=6-8 asan= wanted=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit ;;
    --seeds) seeds=${2:?"--seeds needs a number"}; shift ;;
    --asan) asan=1 ;;
    -*) usage >&2; exit 2 ;;
    *) wanted+=("$1") ;;
  esac
  shift
done
[[ $seeds =~ ^[0-9]+(-[0-9]+)?$ ]] && [ "${seeds%-*}" -le "${seeds#*-}" ] || { usage >&2; exit 2; }

# Those that are about what comes out and not about the way: what needs workers, which this ring does not have, measures
# time or memory, or counts on a connection being used again at once, is left out.
[ ${#wanted[@]} -gt 0 ] || wanted=(
  lib sending receiving stream_end nothing_lost never_torn forgotten panics limits promise queue tasks task_ends
  net_listener net_unix net_udp http_exchange
)
# Nor tests in which something has to come within so many turns, or at once where nobody asks for it again.
skipped=(
  the_error_of_a_dropped_send_is_reported_by_the_next
  the_socket_stays_open_for_its_senders
  a_receive_dropped_in_the_kernel_is_cancelled
  a_receive_dropped_or_forgotten_at_any_point_loses_nothing
  a_forgotten_receive_ends_with_its_half
  tasks_that_always_yield_starve_neither_sockets_nor_timers
)

programs=()
for name in "${wanted[@]}"; do
  case $name in
    lib) programs+=(--lib) ;;
    *) programs+=(--test "$name") ;;
  esac
done
export RUSTFLAGS="${RUSTFLAGS:-} --cfg eyewall_simulated"
target=(--target-dir target/simulated)
if [ -n "$asan" ]; then
  # As in asan.sh.
  export RUSTC_BOOTSTRAP=1 ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
  RUSTFLAGS+=" -Zsanitizer=address"
  target=(--target-dir target/simulated-asan --target "$(rustc -vV | sed -n 's/^host: //p')")
fi
cargo test --all-features --quiet --no-run "${target[@]}" "${programs[@]}"
failed=0
for seed in $(seq "${seeds%-*}" "${seeds#*-}"); do
  echo "simulate: seed $seed"
  EYEWALL_SEED=$seed timeout 15m cargo test --all-features --quiet --no-fail-fast "${target[@]}" "${programs[@]}" -- \
    "${skipped[@]/#/--skip=}" || {
    failed=1
    echo "simulate: seed $seed has failed; scripts/simulate.sh --seeds $seed TEST tries it again" >&2
  }
done
exit $failed
