# Every option and every exit code of the example `fetch`, for real. Sourced by scripts/examples.sh, which has `code`,
# `said` and `fail`.
fetch=$(realpath "$bin/fetch")
here=$(dirname "${BASH_SOURCE[0]}")

"$here/certificates.sh" "$dir" 2>"$dir/openssl" || fail "no certificates: $(cat "$dir/openssl")"
python3 "$here/peer.py" "$dir" 2>"$dir/peer" &
pids+=($!)
for _ in $(seq 200); do [ -e "$dir/ready" ] && break; sleep 0.05; done
[ -e "$dir/ready" ] || fail "the peer did not start: $(cat "$dir/peer")"
# port NAME: where the peer of this name listens.
port() { cat "$dir/port.$1"; }
http=http://127.0.0.1:$(port http)
https=https://localhost:$(port https)
trust=(--cacert "$dir/ca.pem")
# The environment of whoever runs this is not meant for the peers.
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY

# out TEXT ARGUMENTS...: a success that prints exactly TEXT.
out() {
  local wanted=$1
  shift
  code 0 "$fetch" -sS "$@"
  [ "$(cat "$dir/out")" = "$wanted" ] || fail "fetch $* printed $(cat "$dir/out") instead of $wanted"
}
not_said() { ! grep -q -- "$1" "$dir/out" "$dir/err" || fail "\"$1\" was said: $(cat "$dir/out" "$dir/err")"; }

# Without anything, and with wrong arguments.
code 0 "$fetch"
said "Hello from the eye of the storm"
code 0 "$fetch" --version
said "eyewall/"
said "http https"
"$fetch" --help | true || fail "--help minds that nobody reads"
code 2 "$fetch" --no-such-option
said "no option --no-such-option"
code 2 "$fetch" -s
said "no URL"
code 2 "$fetch" -m soon "$http"
code 2 "$fetch" --max-redirs many "$http"
code 2 "$fetch" --max-filesize 1x "$http"
code 2 "$fetch" -H nonsense "$http"
code 2 "$fetch" -X 'BAD METHOD' "$http"
code 2 "$fetch" -I -d x "$http"
code 2 "$fetch" -T "$dir/ca.pem" -d x "$http"
code 2 "$fetch" -e 'http://from.test/;auto' "$http"
code 2 "$fetch" -o
code 0 "$fetch" -o "$dir/one" -o "$dir/two" "$http/hello"
said "more files than URLs"
code 1 "$fetch" ftp://127.0.0.1/
code 3 "$fetch" 'http://[::1'
code 3 "$fetch" /hello
said "with http:// and a host"
code 43 "$fetch" -A $'a\tb\nc' "$http"
code 49 "$fetch" --resolve nonsense "$http"
code 49 "$fetch" --resolve '*:80:127.0.0.1' "$http"

# Connections.
code 6 "$fetch" http://no-such-host.invalid/
said no-such-host.invalid
# Port 1 of loopback: nobody listens there.
code 7 "$fetch" http://127.0.0.1:1/
said "Connection refused"
code 7 "$fetch" -s http://127.0.0.1:1/
[ ! -s "$dir/err" ] || fail "-s was not silent"
code 7 "$fetch" -6 "http://127.0.0.1:$(port http)/hello"
out hello -4 "$http/hello"
out hello "127.0.0.1:$(port http)/hello"
out hello --url "$http/hello"
out hello --interface lo "$http/hello"
out hello --interface 127.0.0.2 "$http/hello" -w '%{stderr}%{local_ip}'
said 127.0.0.2
code 45 "$fetch" --interface no-such-if "$http/hello"
code 45 "$fetch" --interface 192.0.2.1 "$http/hello"
out hello --resolve "site.test:$(port http):127.0.0.1" "http://site.test:$(port http)/hello"
out hello --resolve "+site.test:$(port http):[127.0.0.1],[::1]" "http://SITE.test:$(port http)/hello"
out hello --unix-socket "$dir/socket" http://nobody.invalid/hello
code 7 "$fetch" --unix-socket "$dir/nothing" http://nobody.invalid/hello
code 28 "$fetch" -m 0.2 "$http/slow"
said "in the body"
code 28 "$fetch" --max-time 0.2 "$http/silent"
out hello --connect-timeout 10 "$http/hello"

