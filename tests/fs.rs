//! Files over the ring.

mod fuse;
mod setups;

use std::future::poll_fn;
use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use eyewall::buf::IoBuf;
use eyewall::fs::{self, File, OpenOptions};
use eyewall::net::UnixStream;
use fuse::SlowFile;
use futures_util::FutureExt;

/// Descriptors are counted, so that one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A path in a directory of its own, which goes with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let directory = std::env::temp_dir().join(format!("eyewall-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Scratch(directory)
    }

    fn file(&self) -> PathBuf {
        self.0.join("file")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn what_is_written_is_read() {
    let _alone = alone();
    let scratch = Scratch::new("roundtrip");
    let data: Vec<u8> = (0..300_000u32).map(|at| ((at * 7) >> 3) as u8).collect();
    eyewall::block_on(async {
        let (result, data) = fs::write(scratch.file(), data).await;
        result.unwrap();
        assert!(fs::read(scratch.file()).await.unwrap() == data);
        let file = File::open(scratch.file()).await.unwrap();
        let (result, part) = file.read_at(Vec::with_capacity(10), 1000).await;
        assert_eq!(result.unwrap(), 10);
        assert_eq!(part, data[1000..1010]);
        let (result, _) = file.read_at(Vec::with_capacity(10), 300_000).await;
        assert_eq!(result.unwrap(), 0);
        file.close().await.unwrap();
    })
    .unwrap();
}

#[test]
fn a_file_in_proc_says_nothing_of_its_size() {
    let _alone = alone();
    let read = eyewall::block_on(fs::read("/proc/self/status"))
        .unwrap()
        .unwrap();
    assert!(String::from_utf8(read).unwrap().contains("Name:"));
}

/// What the kernel makes anew for each read, it gives to the first alone.
#[test]
fn a_file_that_is_read_at_once_or_not_at_all_is_read_whole() {
    let _alone = alone();
    let number = "/proc/sys/kernel/pid_max";
    let read = eyewall::block_on(fs::read(number)).unwrap().unwrap();
    assert_eq!(read, std::fs::read(number).unwrap());
    assert!(read.capacity() < 100, "the room for more has gone");
    let uuid = eyewall::block_on(fs::read("/proc/sys/kernel/random/uuid"));
    assert_eq!(uuid.unwrap().unwrap().len(), 37);
}

/// The list of the ports that are reserved is longer than a page.
#[test]
fn what_is_read_at_once_or_not_at_all_is_read_whole_if_it_is_long() {
    let _alone = alone();
    let name = "what_is_read_at_once_or_not_at_all_is_read_whole_if_it_is_long";
    setups::in_own_network(name, || {
        let ports = "/proc/sys/net/ipv4/ip_local_reserved_ports";
        let mut file = std::fs::OpenOptions::new().write(true).open(ports).unwrap();
        let mut all = Vec::new();
        for first in [10_000, 11_000] {
            let more = (first..first + 1000).step_by(2);
            let more: Vec<_> = more.map(|port: u32| port.to_string()).collect();
            // What is written behind the start is reserved as well.
            file.write_all(more.join(",").as_bytes()).unwrap();
            all.extend(more);
        }
        let all = all.join(",") + "\n";
        let read = eyewall::block_on(fs::read(ports)).unwrap().unwrap();
        assert!(read == all.as_bytes(), "{} of {}", read.len(), all.len());
    });
}

#[test]
fn a_file_that_no_memory_holds_is_an_error() {
    let _alone = alone();
    // Here a file may be as long as its length can say. All of it is a hole.
    let path = PathBuf::from(format!("/dev/shm/eyewall-{}-hole", std::process::id()));
    for len in [1 << 62, i64::MAX as u64] {
        let file = std::fs::File::create(&path).unwrap();
        let made = file.set_len(len);
        let read = eyewall::block_on(fs::read(&path)).unwrap();
        std::fs::remove_file(&path).unwrap();
        made.unwrap();
        let error = read.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory);
        assert!(error.to_string().contains("read_at"), "{error}");
    }
}

