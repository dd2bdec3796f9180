//! Tasks, timers and a ping-pong in kimojio, without its busy polling.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use kimojio::configuration::Configuration;
use kimojio::operations::{read, sleep, spawn_task, write};
use kimojio::{Errno, Runtime};
use peers::micro::{self, PING, TIMER};

fn main() -> io::Result<()> {
    let ended = Runtime::new(0, Configuration::new()).block_on(micro::measure(
        |number| spawn_task(async move { number }),
        |joined| joined.unwrap_or_else(|_| panic!("a task ended badly")),
        || sleep(TIMER),
        ping_pong,
    ));
    match ended {
        Some(Ok(report)) => micro::print(&report),
        _ => Err(io::Error::other("the runtime ended early")),
    }
}

/// The connection is made without the runtime.
async fn ping_pong(count: u64) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (server, _) = listener.accept().expect("it was connected to");
    client.set_nodelay(true).expect("a socket");
    server.set_nodelay(true).expect("a socket");
    let server = spawn_task(async move {
        let connection = OwnedFd::from(server);
        let mut buffer = [0; PING];
        while let Ok(count @ 1..) = read(&connection, &mut buffer).await {
            write_all(&connection, &buffer[..count])
                .await
                .expect("the peer reads");
        }
    });
    let client = OwnedFd::from(client);
    let mut buffer = [7; PING];
    for _ in 0..count {
        write_all(&client, &buffer).await.expect("the peer reads");
        let mut filled = 0;
        while filled < PING {
            filled += read(&client, &mut buffer[filled..])
                .await
                .expect("the peer answers");
        }
    }
    drop(client);
    assert!(server.await.is_ok(), "the server ended badly");
}

async fn write_all(connection: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let sent = write(connection, bytes).await?;
        bytes = &bytes[sent..];
    }
    Ok(())
}