# What is sent.
out hello -g -N --http1.1 '-#' "$http/hello"
code 0 "$fetch" -H 'X-A: b' -H 'X-Empty;' -H 'Accept:' -A me -e http://from.test/ "$http/echo"
for line in '^GET /echo$' '^x-a: b$' '^x-empty: $' '^user-agent: me$' '^referer: http://from.test/$'; do said "$line"; done
not_said '^accept:'
code 0 "$fetch" -A '' "$http/echo"
not_said user-agent
code 0 "$fetch" -d a=b -d "c=d" "$http/echo"
said '^POST /echo$'
said '^content-type: application/x-www-form-urlencoded$'
said '^a=b&c=d$'
printf 'one\r\ntwo\n' >"$dir/lines"
out "onetwo" -d "@$dir/lines" "$http/echo" -o "$dir/posted" -w onetwo
[ "$(tail -n1 "$dir/posted")" = onetwo ] || fail "-d @FILE kept the line ends"
code 0 "$fetch" --data-binary "@$dir/lines" "$http/echo"
tail -n2 "$dir/out" | cmp - "$dir/lines" || fail "--data-binary changed the file"
code 0 "$fetch" -d=x "$http/echo"
said '^=x$'
# Not everything is UTF-8.
code 0 "$fetch" --data-binary $'\xe9' -H Content-Type: "$http/echo" -o "$dir/posted"
[ "$(tail -c1 "$dir/posted")" = $'\xe9' ] || fail "--data-binary changed a byte"
cp "$dir/lines" "$dir/"$'\xe9'
code 0 "$fetch" -D "$dir/heads"$'\xe9' -T "$dir/"$'\xe9' "$http/echo/"
said '^PUT /echo/%E9$'
[ -s "$dir/heads"$'\xe9' ] || fail "-D wrote nothing"
code 0 "$fetch" --data-raw @lines --data-urlencode 'name=a b&ü' --data-urlencode '=x y' "$http/echo"
said '^@lines&name=a+b%26%C3%BC&x+y$'
code 0 "$fetch" --json '{"a":' --json '1}' "$http/echo"
said '^content-type: application/json$'
said '^accept: application/json$'
said '^{"a":1}$'
printf 'from stdin' >"$dir/stdin"
code 0 "$fetch" -d @- "$http/echo" <"$dir/stdin"
said '^from stdin$'
code 26 "$fetch" -d "@$dir/nothing" "$http/echo"
code 26 "$fetch" --data-binary "@$dir/nothing" "$http/echo"
code 0 "$fetch" -G -d a=b -d c=d "$http/echo?x=1#y"
said '^GET /echo?x=1&a=b&c=d$'
code 0 "$fetch" -X PURGE "$http/echo"
said '^PURGE '
code 0 "$fetch" -r 2-4 -i "$http/range"
said '^cde$'
code 0 "$fetch" -r 5 "$http/echo"
said '^range: bytes=5-$'
code 0 "$fetch" -u user:secret "$http/private"
said welcome
python3 - "$fetch" -u user "$http/private" <<'PASSWORD' || fail "no password was asked for"
import os, pty, sys, termios, time
process, terminal = pty.fork()
if process == 0:
    os.execv(sys.argv[1], sys.argv[1:])

def read_to(end):
    got = b""
    while not got.endswith(end):
        got += os.read(terminal, 1000)
    return got

read_to(b"password for user 'user': ")
# What is typed before the terminal stops showing it is thrown away.
while termios.tcgetattr(terminal)[3] & termios.ECHO:
    time.sleep(0.01)
os.write(terminal, b"secret\n")
assert b"secret" not in read_to(b"welcome\r\n"), "the password was shown"
assert os.waitpid(process, 0)[1] == 0
PASSWORD
out welcome "http://user:secret@127.0.0.1:$(port http)/private"
out welcome "user:secret@127.0.0.1:$(port http)/private"
code 0 "$fetch" --oauth2-bearer abc "$http/echo"
said '^authorization: Bearer abc$'

