//! What a signal does: its handler writes to a socket.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use signal_hook::SigId;
use signal_hook::low_level::register;

/// Writes a byte to `socket` for each arrival of `signal` in this process, until it is unregistered.
pub(crate) fn on_signal(signal: i32, socket: UnixStream) -> io::Result<SigId> {
    let process = std::process::id();
    let note = move || {
        // Until it calls execve(2), a child of fork(2) has the handler too, and the other end is its parent's. (Where both
        // are the first of a PID namespace each, they have one number, and the child's are heard.)
        if std::process::id() == process {
            let byte: *const u8 = b"X".as_ptr();
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            // A socket that is full says as much.
            // SAFETY: the pointer leads to one byte, and the descriptor is open as long as this closure lives.
            unsafe { libc::send(socket.as_raw_fd(), byte.cast(), 1, flags) };
        }
    };
    // SAFETY: getpid(2) and send(2) may be called in the handler of a signal (signal-safety(7)), and nothing else is.
    unsafe { register(signal, note) }
}
