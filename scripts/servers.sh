#!/usr/bin/env bash
# Fetches from real servers: installs nginx, Apache httpd, Node, Python and httpbin where they are missing (on Debian,
# as root), and runs tests/real_servers, which starts and ends them. What is given is passed on to the tests, such as
# a part of their names.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin

missing=()
command -v nginx >/dev/null || missing+=(nginx-light)
# The program and its modules, without the service.
[ -e /usr/lib/apache2/modules/mod_dav_fs.so ] || missing+=(apache2-bin)
command -v node >/dev/null || missing+=(nodejs)
command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" >/dev/null
fi

# Where the tests look for it: beside their directory for temporary files.
target=$(cargo metadata --no-deps --offline --format-version 1 |
  sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
packages=(httpbin==0.10.4 gunicorn==27.0.1)
# What is there may be of other versions, or of a Python that has gone.
if [ "$(cat "$target/httpbin/installed" 2>/dev/null)" != "${packages[*]}" ] ||
  ! "$target/httpbin/bin/python" -c 'import gunicorn, httpbin' 2>/dev/null; then
  rm -rf "$target/httpbin"
  python3 -m venv "$target/httpbin"
  "$target/httpbin/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
  echo "${packages[*]}" >"$target/httpbin/installed"
fi

exec cargo test --quiet --test real_servers -- --ignored "$@"