# Files that are sent.
code 0 "$fetch" -T "$dir/lines" "$http/echo/"
said '^PUT /echo/lines$'
said '^content-length: 9$'
tail -n2 "$dir/out" | cmp - "$dir/lines" || fail "-T changed the file"
code 0 "$fetch" -T "$dir/lines" "$http/echo/?q=/#part"
said '^PUT /echo/lines?q=/$'
code 0 "$fetch" -v -T "$dir/lines" "$http?q"
said "^> PUT /lines?q HTTP"
code 0 "$fetch" -T - "$http/echo" <"$dir/stdin"
said '^transfer-encoding: chunked$'
said '^from stdin$'
code 0 "$fetch" -d hello -H 'Transfer-Encoding: chunked' -H 'expect: 100-continue' "$http/echo"
for line in '^transfer-encoding: chunked$' '^expect: 100-continue$' '^hello$'; do said "$line"; done
not_said content-length
code 0 "$fetch" -T "$dir/stdin" -H 'Transfer-Encoding: chunked' "$http/echo"
said '^transfer-encoding: chunked$'
said '^from stdin$'
code 0 "$fetch" -d hello -H 'Transfer-Encoding: chunked' "$http/echo"
not_said expect
# Chunks are no reason why it could not be sent again.
for body in "-d@$dir/stdin" "-T$dir/stdin"; do
  code 0 "$fetch" -sSL "$body" -H 'Transfer-Encoding: chunked' "$http/to/307?/echo"
  said '^transfer-encoding: chunked$'
  said '^from stdin'
done
printf 'from a pipe' | code 0 "$fetch" -T - "$http/echo"
said '^from a pipe$'
code 26 "$fetch" -T "$dir/nothing" "$http/echo"
code 26 "$fetch" -T "$dir" "$http/echo"
head -c 2000000 /dev/zero >"$dir/zeros"
code 0 "$fetch" -sS -v -o "$dir/echoed" -w '%{size_upload}' -T "$dir/zeros" "$http/echo"
said '^2000000$'
said '^> expect: 100-continue'
said '^< HTTP/1.1 100 Continue'
code 0 "$fetch" -sSv -H Expect: -o "$dir/echoed" -T "$dir/zeros" "$http/echo"
not_said 100-continue
code 0 "$fetch" -sS -T "$dir/zeros" "$http/refuse" -w '%{http_code} %{size_upload}\n'
said '^403 0$'
code 0 "$fetch" -sSL -d x -o "$dir/echoed" "$http/to/303?/echo" -w '%{size_upload} %{num_redirects}\n'
said '^0 1$'
code 65 "$fetch" -L -T - "$http/to/307?/echo" <"$dir/stdin"

# Redirects.
code 0 "$fetch" "$http/redirect/2" -w '%{http_code} %{num_redirects} %{redirect_url}\n'
said "^302 0 $http/redirect/1$"
code 0 "$fetch" -L "$http/redirect/2" -w '%{http_code} %{num_redirects} %{num_connects} %{url_effective}[%{redirect_url}]\n'
said "^200 2 1 $http/hello\[\]$"
out "$http/caf%E9" -o "$dir/body" "$http/elsewhere" -w '%{redirect_url}'
code 47 "$fetch" -L --max-redirs 1 "$http/redirect/2" -w '%{http_code} %{redirect_url}\n'
said "^302 $http/hello$"
code 0 "$fetch" -L --max-redirs -1 "$http/redirect/60"
code 47 "$fetch" -L "$http/redirect/51"
code 0 "$fetch" -L -d x "$http/to/303?/echo" -w '%{method}\n'
said '^GET /echo$'
said '^GET$'
code 0 "$fetch" -L -d x "$http/to/307?/echo" -w '\n%{method}\n'
said '^POST$'
code 0 "$fetch" -L -d x "$http/to/308?/echo"
said '^POST /echo$'
code 1 "$fetch" -L "$http/to/302?ftp://127.0.0.1/"
code 3 "$fetch" -L "$http/to/302?http://[::1"
code 0 "$fetch" -L -u user:secret "$http/to/302?http://localhost:$(port http)/echo"
not_said authorization
out hello -L "${trust[@]}" "$https/to/302?$http/hello"
code 0 "$fetch" -iL "$http/redirect/1"
[ "$(grep -c '^HTTP/1.1 ' "$dir/out")" = 2 ] || fail "-i did not print both heads"

