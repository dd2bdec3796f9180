//! The standard input and the standard error where they are read and written at once: also where others have made the
//! terminal or the pipe non-blocking that they share with this program.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};

/// The standard input to its end.
pub(crate) fn input() -> io::Result<Vec<u8>> {
    let mut input = io::stdin().lock();
    let mut bytes = Vec::new();
    loop {
        // What came before an error is in there.
        match input.read_to_end(&mut bytes) {
            Ok(_) => return Ok(bytes),
            Err(error) if waits(&error, &input, PollFlags::IN) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes `text` to the standard error. Nobody can be told that nobody listens.
pub(crate) fn say(text: &str) {
    let mut output = io::stderr().lock();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(0) => return,
            Ok(count) => rest = &rest[count..],
            Err(error) if waits(&error, &output, PollFlags::OUT) => {}
            Err(_) => return,
        }
    }
}

/// Waits where that is all that is wrong, so that it is to be tried again.
fn waits(error: &io::Error, whom: &impl AsFd, events: PollFlags) -> bool {
    match error.kind() {
        io::ErrorKind::WouldBlock => poll(&mut [PollFd::new(whom, events)], None).is_ok(),
        kind => kind == io::ErrorKind::Interrupted,
    }
}
