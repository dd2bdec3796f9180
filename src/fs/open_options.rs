//! How a file is opened.

use std::io;
use std::path::Path;
use std::rc::Rc;

use futures_util::future::{Either, select};

use super::{File, c_path};
use crate::op::{OpenAt, Poll, SharedFd};
use crate::reactor::Core;
use crate::ring::is_pipe;

/// How to open a file; as [`std::fs::OpenOptions`], over the ring.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("eyewall-open-{}", std::process::id()));
/// # eyewall::block_on(async {
/// use eyewall::fs::OpenOptions;
///
/// let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).await?;
/// file.write_all_at("secret", 0).await.0?;
/// # std::fs::remove_file(&path)
/// # })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options open nothing until `open` is called"]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
    custom_flags: i32,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions::new()
    }
}

impl OpenOptions {
    /// Everything off; new files get mode 0o666, less the umask.
    pub fn new() -> OpenOptions {
        OpenOptions {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: 0o666,
            custom_flags: 0,
        }
    }

    /// Open for reading.
    pub fn read(mut self, on: bool) -> OpenOptions {
        self.read = on;
        self
    }

    /// Open for writing.
    pub fn write(mut self, on: bool) -> OpenOptions {
        self.write = on;
        self
    }

    /// Every write goes to the end of the file, whatever offset it names (`O_APPEND`).
    pub fn append(mut self, on: bool) -> OpenOptions {
        self.append = on;
        self
    }

    /// Empty the file (`O_TRUNC`); needs [`write`](OpenOptions::write).
    pub fn truncate(mut self, on: bool) -> OpenOptions {
        self.truncate = on;
        self
    }

    /// Make the file if there is none (`O_CREAT`); needs writing or appending.
    pub fn create(mut self, on: bool) -> OpenOptions {
        self.create = on;
        self
    }

    /// Make the file; an error if there is one (`O_CREAT | O_EXCL`).
    pub fn create_new(mut self, on: bool) -> OpenOptions {
        self.create_new = on;
        self
    }

    /// The permissions of a file that is made, less the umask.
    pub fn mode(mut self, mode: u32) -> OpenOptions {
        self.mode = mode;
        self
    }

    /// Further flags of open(2), such as `libc::O_NOFOLLOW`. The access mode is not among them.
    pub fn custom_flags(mut self, flags: i32) -> OpenOptions {
        self.custom_flags = flags;
        self
    }

    /// Opens the file; a FIFO when its other end opens it. (Each open that waits for that takes one of 256 threads that the
    /// kernel has for the files of a reactor.) A device is opened as with `O_NONBLOCK`, if that means something to it.
    ///
    /// # Errors
    ///
    /// As open(2); `InvalidInput` for options that contradict each other.
    ///
    /// # Cancel safety
    ///
    /// A file that is opened for a dropped future is closed. It may have been made or emptied.
    #[doc(alias = "IORING_OP_OPENAT")]
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let core = Core::current()?;
        core.check_open()?;
        let flags = self.flags()?;
        let open = OpenAt {
            path: c_path(path.as_ref())?,
            flags,
            mode: self.mode,
            aside: false,
            beside: None,
        };
        let (fd, open) = core.submit(open).await;
        let aside = OpenAt {
            aside: true,
            ..*open
        };
        let waits = flags & libc::O_NONBLOCK == 0;
        let fd = match fd {
            // Nobody reads the FIFO yet.
            Err(error) if waits && error.raw_os_error() == Some(libc::ENXIO) => {
                core.share_file(core.explained(core.submit(aside).await.0)?)
            }
            Err(error) => return core.explained(Err(error)),
            Ok(fd) => {
                let fd = core.share_file(fd);
                let reads = flags & libc::O_ACCMODE == libc::O_RDONLY;
                if waits && reads && is_pipe(&fd) {
                    core.explained(until_written(&core, &fd, aside).await)?;
                }
                fd
            }
        };
        Ok(File::new(&core, fd))
    }

    fn flags(&self) -> io::Result<i32> {
        let invalid = |message| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        let writes = self.write || self.append;
        let access = match (self.read, writes) {
            (true, false) => libc::O_RDONLY,
            (false, true) => libc::O_WRONLY,
            (true, true) => libc::O_RDWR,
            (false, false) => return invalid("a file is opened to read, write or append"),
        };
        if self.truncate && (!self.write || self.append) {
            return invalid("truncate needs write, and contradicts append");
        }
        if (self.create || self.create_new) && !writes {
            return invalid("create needs write or append");
        }
        let mut flags = access | (self.custom_flags & !libc::O_ACCMODE);
        for (on, flag) in [
            (self.append, libc::O_APPEND),
            (self.truncate, libc::O_TRUNC),
            (self.create, libc::O_CREAT),
            (self.create_new, libc::O_CREAT | libc::O_EXCL),
        ] {
            if on {
                flags |= flag;
            }
        }
        Ok(flags)
    }
}

/// Waits until a FIFO that has been opened for reading has, or has had, somebody who writes to it. Another open of it says
/// so, which does wait; or, where that one is too late, what has been written, or the end of who has.
async fn until_written(core: &Rc<Core>, fd: &SharedFd, aside: OpenAt) -> io::Result<()> {
    let poll = Poll {
        fd: fd.clone(),
        events: libc::POLLIN,
    };
    // Who has closed the file must not find it open still: what is then written would be lost with it.
    let aside = OpenAt {
        beside: Some(fd.clone()),
        ..aside
    };
    // In this order, since the poll alone, in a full table, would keep the other from its slot.
    let (opening, polling) = (core.submit(aside), core.submit(poll));
    match select(opening, polling).await {
        Either::Left(((Ok(_), _), _)) => Ok(()),
        Either::Left(((Err(error), _), polling)) => match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ECANCELED) => Err(error),
            // Its path may have gone meanwhile.
            _ => polling.await.0.map(drop),
        },
        Either::Right(((polled, _), _)) => polled.map(drop),
    }
}