/// The kernel takes no more than 2 GiB at once.
#[test]
#[cfg(target_pointer_width = "64")]
fn what_is_too_long_for_one_write_is_written_in_several() {
    let _alone = alone();
    // Memory that nobody touches.
    let bytes = vec![0; (1 << 31) + 1];
    eyewall::block_on(async {
        let null = OpenOptions::new().write(true).open("/dev/null").await;
        let null = null.unwrap();
        let sqes = || eyewall::reactor::metrics().unwrap().sqes;
        let before = sqes();
        let (result, bytes) = null.write_all_at(bytes, 5).await;
        result.unwrap();
        assert_eq!((bytes.len(), sqes() - before), ((1 << 31) + 1, 2));
    })
    .unwrap();
}

#[test]
fn options_and_their_contradictions() {
    let _alone = alone();
    let scratch = Scratch::new("options");
    eyewall::block_on(async {
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600);
        let file = new.open(scratch.file()).await.unwrap();
        file.write_all_at("0123456789", 0).await.0.unwrap();
        file.write_all_at("ab".to_owned().slice(1..), 3)
            .await
            .0
            .unwrap();
        file.sync_data().await.unwrap();
        file.sync_all().await.unwrap();
        drop(file);
        assert_eq!(fs::read(scratch.file()).await.unwrap(), b"012b456789");
        let error = new.open(scratch.file()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);

        let append = OpenOptions::new()
            .append(true)
            .open(scratch.file())
            .await
            .unwrap();
        append.write_all_at("!", 0).await.0.unwrap();
        let metadata = append.metadata().await.unwrap();
        assert_eq!(metadata.len(), 11);
        assert!(metadata.is_file() && !metadata.is_dir());
        assert_eq!(metadata.mode() & 0o777, 0o600);
        assert!(metadata.modified() <= SystemTime::now());
        let std = std::fs::metadata(scratch.file()).unwrap();
        assert_eq!(metadata.mode(), std.permissions().mode());
        assert_eq!(metadata.modified(), std.modified().unwrap());
        // Which std does not ask for with every libc.
        if let Ok(created) = std.created() {
            assert_eq!(metadata.created(), Some(created));
        }
        assert_eq!(metadata.accessed(), std.accessed().unwrap());
        assert!(fs::metadata(&scratch.0).await.unwrap().is_dir());
        // Where nothing has been made.
        assert_eq!(fs::metadata("/proc").await.unwrap().created(), None);

        for contradiction in [
            OpenOptions::new(),
            OpenOptions::new().read(true).truncate(true),
            OpenOptions::new().append(true).truncate(true),
            OpenOptions::new().read(true).create(true),
        ] {
            let error = contradiction.open(scratch.file()).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        }
        let error = File::open("a\0b").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        let null = File::open("/dev/null").await.unwrap();
        for result in [null.sync_all().await, null.sync_data().await] {
            assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
        }
        let sqes = || eyewall::reactor::metrics().unwrap().sqes;
        let (nothing, before) = (scratch.0.join("nothing"), sqes());
        let error = File::open(&nothing).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        let error = fs::metadata(&nothing).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        // Each asks once, and so does the open of what is no FIFO.
        let file = File::open(scratch.file()).await.unwrap();
        assert_eq!(sqes(), before + 3);
        drop(file);
        let file = File::open(scratch.file()).await.unwrap();
        let (result, _) = file.read_at(vec![0; 1], u64::MAX).await;
        assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
        let (result, _) = file.read_at(Vec::new(), 0).await;
        assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    })
    .unwrap();
}

/// A file that is a socket, of which nothing comes, and another descriptor of the same.
fn silent_file() -> (File, net::UnixStream, net::UnixStream) {
    let (ours, theirs) = net::UnixStream::pair().unwrap();
    let twin = ours.try_clone().unwrap();
    let file = File::from_std(OwnedFd::from(ours).into()).unwrap();
    (file, twin, theirs)
}

