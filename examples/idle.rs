//! Holds idle connections and prints what each costs in memory.

use std::io::{self, Write};
use std::process::ExitCode;

use eyewall::net::{TcpListener, TcpStream};
use eyewall::reactor::metrics;
use futures_util::StreamExt;

const HELP: &str = "\
Opens connections to an echo server in the same process, uses each once, leaves them idle, and prints what one
costs in memory of the process, both ends together. Then it closes them all and looks at what is left.

Usage: idle [CONNECTIONS]

CONNECTIONS is 10000 if not given, or as many as the limit of open files allows: each takes two descriptors.
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let count = match (args.next(), args.next()) {
        (None, _) => None,
        (_, Some(arg)) => {
            eprintln!("idle: unexpected argument {arg:?}; see --help");
            return ExitCode::from(2);
        }
        (Some(arg), _) if arg == "-h" || arg == "--help" => {
            say(HELP);
            return ExitCode::SUCCESS;
        }
        (Some(arg), _) => match arg.parse() {
            Ok(count) if count > 0 => Some(count),
            _ => {
                eprintln!("idle: {arg:?} is no number of connections; see --help");
                return ExitCode::from(2);
            }
        },
    };
    match check_limit(count).and_then(|count| eyewall::block_on(hold(count))?) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("idle: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Raises the limit of open files as far as it must and may be; returns how many connections there can be.
fn check_limit(count: Option<usize>) -> io::Result<usize> {
    const OTHERS: u64 = 64;
    let wanted = (count.unwrap_or(10_000) as u64)
        .saturating_mul(2)
        .saturating_add(OTHERS);
    let allowed = rlimit::increase_nofile_limit(wanted)?;
    if let (Some(count), true) = (count, allowed < wanted) {
        return Err(io::Error::other(format!(
            "{count} connections need {wanted} open files, and only {allowed} are allowed: raise the hard limit \
             (ulimit -Hn {wanted}), or hold fewer"
        )));
    }
    Ok((allowed.min(wanted).saturating_sub(OTHERS) / 2) as usize)
}

async fn hold(count: usize) -> io::Result<()> {
    let mut listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = eyewall::spawn(async move {
        let mut connections = listener.incoming();
        while let Some(Ok(connection)) = connections.next().await {
            eyewall::spawn(echo(connection)).detach();
        }
    });

    // What is allocated once, by the first connections, is not counted.
    let mut clients = Vec::with_capacity(count);
    let warm = (count / 10).max(1);
    let (mut before, fds) = (resident()?, open_fds()?);
    for number in 0..count {
        if number == warm {
            before = resident()?;
        }
        clients.push(used(TcpStream::connect(address).await?).await?);
    }
    let bytes = resident()?.saturating_sub(before);
    say(&format!(
        "{count} idle connections, each used once, both ends in this process\n"
    ));
    if let Some(each) = bytes.checked_div(count - warm) {
        say(&format!(
            "{each} bytes of memory each (both ends), no buffer held\n"
        ));
    }
    let now = metrics().unwrap_or_default();
    say(&format!(
        "{} operations in flight, {} of {} pooled buffers free, {} tasks\n",
        now.operations, now.pool_available, now.pool_buffers, now.tasks
    ));

    for client in clients {
        client.abort();
    }
    server.abort();
    let _ = server.await;
    while metrics().is_some_and(|now| now.operations > 0 || now.tasks > 0) {
        eyewall::yield_now().await;
    }
    let now = metrics().unwrap_or_default();
    say(&format!(
        "All closed: {} descriptors more than at the start, {} operations, {} tasks, {} of {} buffers free\n",
        open_fds()?.saturating_sub(fds),
        now.operations,
        now.tasks,
        now.pool_available,
        now.pool_buffers
    ));
    Ok(())
}

/// Sends a byte to and fro, so that the connection has been in use, and leaves a receive armed on it.
async fn used(mut client: TcpStream) -> io::Result<eyewall::JoinHandle<()>> {
    client.send_all("x").await.0?;
    let echoed = client.recv_chunk().await?;
    assert_eq!(echoed.as_deref(), Some(&b"x"[..]));
    Ok(eyewall::spawn(async move {
        let _ = client.recv_chunk().await;
    }))
}

async fn echo(mut connection: TcpStream) {
    while let Ok(Some(chunk)) = connection.recv_chunk().await {
        if connection.send_all(chunk).await.0.is_err() {
            break;
        }
    }
}

/// Bytes of memory that the process has in use (proc(5), `VmRSS`).
fn resident() -> io::Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kibibytes: usize = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix(" kB"))
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| io::Error::other("/proc/self/status has another form"))?;
    Ok(kibibytes * 1024)
}

fn open_fds() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

/// Prints; a reader that has gone is no error of ours.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}