# Proxies.
out hello -x "127.0.0.1:$(port proxy)" "$http/hello"
out hello -x "http://127.0.0.1:$(port proxy)" "${trust[@]}" "$https/hello"
code 0 "$fetch" -sS -x "http://127.0.0.1:$(port locked)" "$http/hello" -w '%{http_code}'
said '407$'
code 56 "$fetch" -x "http://127.0.0.1:$(port locked)" "${trust[@]}" "$https/hello" -w '%{http_connect} %{http_code}\n'
said '^407 000$'
out hello -x "http://127.0.0.1:$(port locked)" -U user:secret "${trust[@]}" "$https/hello"
out hello -x "http://127.0.0.1:$(port locked)" --proxy-user user:secret "$http/hello" -w '%{stderr}%{proxy_used}'
said '^1$'
out hello -x http://127.0.0.1:1 --noproxy 127.0.0.1 "$http/hello"
out hello -x http://127.0.0.1:1 --noproxy '*' "$http/hello"
(
  export http_proxy=http://127.0.0.1:1
  out hello "$http/hello"
  code 7 "$fetch" http://127.1.1.1.example.invalid/
  out hello -x '' "$http/hello"
  out hello --proxy-user user:secret "$http/hello"
  http_proxy=socks5://127.0.0.1:1
  code 5 "$fetch" http://elsewhere.invalid/
  said "http_proxy: a proxy is reached by http, not by socks5"
  http_proxy=http://127.0.0.1:$(port locked)
  out hello --proxy-user user:secret "http://elsewhere.invalid:$(port http)/hello"
  # This machine is reached directly, whatever else is said.
  http_proxy=http://127.0.0.1:1
  out hello --proxy-user user:secret "$http/hello"
  out hello --noproxy elsewhere.invalid "http://localhost:$(port http)/hello"
)
# What is wrong with a variable is wrong for those fetches alone that would go there, whatever else is said.
(
  export http_proxy=http://127.0.0.1:1 https_proxy=socks5://127.0.0.1:1 no_proxy=elsewhere.invalid
  for say in '-U user:secret' '--noproxy elsewhere.invalid'; do
    read -ra said <<<"$say"
    out hello "${said[@]}" "${trust[@]}" "$https/hello"
    code 7 "$fetch" "${said[@]}" http://nowhere.invalid/
    code 6 "$fetch" "${said[@]}" https://elsewhere.invalid/
    code 5 "$fetch" "${said[@]}" https://nowhere.invalid/
    said "https_proxy: a proxy is reached by http, not by socks5"
  done
  code 6 "$fetch" -x http://127.0.0.1:1 http://elsewhere.invalid/
  code 7 "$fetch" -x http://127.0.0.1:1 --noproxy '' http://elsewhere.invalid/
  code 6 "$fetch" --noproxy '*' https://nowhere.invalid/
  out hello -x socks5://127.0.0.1:1 --noproxy '*' "$http/hello"
)
# In capitals the same, unless this is a CGI program.
(
  export HTTP_PROXY=http://127.0.0.1:1
  code 7 "$fetch" http://elsewhere.invalid/
  code 7 "$fetch" --noproxy nowhere.invalid http://elsewhere.invalid/
  code 6 "$fetch" --noproxy elsewhere.invalid http://elsewhere.invalid/
  REQUEST_METHOD=GET code 6 "$fetch" --noproxy nowhere.invalid http://elsewhere.invalid/
  HTTP_PROXY=http://127.0.0.1:$(port locked)
  out hello -U user:secret "http://elsewhere.invalid:$(port http)/hello"
)
for proxy in 127.9.9.9 http://user:secret@127.9.9.9/; do
  code 7 "$fetch" -x "$proxy" "$http/hello"
  said 'cannot connect to the proxy 127.9.9.9'
  said '127.9.9.9:1080: Connection refused'
done
code 5 "$fetch" -x http://no-such-proxy.invalid "$http/hello"
said 'the name of the proxy no-such-proxy.invalid:1080 does not resolve'
code 5 "$fetch" -x 'http://[' "$http/hello"
code 7 "$fetch" -x ftp://127.0.0.1 "$http/hello"
code 4 "$fetch" -x socks5://127.0.0.1 "$http/hello"

