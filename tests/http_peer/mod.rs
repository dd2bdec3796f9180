//! What the tests of the HTTP client share: scripted peers on threads with std sockets, which share no code with
//! the client.

#![allow(dead_code, unreachable_pub)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// A server that runs `script` with its listener on a thread of its own.
pub struct Peer {
    pub address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Peer {
    pub fn new(script: impl FnOnce(TcpListener) + Send + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Peer {
            address: listener.local_addr().unwrap(),
            thread: std::thread::spawn(move || script(listener)),
        }
    }

    /// One connection, one request without a body, one answer, and the end.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Peer {
        let answer = answer.into();
        Peer::new(move |listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream);
            // A client that has seen enough may have closed.
            let _ = stream.write_all(&answer);
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Its script has gone through.
    pub fn join(self) {
        self.thread.join().unwrap();
    }
}

pub fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).unwrap();
    stream.set_write_timeout(limit).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads a head, up to its empty line.
pub fn read_head(stream: &mut impl Read) -> String {
    try_read_head(stream).expect("the client closed")
}

/// Reads a head; `None` where the client closes instead.
pub fn try_read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) => return None,
            Err(error) => match error.kind() {
                // TLS without a goodbye ends with the latter.
                ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => return None,
                _ => panic!("the client neither sends nor closes: {error}"),
            },
        }
    }
    Some(String::from_utf8(head).unwrap().to_ascii_lowercase())
}

/// Reads so many bytes of a body.
pub fn read_exact(stream: &mut impl Read, count: usize) -> Vec<u8> {
    let mut body = vec![0; count];
    stream.read_exact(&mut body).unwrap();
    body
}

/// Reads a chunked body, to its last chunk; gives its chunks.
pub fn read_chunked(stream: &mut impl Read) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    loop {
        let size = usize::from_str_radix(&read_line(stream), 16).unwrap();
        let chunk = read_exact(stream, size);
        assert_eq!(read_line(stream), "");
        match size {
            0 => return chunks,
            _ => chunks.push(chunk),
        }
    }
}

pub fn read_line(stream: &mut impl Read) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(read_exact(stream, 1));
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

/// Everything up to the end of the connection, however it ends.
pub fn read_rest(stream: &mut impl Read) -> Vec<u8> {
    let mut rest = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return rest,
            Ok(count) => rest.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return rest,
            Err(error) => panic!("the client neither sends nor closes: {error}"),
        }
    }
}

pub fn ok(stream: &mut impl Write) {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .unwrap();
}

/// Runs a test, within a limit.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let bounded = eyewall::time::timeout(Duration::from_secs(30), future);
    eyewall::block_on(bounded)
        .unwrap()
        .expect("the test takes too long")
}
