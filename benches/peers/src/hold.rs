//! Clients that hold idle connections, so that their memory can be measured.
//!
//! The number of connections that are wanted comes on standard input. A client makes some requests at once, so that
//! each has a connection of its own, and reads all the responses; then it does the same with the next host, where it
//! finds no idle connection to use. So it never has many requests at a time, which would leave holes in its memory.

use std::io::{self, Write};
use std::ops::Range;
use std::time::Duration;

use crate::process;

/// How many connections each host gets.
pub const AT_A_TIME: usize = 250;

/// What a client still does after the last response, before its memory is measured.
pub const SETTLE: Duration = Duration::from_millis(300);

/// The numbers of connections that are wanted, one after the other.
pub fn wanted() -> impl Iterator<Item = io::Result<usize>> {
    let lines = io::stdin().lines();
    lines.map(|line| line?.trim().parse().map_err(io::Error::other))
}

/// The URLs to be fetched [`AT_A_TIME`] times each, so that there are so many connections more. The host of `url` is
/// the first of all, 127.0.0.1.
pub fn urls(url: &str, connections: Range<usize>) -> impl Iterator<Item = String> {
    let hosts = connections.start / AT_A_TIME..connections.end / AT_A_TIME;
    hosts.map(|host| url.replacen("127.0.0.1", &format!("127.0.0.{}", host + 1), 1))
}

/// Prints what memory this process has in use with so many connections, as a line of JSON: that of the process
/// (RSS), without pages that the allocator only keeps for later, and what has been allocated and not freed.
pub fn report(connections: usize) -> io::Result<()> {
    let open = std::fs::read_dir("/proc/self/fd")?.count();
    if open < connections {
        return Err(io::Error::other(format!(
            "{open} descriptors are open, for {connections} connections"
        )));
    }
    // SAFETY: both only look at the allocator's own state, or change it.
    let info = unsafe {
        libc::malloc_trim(0);
        libc::mallinfo2()
    };
    let line = serde_json::json!({
        "rss": process::resident(std::process::id())?,
        "heap": info.uordblks + info.hblkhd,
    });
    println!("{line}");
    io::stdout().flush()
}