# TLS.
out hello "${trust[@]}" "$https/hello" -w '%{stderr}%{scheme} %{ssl_verify_result} %{num_certs} %{time_appconnect}'
said '^https 0 1 0\.[0-9]*[1-9]'
verify=(-w '%{ssl_verify_result} %{http_code} %{num_connects}\n')
code 60 "$fetch" "${verify[@]}" "$https/hello"
said '^20 000 1$'
code 60 "$fetch" "${verify[@]}" "${trust[@]}" "https://localhost:$(port expired)/hello"
said '^10 000 1$'
code 60 "$fetch" "${verify[@]}" "${trust[@]}" "https://localhost:$(port other)/hello"
said '^1 000 1$'
code 60 "$fetch" "${verify[@]}" "${trust[@]}" "https://localhost:$(port self)/hello"
out hello --cacert "$dir/self.pem" "https://localhost:$(port self)/hello"
for bad in expired other self; do out hello -k "https://localhost:$(port $bad)/hello"; done
out hello "${trust[@]}" -E "$dir/client-both.pem" "https://localhost:$(port asking)/hello"
out hello "${trust[@]}" --cert "$dir/client.pem" --key "$dir/client.key" "https://localhost:$(port asking12)/hello"
code 56 "$fetch" "${trust[@]}" "https://localhost:$(port asking)/hello"
code 35 "$fetch" "${trust[@]}" "https://localhost:$(port asking12)/hello"
code 35 "$fetch" "https://127.0.0.1:$(port http)/hello"
code 58 "$fetch" "${trust[@]}" -E "$dir/nothing.pem" "$https/hello"
code 58 "$fetch" "${trust[@]}" -E "$dir/client.pem" --key "$dir/good.key" "$https/hello"
code 77 "$fetch" --cacert "$dir/nothing.pem" "$https/hello"
code 77 "$fetch" --cacert "$dir/ca.key" "$https/hello"

# Where bodies and heads go.
out "$dir/one|$dir/two|$dir/three|" -o "$dir/one" -o "$dir/two" "$http/line/1" "$http/line/2" -o "$dir/three" \
  "$http/status/200" -w '%{filename_effective}|'
[ "$(cat "$dir/one" "$dir/two" "$dir/three")" = $'1-1\n2-2\nstatus 200' ] || fail "-o mixed the files up"
(cd "$dir" && code 0 "$fetch" -sS -O "$http/bytes/10?x=/y" && [ "$(cat 10)" = xxxxxxxxxx ]) || fail "-O"
code 0 "$fetch" -sSO --output-dir "$dir/a/b" --create-dirs "$http/bytes/11"
[ -s "$dir/a/b/11" ] || fail "--output-dir --create-dirs made nothing"
code 0 "$fetch" -sS -o /14 --output-dir "$dir/a" "$http/bytes/14"
[ -s "$dir/a/14" ] || fail "-o with a slash left --output-dir"
code 0 "$fetch" -sS --remote-name-all --output-dir "$dir/a" "$http/bytes/12" "$http/bytes/13"
[ -s "$dir/a/12" ] && [ -s "$dir/a/13" ] || fail "--remote-name-all made nothing"
code 0 "$fetch" -sSLo "$dir/combined" "$http/redirect/1"
[ "$(cat "$dir/combined")" = hello ] || fail "-sSLo FILE wrote $(cat "$dir/combined")"
code 23 "$fetch" -O "$http/"
said "names no file"
code 23 "$fetch" -O "$http/a/b/?x=/y"
code 23 "$fetch" -O "http://user:secret@127.0.0.1:$(port http)/?a=b@c"
said "127.0.0.1:$(port http)/?a=b@c names no file"
not_said secret
for url in 'user:secret@127.0.0.1/?to=http://x' 'http:/user:secret@127.0.0.1/' 'http://user:sec/ret@127.0.0.1/'; do
  code 23 "$fetch" -O "$url"
  said '127.0.0.1/.* names no file'
  not_said 'user:'
