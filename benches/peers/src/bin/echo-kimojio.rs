//! Echo on kimojio, without its busy polling.

use std::io;
use std::os::fd::OwnedFd;

use kimojio::Runtime;
use kimojio::configuration::Configuration;
use kimojio::operations::{accept, read, spawn_task, write};

fn main() -> io::Result<()> {
    let listener = peers::listen::listen()?;
    let ended = Runtime::new(0, Configuration::new()).block_on(async move {
        loop {
            match accept(&listener).await {
                Ok(connection) => drop(spawn_task(echo(connection))),
                Err(error) => break error,
            }
        }
    });
    match ended {
        Some(Ok(error)) => Err(error.into()),
        _ => Err(io::Error::other("the runtime ended early")),
    }
}

async fn echo(connection: OwnedFd) {
    let mut buffer = vec![0; 4 << 10];
    while let Ok(count @ 1..) = read(&connection, &mut buffer).await {
        let mut bytes = &buffer[..count];
        while !bytes.is_empty() {
            let Ok(sent) = write(&connection, bytes).await else {
                return;
            };
            bytes = &bytes[sent..];
        }
    }
}
