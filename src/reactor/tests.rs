//! Every operation dropped at three points (queued, in the kernel, with its result reaped and not fetched), in four
//! ring set-ups; afterwards nothing may be missing.

mod cancels;
mod short;

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::{Builder, Core, Reactor, Submission};
use crate::op::{self, Operation, SharedFd};
use crate::ring::Cqe;
use crate::time::timeout;
use crate::yield_now;

type Setup = (&'static str, fn(Builder) -> Builder);

const SETUPS: [Setup; 4] = [
    ("default", |builder| builder),
    ("without DEFER_TASKRUN", |builder| {
        builder.defer_taskrun(false)
    }),
    ("SQ of 2 and CQ of 4", |builder| {
        builder.sq_entries(2).cq_entries(4)
    }),
    ("a pool of 2 buffers", |builder| builder.pool(2, 256)),
];

/// How often each point is tried.
const ROUNDS: usize = 6;

/// Runs `test` on a new reactor of each set-up, and looks at what the reactor counted. It has a process of its own,
/// where no other test opens and closes descriptors.
fn everywhere<F: Future<Output = ()>>(test: impl Fn(Rc<Core>) -> F) {
    if !is_alone() {
        return;
    }
    for (name, change) in SETUPS {
        let reactor = change(Reactor::builder()).build().expect(name);
        let bounded = timeout(Duration::from_secs(30), test(Rc::clone(&reactor.core)));
        let in_time = reactor.block_on(bounded).expect(name);
        assert!(in_time.is_ok(), "{name}: takes too long");
        let metrics = reactor.metrics();
        assert_eq!(metrics.stale, 0, "{name}");
        assert_eq!(metrics.pool_available, metrics.pool_buffers, "{name}");
        let report = reactor.shutdown(Duration::from_secs(5));
        assert_eq!(report.leaked, 0, "{name}");
    }
}

/// Whether this process is for the test that calls. If not, one is started that is, and must succeed.
fn is_alone() -> bool {
    const MARK: &str = "EYEWALL_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let thread = std::thread::current();
    let name = thread.name().expect("the harness names a test's thread");
    if name == "main" {
        return true; // The harness runs one test after the other.
    }
    let program = std::env::current_exe().expect("the test binary");
    let output = std::process::Command::new(program)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .expect("the test binary starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("proc").count()
}

/// Takes turns until `condition` holds; the caller's time is bounded by [`everywhere`].
async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        // Not a busy loop: completions need the kernel's time, too.
        crate::time::sleep(Duration::from_micros(100)).await;
    }
}

fn poll_once<O: Operation>(submission: &mut Submission<O>) {
    let mut cx = Context::from_waker(Waker::noop());
    let _ = Pin::new(submission).poll(&mut cx);
}

/// Drops the operations that `make` makes at each point. `provoke` brings the completion about.
async fn three_points<O: Operation>(
    core: &Rc<Core>,
    mut make: impl FnMut() -> O,
    mut provoke: impl FnMut(),
) {
    let operations = core.metrics().operations;
    let descriptors = open_fds();
    for _ in 0..ROUNDS {
        // Queued: the kernel never sees it.
        let mut submission = core.submit(make());
        let staged = core.metrics().sqes;
        poll_once(&mut submission);
        drop(submission);
        assert_eq!(core.metrics().sqes, staged);

        // In the kernel.
        let submission = core.submit(make());
        let id = submission.id().expect("there is room");
        until(|| core.table().has_begun(id)).await;
        drop(submission);

        // Its result is here, and nobody has fetched it.
        let submission = core.submit(make());
        let id = submission.id().expect("there is room");
        until(|| core.table().has_begun(id)).await;
        provoke();
        until(|| core.table().has_result(id)).await;
        drop(submission);
    }
    let now = || (core.metrics().operations, open_fds());
    let settled = timeout(
        Duration::from_secs(10),
        until(|| now() == (operations, descriptors)),
    );
    if settled.await.is_err() {
        assert_eq!(now(), (operations, descriptors), "something is left");
    }
}

/// A connected pair: one end for the operations, the other a std socket.
fn connected(core: &Core) -> (SharedFd, TcpStream) {
    let (ours, peer) = plain_pair();
    (core.share(OwnedFd::from(ours)), peer)
}

fn plain_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let ours = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    let (peer, _) = listener.accept().expect("accept");
    peer.set_nodelay(true).expect("nodelay");
    (ours, peer)
}

fn unconnected(core: &Core) -> SharedFd {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
    core.share(socket.into())
}

