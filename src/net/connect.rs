//! Connecting.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use socket2::{Domain, Type};

use super::{TcpStream, ToAddresses, new_socket};
use crate::op::Connect;
use crate::reactor::Core;

impl TcpStream {
    /// Connects.
    pub async fn connect(address: impl ToAddresses) -> io::Result<TcpStream> {
        let core = Core::current()?;
        let addresses = address.resolve().await?;
        connect_one(&core, addresses[0]).await
    }
}

async fn connect_one(core: &Rc<Core>, address: SocketAddr) -> io::Result<TcpStream> {
    let fd = new_socket(core, Domain::for_address(address), Type::STREAM).await?;
    let (result, op) = core
        .submit(Connect {
            fd,
            address: address.into(),
        })
        .await;
    result?;
    let stream = TcpStream::over(core, op.fd);
    stream.set_nodelay(true)?;
    Ok(stream)
}
