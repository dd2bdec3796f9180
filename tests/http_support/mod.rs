//! What the tests of the client share: a scripted server on threads with std sockets, which shares no code with
//! the client.

#![allow(dead_code, unreachable_pub)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// No test takes longer.
pub const LIMIT: Duration = Duration::from_secs(60);

/// What the server has received.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    /// Up to and with the empty line.
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    /// The request line.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub fn method(&self) -> &str {
        self.line().split(' ').next().unwrap_or_default()
    }

    pub fn target(&self) -> &str {
        self.line().split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What the server does about a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Sends this, and waits for the next request.
    Send(Vec<u8>),
    /// Sends this, and closes.
    Close(Vec<u8>),
    /// Sends this, and resets the connection.
    Reset(Vec<u8>),
    /// Sends this, and waits until the client closes.
    Stall(Vec<u8>),
    /// Sends these, with a pause before each.
    Drip(Duration, Vec<Vec<u8>>),
}

impl Reply {
    pub fn text(text: impl Into<String>) -> Reply {
        Reply::Send(text.into().into_bytes())
    }

    /// A response with this body.
    pub fn ok(body: &str) -> Reply {
        Reply::text(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    /// A redirect without a body.
    pub fn redirect(status: u16, location: &str) -> Reply {
        Reply::text(format!(
            "HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ))
    }
}

/// A server whose answers a closure gives; it keeps what it was asked.
pub struct Server {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    requests: Mutex<Vec<Request>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    stop: AtomicBool,
    answer: Box<dyn Fn(&Request) -> Reply + Send + Sync>,
}

impl Server {
    pub fn new(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        Server::on(Ipv4Addr::LOCALHOST, answer)
    }

    /// One on another address of the loopback network.
    pub fn on(
        address: Ipv4Addr,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Server {
        Server::at((address, 0).into(), answer)
    }

    /// One on a port that has been used before.
    pub fn at(
        address: SocketAddr,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            requests: Mutex::default(),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            answer: Box::new(answer),
        });
        let at = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if at.stop.load(Ordering::SeqCst) {
                    return;
                }
                let number = at.accepted.fetch_add(1, Ordering::SeqCst);
                at.open.fetch_add(1, Ordering::SeqCst);
                let at = Arc::clone(&at);
                std::thread::spawn(move || {
                    at.serve(stream.unwrap(), number);
                    at.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Server {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it has been asked until now.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The targets of the requests until now.
    pub fn targets(&self) -> Vec<String> {
        let requests = self.requests();
        requests.iter().map(|at| at.target().into()).collect()
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            let ended = acceptor.join();
            assert!(std::thread::panicking() || ended.is_ok());
        }
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream, connection: usize) {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        while let Some(request) = read_request(&mut stream, connection) {
            self.requests.lock().unwrap().push(request.clone());
            // The client may have gone: that is its right, and seen by the next read.
            match (self.answer)(&request) {
                Reply::Send(bytes) => drop(stream.write_all(&bytes)),
                Reply::Close(bytes) => {
                    drop(stream.write_all(&bytes));
                    return;
                }
                Reply::Reset(bytes) => {
                    drop(stream.write_all(&bytes));
                    reset(stream);
                    return;
                }
                Reply::Stall(bytes) => {
                    drop(stream.write_all(&bytes));
                    drop(std::io::copy(&mut stream, &mut std::io::sink()));
                    return;
                }
                Reply::Drip(pause, pieces) => {
                    for piece in pieces {
                        std::thread::sleep(pause);
                        drop(stream.write_all(&piece));
                    }
                }
            }
        }
    }
}

/// Closes with a RST.
pub fn reset(stream: TcpStream) {
    let socket = socket2::SockRef::from(&stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}

fn read_request(stream: &mut TcpStream, connection: usize) -> Option<Request> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let mut request = Request {
        connection,
        head: String::from_utf8(head).unwrap(),
        body: Vec::new(),
    };
    let length = request.field("content-length").map(str::parse::<usize>);
    request.body = vec![0; length.map_or(0, Result::unwrap)];
    stream.read_exact(&mut request.body).ok()?;
    Some(request)
}

pub fn run<T>(future: impl Future<Output = T>) -> T {
    let bounded = eyewall::time::timeout(LIMIT, future);
    eyewall::block_on(bounded)
        .unwrap()
        .expect("the test takes too long")
}

/// Waits until a condition holds, and lets the reactor run meanwhile.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT / 2, "it never comes to that {what}");
        eyewall::time::sleep(Duration::from_millis(2)).await;
    }
}