#[test]
fn nop() {
    everywhere(async |core| three_points(&core, || op::Nop, || {}).await);
}

#[test]
fn connect() {
    everywhere(async |core| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let connect = || op::Connect {
            fd: unconnected(&core),
            address: address.into(),
        };
        three_points(&core, connect, || {}).await;
    });
}

#[test]
fn bind() {
    everywhere(async |core| {
        let bind = || op::Bind {
            fd: unconnected(&core),
            address: "127.0.0.1:0"
                .parse::<std::net::SocketAddr>()
                .expect("address")
                .into(),
        };
        three_points(&core, bind, || {}).await;
    });
}

#[test]
fn listen() {
    everywhere(async |core| {
        let listen = || op::Listen {
            fd: unconnected(&core),
            backlog: 1,
        };
        three_points(&core, listen, || {}).await;
        let datagrams = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let fd = core.share(datagrams.into());
        let listen = core.submit(op::Listen { fd, backlog: 1 }).await;
        listen.0.expect_err("nobody connects to it");
    });
}

fn accepts(multishot: bool) {
    everywhere(async |core| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let fd = core.share(listener.into());
        let accept = || op::Accept {
            fd: fd.clone(),
            multishot,
        };
        let provoke = || drop(TcpStream::connect(address).expect("connect"));
        three_points(&core, accept, provoke).await;
    });
}

#[test]
fn accept() {
    accepts(false);
}

#[test]
fn accept_multishot() {
    accepts(true);
}

#[test]
fn recv() {
    everywhere(async |core| {
        let (fd, mut peer) = connected(&core);
        let late = fd.incoming();
        let sent = RefCell::new(Vec::new());
        let receive = || op::Recv::new(fd.clone(), vec![0; 16]);
        let provoke = || {
            let number = sent.borrow().len() as u8;
            let part = [number, number + 1, number + 2];
            peer.write_all(&part).expect("write");
            sent.borrow_mut().extend(part);
        };
        three_points(&core, receive, provoke).await;
        let mut kept = Vec::new();
        while let Some(chunk) = late.take() {
            kept.extend_from_slice(&chunk.expect("bytes").into_bytes());
        }
        assert_eq!(kept, *sent.borrow(), "every byte is given back, in order");
        assert!(!late.is_busy());
    });
}

fn receives_pooled(multishot: bool) {
    everywhere(async |core| {
        let (fd, mut peer) = connected(&core);
        let receive = || op::RecvPooled {
            fd: fd.clone(),
            pool: Rc::clone(core.pool()),
            multishot,
        };
        let available = core.pool().available();
        three_points(&core, receive, || peer.write_all(b"bytes").expect("write")).await;
        assert_eq!(core.pool().available(), available);
    });
}

#[test]
fn recv_pooled() {
    receives_pooled(false);
}

#[test]
fn recv_pooled_multishot() {
    receives_pooled(true);
}

#[test]
fn recvmsg() {
    everywhere(async |core| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let address = socket.local_addr().expect("address");
        let fd = core.share(socket.into());
        let peer = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let late = fd.incoming();
        let receive = || op::RecvMsg::new(fd.clone(), vec![0; 16]);
        let provoke = || {
            peer.send_to(b"datagram", address).expect("send");
        };
        three_points(&core, receive, provoke).await;
        let kept = std::iter::from_fn(|| late.take()).count();
        assert_eq!(kept, ROUNDS, "every datagram is given back");
    });
}

/// Sends of `PAYLOAD` by any operation: the peer gets each whole or not at all.
const PAYLOAD: &[u8] = b"all of this or nothing";

fn sends<O: Operation>(make: impl Fn(SharedFd) -> O) {
    everywhere(async |core| {
        let (fd, mut peer) = connected(&core);
        three_points(&core, || make(fd.clone()), || {}).await;
        let late = fd.outgoing();
        assert!(late.take().is_none(), "no send failed");
        assert!(!late.is_busy());
        fd.close();
        until(|| core.metrics().operations == 0).await;
        let mut received = Vec::new();
        peer.read_to_end(&mut received).expect("read");
        // Two of the three points have begun, and so go on to their end.
        assert_eq!(received, PAYLOAD.repeat(2 * ROUNDS));
    });
}

#[test]
fn send() {
    sends(|fd| op::Send::new(fd, PAYLOAD, false));
}

#[test]
fn send_all() {
    sends(|fd| op::Send::new(fd, PAYLOAD, true));
}

#[test]
fn sendmsg() {
    let (front, back) = PAYLOAD.split_at(5);
    sends(|fd| op::SendMsg::all(fd, vec![front, back]));
}

