//! A file system of user space (FUSE) that is one file, and reads it when the test says so.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use rustix::process::{getgid, getuid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// How long a read waits for its answer, so that a test ends that is held up by it.
const PATIENCE: Duration = Duration::from_secs(20);

const SIZE: u64 = 1 << 20;

/// The mounted file. It is seen by the thread that has mounted it, and by those that this one starts.
pub(crate) struct SlowFile {
    path: PathBuf,
    asked: Receiver<()>,
    answers: Sender<&'static str>,
}

impl SlowFile {
    /// Mounts it on the file at `path`, or says why that cannot be done here.
    pub(crate) fn mount(path: &Path) -> Result<SlowFile, String> {
        let failed = |what| move |error| format!("{what}: {error}");
        let mut device = OpenOptions::new();
        let device = device.read(true).write(true).open("/dev/fuse");
        let device = device.map_err(|error| format!("/dev/fuse: {error}"))?;
        // SAFETY: threads share their descriptors still.
        let apart = unsafe { unshare_unsafe(UnshareFlags::NEWNS) };
        apart.map_err(failed("unshare"))?;
        // No mount of this thread's gets out.
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).map_err(failed("mount --make-rprivate /"))?;
        let (fd, uid, gid) = (device.as_raw_fd(), getuid().as_raw(), getgid().as_raw());
        let options = format!("fd={fd},rootmode=100000,user_id={uid},group_id={gid}");
        let options = CString::new(options).unwrap();
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("eyewall", path, "fuse", flags, &*options).map_err(failed("mount -t fuse"))?;
        let ((asking, asked), (answers, told)) = (channel(), channel());
        std::thread::spawn(move || serve(device, &asking, &told));
        let file = SlowFile {
            path: path.to_owned(),
            asked,
            answers,
        };
        // Until the kernel has asked, it is empty.
        assert_eq!(path.metadata().unwrap().len(), SIZE);
        Ok(file)
    }

    /// Whether a read has come that has not been told of yet.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.try_recv().is_ok()
    }

    /// Answers a read.
    pub(crate) fn answer(&self, content: &'static str) {
        self.answers.send(content).unwrap();
    }
}

impl Drop for SlowFile {
    fn drop(&mut self) {
        // With it ends whoever serves it.
        unmount(&self.path, UnmountFlags::DETACH).unwrap();
    }
}

// The requests of <linux/fuse.h> that a file is opened, read and closed with.
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const RELEASE: u32 = 18;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;

/// Every read waits for its answer: the cache has no part in it.
const FOPEN_DIRECT_IO: u32 = 1;
/// No close waits: one that ends the process would, for a thread that has ended.
const FOPEN_NOFLUSH: u32 = 1 << 5;

/// Answers what the kernel asks until the file is unmounted. Who then still waits is told so when `device` closes.
fn serve(mut device: File, asking: &Sender<()>, told: &Receiver<&'static str>) {
    let mut request = vec![0; 1 << 16];
    loop {
        match device.read(&mut request) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        }
        let opcode = u32::from_ne_bytes(request[4..8].try_into().unwrap());
        let answer = match opcode {
            INIT => Ok(init()),
            GETATTR => Ok(attributes()),
            OPEN => Ok(Out::default()
                .u64(0)
                .u32(FOPEN_DIRECT_IO | FOPEN_NOFLUSH)
                .u32(0)),
            READ => {
                // Who does not listen any more does not answer, either.
                let _ = asking.send(());
                let content = told.recv_timeout(PATIENCE).map_err(|_| libc::EIO);
                content.map(|content| Out(content.into()))
            }
            RELEASE => Ok(Out::default()),
            // They want no answer.
            FORGET | INTERRUPT => continue,
            _ => Err(libc::ENOSYS),
        };
        let (error, Out(body)) = match answer {
            Ok(body) => (0, body),
            Err(error) => (-error, Out::default()),
        };
        let Out(mut reply) = Out::default().u32(16 + body.len() as u32).u32(error as u32);
        reply.extend_from_slice(&request[8..16]); // which request it is
        reply.extend(body);
        // Nobody waits for one that has been interrupted.
        let _ = device.write(&reply);
    }
}

/// `fuse_init_out` of version 7.31.
fn init() -> Out {
    let out = Out::default().u32(7).u32(31).u32(0).u32(0);
    let max_write = 4096;
    let out = out.u32(0).u32(max_write).u32(1);
    (0..9).fold(out, |out, _| out.u32(0))
}

/// `fuse_attr_out`, valid for an hour.
fn attributes() -> Out {
    let out = Out::default().u64(3600).u32(0).u32(0);
    let (inode, blocks) = (1, 1);
    let out = out.u64(inode).u64(SIZE).u64(blocks).u64(0).u64(0).u64(0);
    let (mode, links, block) = (libc::S_IFREG | 0o644, 1, 4096);
    let out = out.u32(0).u32(0).u32(0).u32(mode).u32(links);
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    out.u32(uid).u32(gid).u32(0).u32(block).u32(0)
}

/// The bytes of an answer.
#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn u32(mut self, value: u32) -> Out {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Out {
        self.0.extend(value.to_ne_bytes());
        self
    }
}