/// The close of a twin of its descriptor ends what is in flight on a socket.
#[test]
fn what_the_kernel_gives_up_says_why_that_may_be() {
    let _alone = alone();
    eyewall::block_on(async {
        let (file, twin, _theirs) = silent_file();
        let twin = UnixStream::from_std(twin).unwrap();
        let mut reading = pin!(file.read_at(vec![0; 1], 0));
        assert!(poll_with_turns(reading.as_mut(), 5).await.is_pending());
        twin.close().await.unwrap();
        let error = reading.await.0.unwrap_err();
        assert!(error.to_string().contains("ulimit -u"), "{error}");
    })
    .unwrap();
}

#[test]
fn what_a_shutdown_cancels_says_no_more_than_that() {
    let _alone = alone();
    let reactor = eyewall::Reactor::new().unwrap();
    let reading = reactor.block_on(async {
        let (file, _twin, theirs) = silent_file();
        let mut reading = Box::pin(async move { file.read_at(vec![0; 1], 0).await.0 });
        assert!(poll_with_turns(reading.as_mut(), 5).await.is_pending());
        (reading, theirs)
    });
    let (reading, _theirs) = reading.unwrap();
    assert_eq!(reactor.shutdown(Duration::from_secs(10)).cancelled, 1);
    let error = reading.now_or_never().unwrap().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
}

/// How many threads of this process the kernel has made for its rings.
fn workers() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")));
    names
        .filter(|name| name.as_ref().is_ok_and(|name| name.starts_with("iou-wrk")))
        .count()
}

#[test]
fn a_worker_reads_what_may_be_waited_for_and_nothing_else() {
    let _alone = alone();
    let name = "a_worker_reads_what_may_be_waited_for_and_nothing_else";
    setups::in_own_process(name, || {
        eyewall::block_on(async {
            let (file, _twin, mut theirs) = silent_file();
            theirs.write_all(b"x").unwrap();
            assert_eq!(file.read_at(vec![0; 1], 0).await.0.unwrap(), 1);
            assert_eq!(workers(), 0);
            // It can be polled, which says that there is something.
            let made = std::fs::File::open("/proc/sys/kernel/pid_max").unwrap();
            let made = File::from_std(made).unwrap();
            assert_ne!(made.read_at(vec![0; 8], 0).await.0.unwrap(), 0);
            assert_eq!(workers(), 1);
        })
        .unwrap();
    });
}

/// Polls `future` until it is ready, in so many turns of the reactor.
async fn poll_with_turns<F: Future>(mut future: Pin<&mut F>, turns: usize) -> Poll<F::Output> {
    for _ in 0..turns {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if polled.is_ready() {
            return polled;
        }
        eyewall::yield_now().await;
    }
    Poll::Pending
}

/// Polls `future` once, takes `turns` turns of the reactor, and drops it.
async fn drop_after<F: Future>(future: F, turns: usize) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
    for _ in 0..turns {
        eyewall::yield_now().await;
    }
}

/// A FIFO at the path of `scratch`.
fn fifo(scratch: &Scratch) -> PathBuf {
    let path = scratch.file();
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    path
}

/// Opens the FIFO as whoever has the other end does.
fn other_end(
    path: &Path,
    options: &std::fs::OpenOptions,
) -> eyewall::task::BlockingTask<std::fs::File> {
    let (path, options) = (path.to_owned(), options.clone());
    eyewall::spawn_blocking(move || options.open(path).unwrap())
}

async fn until_nothing_is_in_flight() {
    while eyewall::reactor::metrics().unwrap().operations > 0 {
        eyewall::yield_now().await;
    }
}

