#!/usr/bin/env bash
# Counts the instructions that this crate takes in user space, with valgrind's callgrind: the one figure that does
# not depend on how busy the machine is. Each is the difference of two runs of fixed length, so that starting,
# connecting and ending do not count. The reactor does not spin in these runs, as the length of a spin depends on
# the kernel. Under valgrind a clock is read by a system call, which counts as next to nothing, and copying 4 KiB or
# more counts one instruction a byte (rep movsb), which a processor does faster.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'HELP'
Usage: scripts/callgrind.sh [--profile DIRECTORY] [--check] [SUBJECT...]

Prints the instructions per operation of all subjects, or of those named, beside their goals.

  --profile DIRECTORY   also leaves callgrind's output of the longer run there, for callgrind_annotate
  --check               ends with 1 if a goal is missed
HELP
}

# subject bench operations goal
subjects='
nop/1                         reactor  20000     -
ping-pong/owned/1             net       5000  1500
ping-pong/pooled/1            net       5000  1500
ping-pong/multishot/1         net       5000  1500
ping-pong/posted/1            net       5000  1500
ping-pong/posted-multishot/1  net       5000  1500
spawn                         tasks   100000   450
spawn/in-task                 tasks   100000   450
timer                         tasks   100000   800
fetch/1k/1                    fetch     2000  8000
fetch-cold/1k/1               fetch     2000     -
fetch-tls/1k/1                fetch     2000     -
fetch-tls/1m/1                fetch       20     -
'

profile= check= wanted=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit ;;
    --profile) profile=${2:?"--profile needs a directory"}; shift ;;
    --check) check=1 ;;
    -*) usage >&2; exit 2 ;;
    *)
      awk -v name="$1" '$1 == name { found = 1 } END { exit !found }' <<<"$subjects" || {
        echo "callgrind: no subject is called $1; there are:$(awk 'NF { printf " %s", $1 }' <<<"$subjects")" >&2
        exit 2
      }
      wanted+=("$1")
      ;;
  esac
  shift
done

for tool in valgrind cargo; do
  command -v "$tool" >/dev/null || {
    echo "callgrind: $tool is missing (Debian: apt-get install valgrind; Rust: https://rustup.rs)" >&2
    exit 1
  }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
[ -z "$profile" ] || mkdir -p "$profile"

cargo bench --benches --no-run --message-format json >"$dir/built" 2>"$dir/log" || {
  cat "$dir/log" >&2
  exit 1
}
# The program of the bench $1.
program() {
  sed -n 's/.*"kind":\["bench"\].*"name":"'"$1"'".*"executable":"\([^"]*\)".*/\1/p' "$dir/built"
}

# count BENCH SUBJECT OPERATIONS: the instructions of a whole run; leaves its output in $dir/out.
count() {
  valgrind --tool=callgrind --callgrind-out-file="$dir/out" "$(program "$1")" --count "$3" "$2" \
    >"$dir/log" 2>&1 || {
    cat "$dir/log" >&2
    exit 1
  }
  sed -n 's/^\(summary\|totals\): \([0-9]*\).*/\2/p' "$dir/out" | tail -1
}

missed=0
printf '%-30s %16s %8s\n' subject instructions/op goal
while read -r subject bench operations goal; do
  [ -n "$subject" ] || continue
  [ ${#wanted[@]} = 0 ] || [[ " ${wanted[*]} " == *" $subject "* ]] || continue
  short=$(count "$bench" "$subject" "$operations")
  long=$(count "$bench" "$subject" $((operations * 3)))
  each=$(((long - short) / (operations * 2)))
  [ -z "$profile" ] || cp "$dir/out" "$profile/callgrind.out.${subject//\//-}"
  note=
  if [ "$goal" != - ] && [ "$each" -gt "$goal" ]; then
    note="  missed" missed=1
  fi
  printf '%-30s %16s %8s%s\n' "$subject" "$each" "$goal" "$note"
done <<<"$subjects"
[ -z "$check" ] || exit $missed