done
code 0 "$fetch" -O --output-dir "$dir" "127.0.0.1:$(port http)/hello?to=http://elsewhere.invalid/"
[ "$(cat "$dir/hello")" = hello ] || fail "-O found no name before a URL in the query"
code 23 "$fetch" -o "$dir/no/such/file" "$http/hello"
code 23 "$fetch" -o /dev/full "$http/hello"
code=0
"$fetch" -sS "$http/hello" >/dev/full 2>"$dir/err" || code=$?
[ $code = 23 ] || fail "a full standard output ended with $code"
code 0 "$fetch" -o "$dir/empty" "$http/empty"
[ -e "$dir/empty" ] || fail "an empty body made no file"
echo old >"$dir/old"
code 7 "$fetch" -i -o "$dir/old" http://127.0.0.1:1/
[ "$(cat "$dir/old")" = old ] || fail "a failed fetch emptied the file"
code 28 "$fetch" -m 0.2 -o "$dir/part" "$http/slow" -w '%{size_download}\n'
said '^10$'
[ "$(cat "$dir/part")" = 0123456789 ] || fail "a part of a file was not kept"
code 0 "$fetch" -i "$http/early"
[ "$(head -n1 "$dir/out" | tr -d '\r')" = "HTTP/1.1 103 Early Hints" ] || fail "-i left the interim head out"
code 0 "$fetch" -I "$http/hello"
said '^X-Mixed: one'
not_said hello
code 0 "$fetch" -I -X GET "$http/hello"
not_said hello
code 0 "$fetch" -sS -D "$dir/heads" -o "$dir/body" "$http/hello" "$http/early"
[ "$(grep -c '^HTTP/1.1 ' "$dir/heads")" = 3 ] || fail "-D did not write all heads"
# Whoever's head comes first takes the place of what was there.
echo old >"$dir/heads"
code 0 "$fetch" -s -D "$dir/heads" -o "$dir/body" http://127.0.0.1:1/ "$http/empty" "$http/empty"
[ "$(wc -l <"$dir/heads")" = 6 ] || fail "-D wrote behind what was there: $(cat "$dir/heads")"
code 23 "$fetch" -D /dev/full "$http/hello"
out $'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r' -D - -o "$dir/body" "$http/empty"
code 23 "$fetch" -D "$dir/no/such/file" "$http/hello"
said "cannot write $dir/no/such/file"
trailers=$'x-sum: 12\r\nx-by: me\r'
out $'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\n'"$trailers" -i "$http/trailers"
out $'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\n'"$trailers" -D - "$http/trailers"
out hello -D "$dir/heads" "$http/trailers"
[ "$(tail -n2 "$dir/heads")" = "$trailers" ] || fail "-D did not write the trailers: $(cat "$dir/heads")"
out "" -i -o "$dir/both" "$http/trailers"
[ "$(tail -n3 "$dir/both")" = $'hello\n'"$trailers" ] || fail "-i -o wrote $(cat "$dir/both")"
code 22 "$fetch" -f -i -o "$dir/refused" "$http/status/404"
[ "$(wc -l <"$dir/refused")" = 3 ] || fail "-f wrote more than the head: $(cat "$dir/refused")"
code 22 "$fetch" -f "http://user:secret@127.0.0.1:$(port http)/status/500"
said "500 Internal Server Error ($http/status/500)"
not_said "status 500"
out "status 399" -f "$http/status/399"
code 22 "$fetch" --fail-with-body "$http/status/404"
said "^status 404$"
code 63 "$fetch" --max-filesize 10 "$http/bytes/11"
code 63 "$fetch" --max-filesize 1k "$http/chunked/2000"
out xxxxxxxxxx --max-filesize 10 "$http/bytes/10"
out xxxxxxxxxx --max-filesize 0 "$http/bytes/10"
out 6000 --compressed -o "$dir/plain" "$http/gzip" -w 6000
[ "$(wc -c <"$dir/plain")" = 6000 ] || fail "--compressed did not decode"
code 0 "$fetch" -o "$dir/coded" "$http/gzip"
[ "$(gunzip <"$dir/coded" | wc -c)" = 6000 ] || fail "without --compressed something was decoded"
code 61 "$fetch" --compressed "$http/badgzip"
code 61 "$fetch" -i --compressed "$http/coded/nonsense"
said "Content-Encoding: nonsense"
said '"nonsense"'
not_said "as it is"
out "as it is" "$http/coded/nonsense"
out "as it is" --compressed "$http/coded/identity"
code 0 "$fetch" -I --compressed "$http/coded/nonsense"

# What a server can do wrong.
code 18 "$fetch" "$http/truncated"
said "half"
code 52 "$fetch" "$http/nothing"
code 8 "$fetch" "$http/garbage"
code 8 "$fetch" "$http/badlength"
code 56 "$fetch" "$http/badchunk"
said "half"
code 56 "$fetch" "$http/longhead"
code 61 "$fetch" "$http/transfer/nonsense"
code 61 "$fetch" "$http/transfer/nonsense,chunked"

# What is said.
code 0 "$fetch" -v -u user:secret "${trust[@]}" "$https/private"
for line in '^\*   Trying localhost port' '^\* Connected to' '^\* TLS connection using TLSv1' '^> GET /private HTTP/1.1$' \
  '^> authorization: \[hidden\]$' '^< HTTP/1.1 200 OK$' '^welcome$'; do said "$line"; done
