#!/usr/bin/env bash
# Runs the tests of the tasks and of the chunks under Miri, which sees undefined behaviour and data races that a processor
# lets pass. They need no ring, which Miri does not know. Each seed is another order of the threads: the first argument is
# their range.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo +nightly miri --version >/dev/null || {
  echo "miri: it is missing (rustup toolchain install nightly --component miri,rust-src)" >&2
  exit 1
}
export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-many-seeds=${1:-0..16}"
exec cargo +nightly miri test --no-default-features --lib --target-dir target/miri -- task::tests buf::tests
