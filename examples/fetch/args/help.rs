//! What `--help` and `--version` say.

pub(crate) const HELP: &str = "\
Fetches URLs over io_uring. The options are curl's.

Usage: fetch [OPTIONS] [URL]...

Without anything it starts an HTTP server of its own on loopback, fetches a page from it and prints that with
timings. Several URLs are fetched one after the other, or with -Z many at once, on shared connections. Each is taken
as it is: {a,b} and [1-9] are no patterns here.

The request:
  -X, --request METHOD         the method, instead of GET (POST with -d, HEAD with -I, PUT with -T)
  -H, --header 'NAME: VALUE'   adds a header field (NAME; for an empty one), or with NAME: sends none, but for Host; can
                               be given again
  -d, --data DATA              sends DATA as a form with POST; @FILE reads a file without its line ends, @- the
                               standard input; given again, the parts are joined with &
      --data-binary DATA       the same, and a file as it is; --data-raw DATA: an @ means nothing
      --data-urlencode DATA    the same, encoded: CONTENT, =CONTENT, NAME=CONTENT, @FILE or NAME@FILE
      --json DATA              the same as --data-binary, as JSON; given again, the parts are put together
  -G, --get                    puts the data into the URL, and sends GET
  -T, --upload-file FILE       sends FILE with PUT, - for the standard input; the n-th is for the n-th URL. Where the
                               URL ends with a slash, the name of the file is added
  -I, --head                   asks for the head alone (HEAD) and prints it
  -u, --user NAME:PASSWORD     basic credentials; without a password it is asked for
      --oauth2-bearer TOKEN    a bearer token
  -A, --user-agent NAME        what the field User-Agent says; '' sends none
  -e, --referer URL            what the field Referer says
  -r, --range RANGE            asks for a part of the body, such as 0-499, 500- or -500; it comes as it is, also with
                               --compressed
      --compressed             asks for a coded body (gzip, deflate, br, zstd) and decodes it
      --url URL                as URL by itself
  A body of more than 1 MiB, or of unknown length, waits up to a second for the server's leave (100).

Redirects:
  -L, --location               follows redirects. Credentials are for the first origin alone, and do not come back.
                               POST becomes GET after 301, 302 and 303, and what is not HEAD after 303, also with -X
      --max-redirs NUMBER      how many; 50 if not given, -1 for any number

Connections:
  -m, --max-time SECONDS       how long each transfer may take; no limit if not given
      --connect-timeout SECONDS  how long connecting may take; 300 if not given
  -4, --ipv4; -6, --ipv6       connects to IPv4, or IPv6, addresses only
      --interface NAME         the network interface, or the IP address, to connect from
      --resolve HOST:PORT:ADDRESS[,ADDRESS]...  the addresses of a host
      --unix-socket PATH       connects to a Unix socket
  -x, --proxy URL              an HTTP proxy, at port 1080 unless it says another; '' for none. Otherwise http_proxy,
                               https_proxy, all_proxy and no_proxy count, but never for this machine itself
  -U, --proxy-user NAME:PASSWORD  credentials for the proxy
      --noproxy HOSTS          hosts that need no proxy, separated by commas; * for all
  -k, --insecure               accepts any certificate of a server. Dangerous
      --cacert FILE            trusts the certificates in FILE (PEM), and not those that the system trusts
  -E, --cert FILE              the certificate of this client (PEM), and its key unless --key says where that is
      --key FILE               the key; one with a password is not supported

Output:
  -o, --output FILE            writes the body to FILE instead of the standard output; the n-th is for the n-th
                               URL; - is the standard output, also where that is a terminal and the body no text
  -O, --remote-name            writes the body to a file with the last name of the URL; counts as an -o. A URL
                               that ends with a slash has none (23)
      --remote-name-all        as -O for every URL that has no -o
      --output-dir DIRECTORY   where these files are
      --create-dirs            makes the directories that they need
  -i, --include                prints the heads of the responses before the body, as they came, and trailers behind it
  -D, --dump-header FILE       writes the heads to FILE; - is the standard output
  -f, --fail                   a status of 400 or above is a failure, and its body is not printed
      --fail-with-body         the same, but the body is printed
      --max-filesize SIZE      fails if the body is larger, decoded; SIZE may end with k, M or G; 0 for no limit
  -s, --silent                 no progress and no error messages; -S, --show-error: error messages all the same
      --no-progress-meter      no progress
  -v, --verbose                prints to the standard error what goes on: * connections, > heads as they are sent,
                               < heads as they come. Credentials are not shown
  -w, --write-out FORMAT       prints FORMAT after each transfer, with \\n, \\t, \\r, %% and %{NAME}, where NAME is one of
                               certs content_type errormsg exitcode filename_effective ftp_entry_path header_json
                               http_code http_connect http_version json local_ip local_port method num_certs
                               num_connects num_headers num_redirects num_retries onerror proxy_ssl_verify_result
                               proxy_used redirect_url referer remote_ip remote_port response_code scheme
                               size_download size_header size_request size_upload speed_download speed_upload
                               ssl_verify_result stderr stdout time_appconnect time_connect time_namelookup
                               time_pretransfer time_redirect time_starttransfer time_total url url_effective
                               urlnum xfer_id, or %header{FIELD}; @FILE reads the format from a file

Many at once:
  -Z, --parallel               transfers run at once, on one thread, with a progress bar each and one for all.
                               What goes to the standard output comes in the order of the URLs, each body whole;
                               one with more than 1 MiB waits for those before it, and -m goes on meanwhile
      --parallel-max NUMBER    how many at once, 300 at most; 50 if not given
      --fail-early             stops at the first failure, also without -Z

  -h, --help                   this text
  -V, --version                the version, and what it can do
  -g, -N, -#, --http1.1        understood, and nothing changes

Progress of what comes (not of what is sent) is shown if the standard error is a terminal and no body goes to one.

Exit code: 0 for a complete response of any status; otherwise curl's number:
   1 unsupported protocol     22 status of 400 or above (-f)     52 empty reply
   2 wrong arguments          23 write error                     55 send failed
   3 bad URL                  26 read error                      56 receive failed, broken chunks, proxy refuses
   4 not built in             28 timeout                         58 client certificate or key cannot be used
   5 proxy not found, or bad  35 TLS failed                      60 certificate not accepted
   6 name not resolved        43 header that cannot be sent      61 bad or unknown coding
   7 connect failed           45 no such interface               63 body too large
   8 unparsable response      47 too many redirects              65 redirect wants the body, which is gone
  18 partial body             49 bad --resolve                   77 CA certificates cannot be used
The last URL decides; with -Z, the first failure.
";

/// The version, and what this build can do.
pub(crate) fn version() -> String {
    let mut protocols = vec!["http"];
    let mut features = vec!["UnixSockets", "io_uring"];
    if cfg!(feature = "__tls") {
        protocols.push("https");
        features.push("SSL");
    }
    if cfg!(feature = "compression") {
        features.extend(["brotli", "libz", "zstd"]);
    }
    features.sort_by_key(|name| name.to_ascii_lowercase());
    format!(
        "fetch {0} (Linux) eyewall/{0}\nProtocols: {1}\nFeatures: {2}\n",
        env!("CARGO_PKG_VERSION"),
        protocols.join(" "),
        features.join(" ")
    )
}