not_said dXNlc
out '{"content-type":["text/plain"],
"x-mixed":["one","two"],
"content-length":["6"]
}' -o "$dir/body" "$http/hello" -w '%{header_json}'
code 0 "$fetch" -sS -o "$dir/body" "$http/hello" -w '%{json}'
python3 - "$dir/out" <<'CHECK' || fail "%{json} is not what it should be: $(cat "$dir/out")"
import json, sys
known = json.load(open(sys.argv[1]))
assert known["http_code"] == 200 and known["size_download"] == 6 and known["errormsg"] is None
assert known["time_total"] >= known["time_starttransfer"] >= known["time_pretransfer"] > 0
assert known["time_pretransfer"] >= known["time_connect"] >= known["time_namelookup"]
CHECK
out 'one|text/plain|92|4|1.1|GET|0' -o "$dir/body" "$http/hello" \
  -w '%header{X-Mixed}|%{content_type}|%{size_header}|%{num_headers}|%{http_version}|%{method}|%{exitcode}%{onerror}no'
code 7 "$fetch" -s http://127.0.0.1:1/ -w 'a\tb\n\\n\x%y%%%{onerror}%{exitcode}%{stderr}%{errormsg}'
[[ $(cat "$dir/out") == $'a\tb\n\\\\n\\x%y%7' ]] || fail "-w printed $(cat "$dir/out")"
said refused
code 0 "$fetch" -sS "$http/hello" -w '%{nonsense}x'
said "unknown --write-out variable: 'nonsense'"
printf 'from a file: %%{urlnum}' >"$dir/format"
out 'from a file: 0' -o "$dir/body" "$http/hello" -w "@$dir/format"

# One after the other, and many at once.
code 0 "$fetch" -s "$http/nothing" "$http/hello"
code 52 "$fetch" -s "$http/hello" "$http/nothing"
code 52 "$fetch" -s --fail-early "$http/nothing" "$http/hello"
not_said hello
out $'late 1\nlate 2\nlate 3' -Z -D "$dir/heads" "$http/late/1" "$http/late/2" "$http/late/3"
[ "$(grep -c '^HTTP/1.1 ' "$dir/heads")" = 3 ] || fail "-Z -D lost heads: $(cat "$dir/heads")"
# Out of range is the most there is, and not the default: the last one is asked for while all the others wait.
mapfile -t urls < <(printf "$http/late/1?many\n%.0s" $(seq 99))
code 0 "$fetch" -sS -m 15 -Z --parallel-max 1000 "${urls[@]}" "$http/late/3?many"
lines=$(seq 2000)
mapfile -t urls < <(printf "$http/line/%s\n" $lines)
code 0 "$fetch" -sS -Z --parallel-max 50 "${urls[@]}" -w '%{stderr}%{num_connects}\n'
printf '%s-%s\n' $(seq 2000 | sed 'p') | cmp - "$dir/out" || fail "2,000 bodies are not in order"
connects=$(awk '{ sum += $1 } END { print sum }' "$dir/err")
[ "$connects" -le 50 ] || fail "2,000 fetches, 50 at once, took $connects connections"
code 0 "$fetch" -sS -Z --parallel --remote-name-all --create-dirs --output-dir "$dir/many" "${urls[@]:0:300}"
[ "$(cat "$dir"/many/* | wc -l)" = 300 ] || fail "300 files are not all there"
code 52 "$fetch" -sS -Z "$http/hello" "$http/nothing" "$http/hello"
[ "$(grep -c hello "$dir/out")" = 2 ] || fail "a failure took others with it"
code 52 "$fetch" -sS -Z --fail-early "$http/nothing" "$http/silent"

# A disk is no file, and has places to be at all the same. Not everybody may make one; it goes with the last who has it.
seq 200000 >"$dir/disk"
truncate -s 1M "$dir/disk"
if disk=$(losetup -f --show "$dir/disk" 2>/dev/null) && exec 9<>"$disk"; then
  losetup -d "$disk"
  code 0 "$fetch" -sS -m 20 -T "$disk" "$http/echo"
  tail -c 1M "$dir/out" | cmp - "$dir/disk" || fail "-T did not send the disk"
  "$fetch" -sS "$http/bytes/1000000" >"$disk" || fail "a disk as the standard output ended with $?"
  [ "$(head -c 1000000 "$disk" | tr -d x | wc -c)" = 0 ] || fail "a body was not written to a disk as it came"
  exec 9>&-