#[test]
fn a_dropped_call_leaves_no_descriptor_behind() {
    let _alone = alone();
    let scratch = Scratch::new("dropped");
    let path = scratch.file();
    std::fs::write(&path, "content").unwrap();
    eyewall::block_on(async {
        let before = open_fds();
        // 0: staged. 1: in the kernel. 5: its completion is there.
        for turns in [0, 1, 5] {
            drop_after(File::open(&path), turns).await;
            drop_after(fs::metadata(&path), turns).await;
            drop_after(fs::read(&path), turns).await;
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(&path)
                .await
                .unwrap();
            drop_after(file.read_at(vec![0; 100], 0), turns).await;
            drop_after(file.write_at("CONTENT", 0), turns).await;
            drop_after(file.sync_all(), turns).await;
            drop_after(file.metadata(), turns).await;
            drop_after(file.close(), turns).await;
            until_nothing_is_in_flight().await;
            assert_eq!(open_fds(), before, "after {turns} turns");
        }
        let metrics = eyewall::reactor::metrics().unwrap();
        assert_eq!(metrics.stale, 0);
    })
    .unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"CONTENT");
}

#[test]
fn a_file_that_outlives_its_reactor_says_so() {
    let _alone = alone();
    let file = eyewall::block_on(File::open("/dev/null")).unwrap().unwrap();
    let error = eyewall::block_on(async { file.metadata().await })
        .unwrap()
        .unwrap_err();
    assert!(error.to_string().contains("shut down"), "{error}");
}

#[test]
fn a_fifo_opens_when_its_other_end_does() {
    let _alone = alone();
    let scratch = Scratch::new("fifo");
    let path = fifo(&scratch);
    let (reads, writes) = (
        std::fs::OpenOptions::new().read(true).clone(),
        std::fs::OpenOptions::new().write(true).clone(),
    );
    eyewall::block_on(async {
        // A writer that says nothing yet.
        let mut open = pin!(File::open(&path));
        assert!(poll_with_turns(open.as_mut(), 5).await.is_pending());
        let mut writer = other_end(&path, &writes).await.unwrap();
        let file = open.await.unwrap();
        let mut read = Box::pin(file.read_at(Vec::with_capacity(9), 0));
        assert!(poll_with_turns(read.as_mut(), 5).await.is_pending());
        writer.write_all(b"one").unwrap();
        let (count, bytes) = read.await;
        assert_eq!((count.unwrap(), &bytes[..]), (3, &b"one"[..]));
        drop(writer);
        file.close().await.unwrap();
        // One that has gone when it is seen.
        for _ in 0..200 {
            let gives = writes.clone();
            let from = path.clone();
            let written = eyewall::spawn_blocking(move || gives.open(from)?.write_all(b"two"));
            let file = File::open(&path).await.unwrap();
            let (count, bytes) = file.read_at(Vec::with_capacity(9), 0).await;
            assert_eq!((count.unwrap(), &bytes[..]), (3, &b"two"[..]));
            // What the next one wrote to this reader would go with it.
            file.close().await.unwrap();
            written.await.unwrap().unwrap();
        }
        // A reader.
        let options = OpenOptions::new().write(true);
        let mut open = pin!(options.open(&path));
        assert!(poll_with_turns(open.as_mut(), 5).await.is_pending());
        let mut reader = other_end(&path, &reads).await.unwrap();
        let file = open.await.unwrap();
        file.write_all_at("three", 0).await.0.unwrap();
        file.close().await.unwrap();
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"three");
        drop(reader);
        // Who does not want to wait.
        let now = options.clone().custom_flags(libc::O_NONBLOCK);
        let error = now.open(&path).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENXIO));
        let now = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK);
        let file = now.open(&path).await.unwrap();
        let (count, _) = file.read_at(vec![0; 9], 0).await;
        assert_eq!(count.unwrap(), 0);
        // The end of a pipe that has a path is no FIFO.
        let (_reader, writer) = std::io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
        let both = OpenOptions::new().read(true);
        both.open(path).await.unwrap();
    })
    .unwrap();
}

