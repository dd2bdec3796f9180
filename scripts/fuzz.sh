#!/usr/bin/env bash
# Runs the fuzz targets of fuzz/ for a time, and fails on a finding. fuzz/README.md says what they look for.
# Plain cargo builds them: the instrumentation is flags of rustc, of which one is unstable (the sanitizer), which
# RUSTC_BOOTSTRAP allows on a stable toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  echo "Usage: scripts/fuzz.sh [--minutes N | --seconds N] [--jobs N] [TARGET...]"
  echo "Fuzzes each TARGET (all if none is named) for a minute, or for the time that is given."
  echo "--jobs: how many at a time; one by default."
  echo "Targets: $(targets)"
}
targets() {
  local files=(fuzz/fuzz_targets/*.rs)
  files=("${files[@]##*/}")
  echo "${files[@]%.rs}"
}
number() {
  [[ ${2-} =~ ^[1-9][0-9]*$ ]] || {
    echo "fuzz: $1 needs a number" >&2
    exit 2
  }
}

seconds=60 jobs=1 wanted=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit ;;
    --minutes) number "$@"; seconds=$(($2 * 60)); shift ;;
    --seconds) number "$@"; seconds=$2; shift ;;
    --jobs) number "$@"; jobs=$2; shift ;;
    -*) usage >&2; exit 2 ;;
    *)
      [ -e "fuzz/fuzz_targets/$1.rs" ] || {
        echo "fuzz: no target is called $1; there are: $(targets)" >&2
        exit 2
      }
      wanted+=("$1")
      ;;
  esac
  shift
done
[ ${#wanted[@]} -gt 0 ] || read -ra wanted <<<"$(targets)"

# The flags of `cargo fuzz`: coverage by counters and compared values, AddressSanitizer.
flags=(--cfg fuzzing -Ccodegen-units=1 -Zsanitizer=address -Cpasses=sancov-module)
for flag in level=4 inline-8bit-counters pc-table trace-compares; do
  flags+=("-Cllvm-args=-sanitizer-coverage-$flag")
done
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTC_BOOTSTRAP=1 RUSTFLAGS="${flags[*]}" \
  cargo build --manifest-path fuzz/Cargo.toml --release --target "$host" --bins --locked --quiet

# run TARGET: its log is in the corpus's folder; what it says at the end, and a finding, come out.
run() {
  local corpus=fuzz/corpus/$1 artifacts=fuzz/artifacts/$1/ log=fuzz/artifacts/$1.log
  local program=fuzz/target/$host/release/$1 options seeds=()
  mkdir -p "$corpus" "$artifacts"
  [ ! -d "fuzz/seeds/$1" ] || seeds=("fuzz/seeds/$1")
  options=(-max_total_time="$seconds" -max_len=4096 -timeout=100 -rss_limit_mb=2048 -print_final_stats=1)
  options+=(-artifact_prefix="$artifacts" -dict=fuzz/http.dict)
  if "$program" "${options[@]}" "$corpus" "${seeds[@]}" >"$log" 2>&1; then
    printf '%-18s %9s inputs, %4s corpus, %s edges: no finding\n' "$1" \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$(ls "$corpus" | wc -l)" \
      "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)"
  else
    echo "$1: A FINDING, or it could not run; the end of $log:" >&2
    tail -n 40 "$log" >&2
    return 1
  fi
}

failed=0 running=0
for target in "${wanted[@]}"; do
  if [ "$running" -ge "$jobs" ]; then
    wait -n || failed=1
    running=$((running - 1))
  fi
  run "$target" &
  running=$((running + 1))
done
for _ in $(seq "$running"); do wait -n || failed=1; done
exit "$failed"