fi

# Somebody goes away.
code=0
{ "$fetch" -sS "$http/large" 2>"$dir/err" || echo $? >"$dir/code"; } | head -c 1 >/dev/null
[ "$(cat "$dir/code")" = 23 ] || fail "a closed standard output ended with $(cat "$dir/code")"
# Who reads no more of what is said about it has still got all.
"$fetch" -sS -o "$dir/whole" "$http/hello" -w '%{http_code}' >/dev/full || fail "-w to a full device ended with $?"
files=(-o "$dir/whole" -o "$dir/whole" -o "$dir/whole")
"$fetch" -sS -Z "${files[@]}" "$http/late/1" "$http/late/2" "$http/late/3" -w '%{http_code}' >/dev/full ||
  fail "-w of many to a full device ended with $?"
code=0
"$fetch" -sS "$http/hello" >/dev/full 2>"$dir/err" || code=$?
[ "$code" = 23 ] || fail "a full device ended with $code"
# Who does not hear what is said changes nothing about how it ends, and who hears it late hears all.
python3 - "$fetch" "$http" <<'STREAMS' || fail "the standard input or error was not taken as it is"
import fcntl, os, subprocess, sys
fetch, http = sys.argv[1:]

def pipe(non_blocking):
    ends = os.pipe()
    fcntl.fcntl(ends[non_blocking], fcntl.F_SETFL, os.O_NONBLOCK)
    return ends

def until_it_waits(process):
    """Who does not wait has ended by then."""
    try:
        process.wait(0.3)
    except subprocess.TimeoutExpired:
        pass

deaf, closed = os.pipe()
os.close(deaf)
for given, wanted in (["--nonsense"], 2), ([http + "/nothing"], 52), (["-o", os.devnull, "-o", "b", http], 0):
    assert subprocess.run([fetch, *given], stdout=subprocess.DEVNULL, stderr=closed).returncode == wanted, given

late, said = pipe(1)
process = subprocess.Popen([fetch, "-sv", *[http + "/hello"] * 500], stdout=subprocess.DEVNULL, stderr=said)
os.close(said)
until_it_waits(process)
with open(late, "rb") as heard:
    assert heard.read().count(b"> GET ") == 500

given, give = pipe(0)
process = subprocess.Popen([fetch, "-sS", "-d", "@-", http + "/echo"], stdin=given, stdout=subprocess.PIPE)
until_it_waits(process)
os.write(give, b"late")
os.close(give)
assert process.communicate()[0].endswith(b"late")
STREAMS
# A shell lets its background ignore Ctrl-C.
python3 - "$fetch" -s -o "$dir/interrupted" "$http/slow" <<'CTRL_C' || fail "Ctrl-C did not end it as it should"
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
file = sys.argv[4]
process = subprocess.Popen(sys.argv[1:])
for _ in range(500):
    if os.path.exists(file) and os.path.getsize(file):
        break
    time.sleep(0.02)
process.send_signal(signal.SIGINT)
# What a shell shows as 130.
assert process.wait(5) == -signal.SIGINT
CTRL_C
[ "$(cat "$dir/interrupted")" = 0123456789 ] || fail "Ctrl-C took what had been written"

# On a terminal: no body that is no text, unless it is asked for.
code 23 script -qec "$fetch $http/gzip" /dev/null
said "no text"
[ "$(tr -d '\0' <"$dir/out" | wc -c)" = "$(wc -c <"$dir/out")" ] || fail "a terminal got what is no text"
code 0 script -qec "$fetch -o - $http/gzip" /dev/null
code 0 script -qec "$fetch --compressed $http/gzip" /dev/null
code 0 script -qec "$fetch -i $http/hello" /dev/null
said "^hello"

# Progress, on a terminal.
code 0 script -qec "$fetch -Z -o $dir/a/1 $http/bytes/100000 -o $dir/a/2 $http/bytes/200000" /dev/null
said '2/2 done'
code 0 script -qec "$fetch -o $dir/a/1 $http/bytes/100000 -o $dir/a/2 $http/bytes/200000" /dev/null
said '97.66 KiB/97.66 KiB'
said '195.31 KiB/195.31 KiB'
code 0 script -qec "$fetch -sZ -o $dir/a/1 $http/bytes/100000" /dev/null
not_said done
