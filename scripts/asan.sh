#!/usr/bin/env bash
# Runs the tests under AddressSanitizer: a buffer freed while the kernel or a task still uses it shows here.
# The sanitizer is an unstable flag of rustc, which RUSTC_BOOTSTRAP allows on a stable toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=address"
# Leaks on purpose are a part of the tests (forgotten futures), so that leak detection would report those. So are sizes that
# no memory holds, which are to be an error and not the end.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
# The codec is left out: it forbids unsafe code, and its tests cut every message at every byte. So is what measures
# memory, which the sanitizer keeps to itself for a while.
exec cargo test --all-features --lib --tests --target "$target" --target-dir target/asan "$@" -- \
  --skip http::codec --skip costs_at_most_512_bytes --skip _cost_no_memory --skip pauses_costs_no_memory \
  --skip slow_reader_costs_no_memory --skip p11_