#[test]
fn send_zc() {
    sends(|fd| op::SendZc::new(fd, PAYLOAD));
}

/// A zero-copy send as if the kernel had it, and what the kernel then says.
fn zero_copy_answered(core: &Rc<Core>, answers: &[(i32, u32)]) -> Vec<Option<io::Result<usize>>> {
    let (fd, _peer) = connected(core);
    let mut send = core.submit(op::SendZc::new(fd, PAYLOAD));
    let id = send.id().expect("there is room");
    core.table().pretend_staged(id);
    let mut cx = Context::from_waker(Waker::noop());
    let answered = answers.iter().map(|&(result, flags)| {
        let mut cqe = Cqe {
            user_data: id.user_data(),
            result,
            flags,
        };
        core.table().arrive(&mut cqe);
        match Pin::new(&mut send).poll(&mut cx) {
            Poll::Ready((result, _)) => Some(result),
            Poll::Pending => None,
        }
    });
    answered.collect()
}

#[test]
fn a_zero_copy_send_ends_with_its_notification() {
    const MORE: u32 = 1 << 1;
    const NOTIFICATION: u32 = 1 << 3;
    everywhere(async |core| {
        let len = PAYLOAD.len();
        // The result alone gives nothing back: the kernel still reads the buffer.
        let answers = [(len as i32, MORE), (0, NOTIFICATION)];
        let answered = zero_copy_answered(&core, &answers);
        assert!(matches!(answered[..], [None, Some(Ok(sent))] if sent == len));
        // An error after which a notification comes, and one that comes alone.
        let answered = zero_copy_answered(&core, &[(-libc::EPIPE, MORE), (0, NOTIFICATION)]);
        assert!(
            matches!(&answered[..], [None, Some(Err(error))] if error.kind() == io::ErrorKind::BrokenPipe)
        );
        let answered = zero_copy_answered(&core, &[(-libc::EPIPE, 0)]);
        assert!(
            matches!(&answered[..], [Some(Err(error))] if error.kind() == io::ErrorKind::BrokenPipe)
        );

        // So does this kernel: two completions for one send.
        until(|| core.metrics().operations == 0).await;
        let (fd, _peer) = connected(&core);
        let before = core.metrics();
        let send = op::SendZc::new(fd, PAYLOAD);
        assert_eq!(core.submit(send).await.0.expect("sent"), len);
        let after = core.metrics();
        assert_eq!(after.sqes - before.sqes, 1);
        assert_eq!(after.cqes - before.cqes, 2);
    });
}

