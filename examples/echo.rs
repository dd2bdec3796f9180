//! An echo server. Ctrl-C ends it, and it says what it did.

use std::cell::Cell;
use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use eyewall::Reactor;
use eyewall::net::{TcpListener, TcpStream};
use futures_util::StreamExt;

const HELP: &str = "\
Sends back what it receives, on as many connections as come.

Usage: echo [ADDRESS]

ADDRESS is where to listen, 127.0.0.1:7777 if not given; port 0 lets the system choose. Ctrl-C ends it.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let address = match args.as_slice() {
        [] => "127.0.0.1:7777",
        [help] if help == "-h" || help == "--help" => {
            say(HELP);
            return ExitCode::SUCCESS;
        }
        [address] if !address.starts_with('-') => address,
        _ => {
            eprintln!("echo: unexpected arguments {args:?}; see --help");
            return ExitCode::from(2);
        }
    };
    match run(address.to_owned()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(address: String) -> io::Result<()> {
    let reactor = Reactor::new()?;
    let echoed = Rc::new(Cell::new(0));
    reactor.block_on(serve(address, Rc::clone(&echoed)))??;
    let metrics = reactor.metrics();
    let report = reactor.shutdown(Duration::from_secs(1));
    say(&format!(
        "\n{} bytes echoed with {} system calls for {} operations; {report:?}\n",
        echoed.get(),
        metrics.enters,
        metrics.sqes
    ));
    Ok(())
}

/// Serves until Ctrl-C.
async fn serve(address: String, echoed: Rc<Cell<u64>>) -> io::Result<()> {
    let mut listener = TcpListener::bind(address).await?;
    say(&format!(
        "Listening on {}; Ctrl-C ends.\n",
        listener.local_addr()?
    ));
    eyewall::spawn(async move {
        let mut connections = listener.incoming();
        while let Some(connection) = connections.next().await {
            let echoed = Rc::clone(&echoed);
            eyewall::spawn(async move {
                let ended = async { echo(connection?, &echoed).await };
                if let Err(error) = ended.await {
                    eprintln!("echo: a connection ended: {error}");
                }
            })
            .detach();
        }
    })
    .detach();
    eyewall::signal::ctrl_c().await
}

/// Sends back what comes, until the peer has finished. The buffer is the kernel's choice, and goes out as it came
/// in.
async fn echo(mut connection: TcpStream, echoed: &Cell<u64>) -> io::Result<()> {
    while let Some(chunk) = connection.recv_chunk().await? {
        echoed.set(echoed.get() + chunk.len() as u64);
        connection.send_all(chunk).await.0?;
    }
    connection.close().await
}

/// Prints; a reader that has gone is no error of ours.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}
