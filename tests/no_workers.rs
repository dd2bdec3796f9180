//! A process that may have no more threads, where the kernel has none to wait for what the ring cannot. The limit is the
//! process's own, so that this file has one test.

#![forbid(unsafe_code)]

mod common;

use std::fs::{Permissions, create_dir, remove_dir_all, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{connected, run};
use eyewall::Reactor;
use eyewall::net::{UnixDatagram, UnixListener, UnixStream};
use rlimit::Resource;
use rustix::process::{Uid, getuid};
use rustix::thread::set_thread_res_uid;

/// Lets this thread start no other, nor the kernel one for it; `false` where root cannot be limited.
fn forbid_threads() -> bool {
    // With none at all, an io_uring would wait for its workers for ever.
    rlimit::setrlimit(Resource::NPROC, 1, 1).unwrap();
    // The limit is none for root. Other threads keep the user.
    let nobody = Uid::from_raw(65534);
    let limited = !getuid().is_root() || set_thread_res_uid(nobody, nobody, nobody).is_ok();
    limited && eyewall::probe().ring.is_ok()
}

fn says_what_is_missing(error: &std::io::Error) {
    assert!(error.to_string().contains("ulimit -u"), "{error}");
}

async fn without_workers(directory: &Path) {
    // So it is: this, the kernel gives to a worker.
    let error = eyewall::fs::metadata("/").await.unwrap_err();
    says_what_is_missing(&error);

    let (mut stream, mut peer) = connected().await;
    stream.shutdown().await.unwrap();
    let received = std::io::copy(&mut peer, &mut std::io::sink());
    assert_eq!(received.unwrap(), 0, "the peer sees the end");

    let path = directory.join("datagrams");
    let socket = UnixDatagram::bind(&path).await.unwrap();
    assert_eq!(socket.local_addr().unwrap().as_pathname(), Some(&*path));
    let path = directory.join("listener");
    let mut listener = UnixListener::builder()
        .backlog(0)
        .bind(&path)
        .await
        .unwrap();
    let first = UnixStream::connect(&path).await.unwrap();
    // There is no room for this one.
    let error = UnixStream::connect(&path).await.unwrap_err();
    says_what_is_missing(&error);
    listener.accept().await.unwrap();
    drop(first);
    UnixStream::connect(&path).await.unwrap();
    let error = UnixDatagram::bind(&path).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn what_needs_no_thread_works_without_and_the_rest_says_what_is_missing() {
    let name = format!("eyewall-{}-no-workers", std::process::id());
    let directory = std::env::temp_dir().join(name);
    create_dir(&directory).unwrap();
    set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
    let inside = directory.clone();
    let thread = std::thread::spawn(move || {
        if !forbid_threads() {
            return eprintln!("root cannot be limited here, or nobody else have a ring");
        }
        run(&Reactor::new().unwrap(), without_workers(&inside));
    });
    let ended = thread.join();
    remove_dir_all(&directory).unwrap();
    ended.unwrap();
}