/// Who shares a terminal or a pipe with others may find that one of them has made it so.
#[test]
fn what_somebody_has_made_non_blocking_is_waited_for() {
    let _alone = alone();
    let scratch = Scratch::new("fifo-now");
    let path = fifo(&scratch);
    eyewall::block_on(async {
        // Who has both ends of a FIFO waits for nobody to open it.
        let mut both = std::fs::OpenOptions::new();
        both.read(true).write(true);
        let mut other = both.open(&path).unwrap();
        let file = both.custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        let file = File::from_std(file).unwrap();

        let mut read = Box::pin(file.read_at(Vec::with_capacity(9), 0));
        assert!(poll_with_turns(read.as_mut(), 5).await.is_pending());
        other.write_all(b"one").unwrap();
        let (count, bytes) = read.await;
        assert_eq!((count.unwrap(), &bytes[..]), (3, &b"one"[..]));

        let mut read = Box::pin(file.read_at(Vec::with_capacity(9), 0));
        assert!(poll_with_turns(read.as_mut(), 5).await.is_pending());
        drop(read);
        until_nothing_is_in_flight().await;

        // More than finds room.
        let reader = eyewall::spawn_blocking(move || {
            let mut bytes = vec![0; 1 << 20];
            other.read_exact(&mut bytes).map(|()| bytes)
        });
        file.write_all_at(vec![7; 1 << 20], 0).await.0.unwrap();
        let bytes = reader.await.unwrap().unwrap();
        assert!(bytes.iter().all(|byte| *byte == 7));
    })
    .unwrap();
}

/// A length that a file does not say, or that is no longer true, is no bound.
#[test]
fn a_fifo_is_read_to_its_end() {
    let _alone = alone();
    let scratch = Scratch::new("fifo-read");
    let path = fifo(&scratch);
    let text: Vec<u8> = (0..100_000u32).map(|at| ((at * 7) >> 3) as u8).collect();
    let (to, written) = (path.clone(), text.clone());
    let writer = std::thread::spawn(move || std::fs::write(to, written));
    assert!(eyewall::block_on(fs::read(path)).unwrap().unwrap() == text);
    writer.join().unwrap().unwrap();
}

#[test]
fn a_process_that_was_stopped_goes_on_to_wait_for_the_other_end() {
    let _alone = alone();
    let (to_read, to_write) = (Scratch::new("stopped-read"), Scratch::new("stopped-write"));
    let (to_read, to_write) = (fifo(&to_read), fifo(&to_write));
    let (reads, writes) = (
        std::fs::OpenOptions::new().read(true).clone(),
        std::fs::OpenOptions::new().write(true).clone(),
    );
    eyewall::block_on(async {
        let write = OpenOptions::new().write(true);
        let (mut reading, mut writing) = (pin!(File::open(&to_read)), pin!(write.open(&to_write)));
        for _ in 0..3 {
            assert!(poll_with_turns(reading.as_mut(), 50).await.is_pending());
            assert!(poll_with_turns(writing.as_mut(), 50).await.is_pending());
            let stop = eyewall::spawn_blocking(|| {
                let script = "kill -STOP $0; until grep -q '^State:.T' /proc/$0/status; do :; done; kill -CONT $0";
                let us = std::process::id().to_string();
                std::process::Command::new("sh").args(["-c", script, &us]).status()
            });
            assert!(stop.await.unwrap().unwrap().success());
        }
        assert!(poll_with_turns(reading.as_mut(), 50).await.is_pending());
        assert!(poll_with_turns(writing.as_mut(), 50).await.is_pending());
        // They say nothing, so that only their opening tells of them.
        let writer = other_end(&to_read, &writes).await.unwrap();
        let reader = other_end(&to_write, &reads).await.unwrap();
        reading.await.unwrap();
        writing.await.unwrap();
        drop((writer, reader));
    })
    .unwrap();
}

#[test]
fn a_fifo_that_nobody_else_opens_can_be_given_up() {
    let _alone = alone();
    let scratch = Scratch::new("lonely");
    let path = fifo(&scratch);
    let before = open_fds();
    let reactor = eyewall::Reactor::new().unwrap();
    let idle = open_fds();
    let write = OpenOptions::new().write(true);
    reactor
        .block_on(async {
            for turns in [0, 1, 5, 50] {
                drop_after(File::open(&path), turns).await;
                drop_after(write.open(&path), turns).await;
                until_nothing_is_in_flight().await;
                assert_eq!(open_fds(), idle, "after {turns} turns");
            }
            let (read_from, write_to) = (path.clone(), path.clone());
            eyewall::spawn(async move { File::open(read_from).await.map(drop) }).detach();
            eyewall::spawn(async move { write.open(write_to).await.map(drop) }).detach();
            for _ in 0..50 {
                eyewall::yield_now().await;
            }
        })
        .unwrap();
    let report = reactor.shutdown(Duration::from_secs(5));
    assert_eq!(report.leaked, 0);
    assert_eq!(open_fds(), before);
}