#[test]
fn shutdown() {
    everywhere(async |core| {
        let (fd, _peer) = connected(&core);
        let shutdown = || op::Shutdown {
            fd: fd.clone().into(),
            how: std::net::Shutdown::Write,
        };
        three_points(&core, shutdown, || {}).await;
        let shutdown = core.submit(op::Shutdown {
            fd: unconnected(&core).into(),
            how: std::net::Shutdown::Write,
        });
        let error = shutdown.await.0.expect_err("there is no connection");
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn close() {
    everywhere(async |core| {
        let close = || {
            drop(unconnected(&core));
            op::Close::new(
                core.descriptors
                    .closes
                    .pop()
                    .expect("it waits to be closed"),
            )
        };
        three_points(&core, close, || {}).await;
    });
}

/// The kernel may hand the close of a file to a worker: only the operation tells when it is done.
#[test]
fn a_file_is_closed_by_an_operation_and_a_socket_in_silence() {
    everywhere(async |core| {
        for (fd, closes) in [(file(&core), 1), (unconnected(&core), 0)] {
            let before = core.metrics().cqes;
            drop(fd);
            until(|| core.descriptors.closes.is_empty() && core.metrics().operations == 0).await;
            assert_eq!(core.metrics().cqes - before, closes);
        }
    });
}

/// It has let go of the socket, whose other half lives on.
#[test]
fn a_zero_copy_send_that_was_cut_off_tells_its_end() {
    everywhere(async |core| {
        let (fd, peer) = connected(&core);
        let late = fd.outgoing();
        let send = core.submit(op::SendZc::new(fd.clone(), vec![1; 8 << 20]));
        let id = send.id().expect("there is room");
        until(|| core.table().has_begun(id)).await;
        assert!(late.is_busy());
        core.abandon(id, true);
        drop((send, peer));
        until(|| core.metrics().operations == 0).await;
        assert!(!late.is_busy());
        assert!(late.take().is_some_and(|result| result.is_err()));
    });
}

#[test]
fn poll() {
    everywhere(async |core| {
        let (fd, mut peer) = connected(&core);
        let poll = || op::Poll {
            fd: fd.clone(),
            events: libc::POLLIN,
        };
        three_points(&core, poll, || peer.write_all(b"x").expect("write")).await;
    });
}

#[test]
fn cancel_fd() {
    everywhere(async |core| {
        let (fd, _peer) = connected(&core);
        let cancel = || op::CancelFd { fd: fd.clone() };
        three_points(&core, cancel, || {}).await;
    });
}

#[test]
fn openat() {
    everywhere(async |core| {
        let open = || op::OpenAt {
            path: c"/dev/null".into(),
            flags: libc::O_RDONLY,
            mode: 0,
            aside: false,
            beside: None,
        };
        three_points(&core, open, || {}).await;
    });
}

/// An open file that has no name any more.
fn file(core: &Core) -> SharedFd {
    let path = std::env::temp_dir().join(format!(
        "eyewall-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path);
    let mut file = file.expect("a file in the temporary directory");
    file.write_all(b"content").expect("write");
    std::fs::remove_file(path).expect("remove");
    core.share_file(file.into())
}

#[test]
fn read() {
    everywhere(async |core| {
        let fd = file(&core);
        let read = || op::Read {
            fd: fd.clone().into(),
            buffer: vec![0; 16],
            offset: 0,
            aside: false,
        };
        three_points(&core, read, || {}).await;
    });
}

#[test]
fn write() {
    everywhere(async |core| {
        let fd = file(&core);
        let write = || op::Write {
            fd: fd.clone().into(),
            buffer: "CONTENT",
            offset: 0,
        };
        three_points(&core, write, || {}).await;
    });
}

#[test]
fn fsync() {
    everywhere(async |core| {
        let fd = file(&core);
        let fsync = || op::Fsync::new(fd.clone(), true);
        three_points(&core, fsync, || {}).await;
    });
}

#[test]
fn statx() {
    everywhere(async |core| {
        let fd = file(&core);
        three_points(&core, || op::Statx::of_file(fd.clone()), || {}).await;
        three_points(&core, || op::Statx::of_path(c"/dev/null".into()), || {}).await;
    });
}

#[test]
fn c10_a_completion_for_a_slot_that_was_used_again_wakes_nobody() {
    everywhere(async |core| {
        let (fd, mut peer) = connected(&core);
        let poll = || op::Poll {
            fd: fd.clone(),
            events: libc::POLLIN,
        };
        let first = core.submit(poll());
        let old = first.id().expect("there is room");
        until(|| core.table().has_begun(old)).await;
        drop(first);
        until(|| core.metrics().operations == 0).await;
        let second = core.submit(poll());
        let new = second.id().expect("there is room");
        assert_ne!(old.user_data(), new.user_data());
        assert_eq!(
            old.user_data() as u32,
            new.user_data() as u32,
            "the same slot"
        );
        until(|| core.table().has_begun(new)).await;
        let mut stale = Cqe {
            user_data: old.user_data(),
            result: 1,
            flags: 0,
        };
        let (_, arrival) = core.table().arrive(&mut stale);
        assert!(matches!(arrival, super::table::Arrival::Stale));
        assert!(!core.table().has_result(new));
        peer.write_all(b"x").expect("write");
        assert_eq!(
            second.await.0.expect("events") & libc::POLLIN as u32,
            libc::POLLIN as u32
        );
        yield_now().await;
        assert!(fd.as_raw_fd() >= 0);
    });
}

#[test]
fn a_close_that_the_kernel_has_answered_is_not_done_again() {
    everywhere(async |core| {
        let never = Cqe::never_submitted();
        // What the flush of a FUSE file may say.
        let cancelled = Cqe::with_result(-libc::ECANCELED);
        for (cqe, is_open) in [(cancelled, true), (never, false)] {
            let (socket, mut peer) = plain_pair();
            let number = socket.as_raw_fd();
            drop(core.share(socket.into()));
            let closing = core
                .descriptors
                .closes
                .pop()
                .expect("its last holder has gone");
            Operation::discard(&mut op::Close::new(closing), cqe);
            peer.set_nonblocking(true).expect("non-blocking");
            let read = peer.read(&mut [0]);
            assert_eq!(read.is_err(), is_open);
            if is_open {
                // The kernel would have closed it.
                let answer = Cqe {
                    result: number,
                    ..cancelled
                };
                drop(answer.into_fd());
            }
        }
    });
}
