#!/usr/bin/env bash
# Runs tests under Linux 6.1, the oldest kernel that the crate supports, or under another, in an emulated machine that
# sees the files of this one and can change none of them.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'HELP'
Usage: scripts/kernel.sh [--kernel PACKAGE] [TEST...]

Runs the test programs of these names (lib for the unit tests), or most of them, under another kernel, and ends with 1
if one fails.

  --kernel PACKAGE   a kernel of Debian's; linux-image-6.1.0-N-amd64 if not given, with the largest N there is

Needs Debian's packages qemu-system-x86, busybox-static, cpio and apt. The machine is emulated, and ten times as slow as
this one: tests that measure time are not among those that run by themselves.
HELP
}

package=
tests=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit ;;
    --kernel) package=${2:?"--kernel needs a package"}; shift ;;
    -*) usage >&2; exit 2 ;;
    *) tests+=("$1") ;;
  esac
  shift
done
# Without those that measure time, processor time or memory, or are about the codec alone, and those that move so many
# bytes that they take minutes here.
[ ${#tests[@]} -gt 0 ] || tests=(
  lib settings refused receiving sending stream_end post pool limits fair_limits forgotten shutdown elsewhere panics
  net_connect net_listener net_unix net_udp fs signal forked emfile no_workers tasks task_ends queue promise dns
  many_connections http_fetch http_exchange http_pool http_response http_body http_upgraded http_tls http_secure http_styles
  http_transport http_tunnel http_proxy http_redirects http_emfile http_trace http_rest http_thread guide
)

for tool in qemu-system-x86_64 busybox cpio apt-get dpkg; do
  command -v "$tool" >/dev/null || {
    echo "kernel: $tool is missing: apt-get install qemu-system-x86 busybox-static cpio" >&2
    exit 1
  }
done
if [ -z "$package" ]; then
  package=$(apt-cache search --names-only '^linux-image-6\.1\.0-[0-9]+-amd64$' | cut -d' ' -f1 | sort -V | tail -1)
  [ -n "$package" ] || {
    echo "kernel: no linux-image-6.1.0-N-amd64 among the packages: apt-get update on Debian 12, or --kernel" >&2
    exit 1
  }
fi

dir=$PWD/target/kernel
mkdir -p "$dir"
if [ ! -d "$dir/$package" ]; then
  echo "kernel: fetching $package"
  # Debian 14 and later have the kernel and its modules in packages of their own.
  mapfile -t parts < <(apt-cache depends "$package" | sed -n 's/^ *Depends: \(linux-\(binary\|modules\)-.*\)/\1/p')
  debs=$(mktemp -d "$dir/debs.XXXXXX")
  (cd "$debs" && apt-get download -q "$package" "${parts[@]}" >/dev/null 2>&1) || {
    rm -r "$debs"
    echo "kernel: $package could not be downloaded: apt-get update?" >&2
    exit 1
  }
  for deb in "$debs"/*.deb; do dpkg -x "$deb" "$debs/files"; done
  mv "$debs/files" "$dir/$package"
  rm -r "$debs"
fi

# The programs, without what debuggers want of them: all is read over an emulated bus.
cargo test --tests --no-run --message-format json 2>"$dir/log" >"$dir/built" || {
  cat "$dir/log" >&2
  exit 1
}
run=$(mktemp -d "$dir/run.XXXXXX")
trap 'rm -rf "$run"' EXIT
mkdir "$run/tests"
for name in "${tests[@]}"; do
  target=$name
  [ "$name" != lib ] || target=eyewall
  program=$(sed -n 's/.*"name":"'"$target"'".*"executable":"\([^"]*\/deps\/[^"]*\)".*/\1/p' "$dir/built" | tail -1)
  [ -n "$program" ] || {
    echo "kernel: there is no test program $name" >&2
    exit 2
  }
  strip -g -o "$run/tests/$name" "$program"
done

# What the kernel starts with: enough to see the files of this machine.
start=$run/start
mkdir -p "$start"/{bin,modules,proc,root,tree}
cp "$(command -v busybox)" "$start/bin/busybox"
for module in netfs fscache virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci \
  9pnet 9pnet_virtio 9p; do
  find "$dir/$package" -path '*/lib/modules/*' -name "$module.ko*" -exec cp {} "$start/modules/" \;
done
xz -dq "$start"/modules/*.xz 2>/dev/null || true
cat >"$start/init" <<'INIT'
#!/bin/busybox sh
box=/bin/busybox
$box mount -t proc none /proc
# One may need another that comes later.
for round in 1 2 3; do
  for module in /modules/*; do $box insmod "$module" 2>/dev/null; done
done
if $box mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000 files /root; then
  directory=$($box sed 's/.*directory=\([^ ]*\).*/\1/' /proc/cmdline)
  run=$($box sed 's/.*run=\([^ ]*\).*/\1/' /proc/cmdline)
  # It may be in /tmp, which becomes another.
  $box mount --bind "/root$directory" /tree
  $box mount -t proc none /root/proc
  $box mount -t sysfs none /root/sys
  $box mount -t devtmpfs none /root/dev
  $box mkdir /root/dev/shm
  $box mount -t tmpfs none /root/dev/shm
  $box mount -t tmpfs -o mode=1777 none /root/tmp
  $box mount -t tmpfs none /root/run
  $box mkdir -p "/root$directory" 2>/dev/null
  $box mount --bind /tree "/root$directory"
  $box ip link set lo up
  echo "kernel: $($box uname -r)"
  $box chroot /root /bin/bash "$run/guest" "$directory"
fi
$box poweroff -f
INIT
chmod +x "$start/init"
cat >"$run/guest" <<'GUEST'
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
ulimit -n 1048576
cd "$1"
for program in "${BASH_SOURCE%/guest}"/tests/*; do
  name=${program##*/}
  # The second has the batches of Linux 6.8 and later; the last ones move so much that their time is over here.
  if timeout 600 "$program" --test-threads 2 --skip http::codec --skip a_slow_consumer_cannot_starve_the_others \
    --skip b01_ --skip a_busy_stream_loses_nothing_to_dropped_receives >/tmp/out 2>&1; then
    echo "ok: $name $(sed -n 's/^test result: ok\. \([0-9]* passed\).*/\1/p' /tmp/out)"
  else
    echo "FAILED: $name"
    grep -a -A8 -e '^test .* FAILED' -e 'panicked at' /tmp/out
  fi
done
echo "kernel: done"
GUEST
(cd "$start" && find . | cpio --quiet -o -H newc | gzip) >"$run/start.gz"

# Some packages have it at two places.
kernel=$(find "$dir/$package" -type f -name 'vmlinuz*' -print -quit)
[ -n "$kernel" ] || {
  echo "kernel: $package has no vmlinuz: is it a package of a kernel itself?" >&2
  exit 1
}
# KVM would be faster, and is not everywhere; nor does it work wherever it is.
qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 4096 -display none -monitor none -nic none -no-reboot \
  -serial stdio -kernel "$kernel" -initrd "$run/start.gz" \
  -append "console=ttyS0 panic=-1 quiet mitigations=off directory=$PWD run=$run" \
  -virtfs "local,path=/,mount_tag=files,security_model=none,readonly=on,multidevs=remap" </dev/null |
  sed -un 's/\r//g; /^kernel: /,$p' | tee "$run/printed"
grep -q '^kernel: done' "$run/printed" && ! grep -q '^FAILED' "$run/printed"