#[test]
fn opens_that_wait_do_not_hold_up_the_others() {
    let _alone = alone();
    for sq_entries in [2, 128] {
        let reactor = eyewall::Reactor::builder().sq_entries(sq_entries);
        let reactor = reactor.build().unwrap();
        let scratches: Vec<_> = (0..20)
            .map(|n| Scratch::new(&format!("waits-{n}")))
            .collect();
        reactor
            .block_on(async {
                for scratch in &scratches {
                    let path = fifo(scratch);
                    eyewall::spawn(async move { File::open(path).await.map(drop) }).detach();
                }
                for _ in 0..50 {
                    eyewall::yield_now().await;
                }
                let read = fs::read("/proc/self/status");
                let read = eyewall::time::timeout(Duration::from_secs(20), read).await;
                read.expect("nothing holds it up").unwrap();
            })
            .unwrap();
        assert_eq!(reactor.shutdown(Duration::from_secs(5)).leaked, 0);
    }
}

/// Linux 6.10 and later would wait for it where the read is submitted.
#[test]
fn a_file_system_of_user_space_that_holds_a_read_back_holds_up_nobody() {
    let _alone = alone();
    let scratch = Scratch::new("fuse");
    let path = scratch.file();
    std::fs::write(&path, "").unwrap();
    let read_slowly = move || {
        let slow = match SlowFile::mount(&path) {
            Ok(slow) => slow,
            Err(reason) => return println!("not tested, since nothing can be mounted: {reason}"),
        };
        eyewall::block_on(async move {
            let file = File::open(&path).await.unwrap();
            // No more than comes: the kernel asks for the rest, too.
            let mut read = Box::pin(file.read_at(Vec::with_capacity(4), 0));
            while !slow.is_asked() {
                assert!(poll_with_turns(read.as_mut(), 1).await.is_pending());
            }
            let other = eyewall::spawn(eyewall::time::sleep(Duration::from_millis(1)));
            other.await.unwrap();
            assert!(poll_with_turns(read.as_mut(), 5).await.is_pending());
            slow.answer("slow");
            let (count, bytes) = read.await;
            assert_eq!((count.unwrap(), &bytes[..]), (4, &b"slow"[..]));
            file.close().await.unwrap();
            assert!(!slow.is_asked(), "it has been read once");
        })
        .unwrap();
    };
    // What is mounted there goes with the thread.
    std::thread::spawn(read_slowly).join().unwrap();
}

/// The system tells what it could not write once, and the one that it tells may be nobody any more.
#[test]
fn the_error_of_a_dropped_sync_is_given_by_the_next() {
    let _alone = alone();
    let scratch = Scratch::new("sync");
    eyewall::block_on(async {
        // What cannot be synced at all; later the same descriptor is that of a file that can.
        let file = File::open("/dev/null").await.unwrap();
        // SAFETY: the file keeps its descriptor open, and closes it alone.
        let descriptor = unsafe { OwnedFd::from_raw_fd(file.as_raw_fd()) };
        let mut descriptor = ManuallyDrop::new(descriptor);
        for _ in 0..2 {
            drop_after(file.sync_all(), 1).await;
        }
        until_nothing_is_in_flight().await;
        let other = std::fs::File::create(scratch.file()).unwrap();
        rustix::io::dup2(other, &mut descriptor).unwrap();
        let error = file.sync_data().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        // Both have been told of by that.
        file.sync_data().await.unwrap();
        file.close().await.unwrap();
    })
    .unwrap();
}
