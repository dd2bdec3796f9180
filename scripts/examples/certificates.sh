#!/usr/bin/env bash
# Makes certificates in a directory: of an authority (ca), and good, expired, other (of another name), self (signed by
# itself) and client.
set -euo pipefail
dir=${1:?"usage: certificates.sh DIRECTORY"}
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$dir/$1.key"; }
request() {
  key "$1"
  openssl req -new -key "$dir/$1.key" -subj "/CN=$1" -out "$dir/$1.csr"
}
here=DNS:localhost,IP:127.0.0.1

key ca
openssl req -x509 -new -key "$dir/ca.key" -subj "/CN=the authority" -days 2 -out "$dir/ca.pem"
cat >"$dir/ca.conf" <<CONF
[ca]
default_ca = own
[own]
rand_serial = yes
database = $dir/index
new_certs_dir = $dir
default_md = sha256
policy = any
[any]
commonName = supplied
[names]
subjectAltName = \${ENV::NAMES}
CONF
: >"$dir/index"
# sign NAME ALTERNATIVE-NAMES FIRST-DAY LAST-DAY
sign() {
  request "$1"
  NAMES=$2 openssl ca -batch -notext -config "$dir/ca.conf" -extensions names -cert "$dir/ca.pem" -keyfile "$dir/ca.key" \
    -startdate "$3" -enddate "$4" -in "$dir/$1.csr" -out "$dir/$1.pem" 2>/dev/null
}
yesterday=$(date -u -d yesterday +%Y%m%d000000Z)
tomorrow=$(date -u -d '2 days' +%Y%m%d000000Z)
sign good "$here" "$yesterday" "$tomorrow"
sign other DNS:elsewhere.test "$yesterday" "$tomorrow"
sign client DNS:client.test "$yesterday" "$tomorrow"
sign expired "$here" 19980101000000Z 19990101000000Z
cat "$dir/client.pem" "$dir/client.key" >"$dir/client-both.pem"

key self
openssl req -x509 -new -key "$dir/self.key" -subj /CN=self -days 2 -out "$dir/self.pem" \
  -addext "subjectAltName=$here" -addext basicConstraints=critical,CA:FALSE
