//! Without a URL: a server and a client in one reactor, on one thread.

use std::io;
use std::time::Instant;

use eyewall::http::Response;
use eyewall::net::{TcpListener, TcpStream};
use futures_util::StreamExt;

use crate::code::{self, Failure};
use crate::standard;

const PAGE: &str = "\
<!doctype html>
<title>eyewall</title>
<h1>Hello from the eye of the storm</h1>
<p>This page came over io_uring: one thread ran the server that sent it and the client that fetched it.
";

/// Starts a server on loopback, fetches its page twice, and prints it with timings.
pub(crate) async fn run() -> Result<u8, Failure> {
    serve_and_fetch().await.map(|()| 0)
}

async fn serve_and_fetch() -> Result<(), Failure> {
    let mut listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    eyewall::spawn(async move {
        let mut connections = listener.incoming();
        while let Some(Ok(stream)) = connections.next().await {
            eyewall::spawn(serve(stream)).detach();
        }
    })
    .detach();

    let url = format!("http://{address}/");
    standard::say(&format!(
        "A server listens on {address}, in the same reactor. Fetching {url} from it:\n\n"
    ));
    let mut response = eyewall::fetch(&url).await?;
    let page = response.text().await?;
    crate::say(&page);
    standard::say("\n");
    report("first fetch ", &response);

    let again = Instant::now();
    let mut response = eyewall::fetch(&url).await?;
    response.bytes().await?;
    report("second fetch", &response);
    standard::say(&format!(
        "\nAll of it took {} system calls on the ring; the second, {} in all, used the connection of the first.\n\
         Now with a URL: cargo run --release --example fetch -- -i http://...  (--help says more)\n",
        eyewall::reactor::metrics().map_or(0, |metrics| metrics.enters),
        elapsed(again)
    ));
    Ok(())
}

fn cannot_listen(error: io::Error) -> Failure {
    let message = format!("cannot listen on loopback: {error}");
    Failure::new(code::CONNECT_FAILED, message)
}

/// How long something took, in words.
fn elapsed(since: Instant) -> String {
    format!("{:.0} µs", since.elapsed().as_secs_f64() * 1e6)
}

fn report(what: &str, response: &Response) {
    let timings = response.timings();
    let micros = |time: Option<std::time::Duration>| time.unwrap_or_default().as_secs_f64() * 1e6;
    standard::say(&format!(
        "{what}: {} {}, connected after {:.0} µs, first byte after {:.0} µs, done after {:.0} µs\n",
        response.status().as_u16(),
        response.reason(),
        micros(timings.connected),
        micros(timings.first_byte),
        micros(timings.total)
    ));
}

/// Answers every request on a connection with the page. A request ends with an empty line; this server looks
/// at nothing else.
async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n",
        PAGE.len()
    );
    let mut request = Vec::new();
    while let Some(chunk) = stream.recv_chunk().await? {
        request.extend_from_slice(&chunk);
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            stream.send_all(head.clone() + PAGE).await.0?;
        } else if request.len() > 8192 {
            break;
        }
    }
    Ok(())
}
