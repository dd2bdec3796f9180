//! A file as a body.

use std::io;
use std::rc::Rc;

use futures_util::{Stream, stream};

use super::super::error::BoxError;
use crate::buf::Chunk;
use crate::fs::File;

/// How much of a file is read at a time.
const READ: u64 = 64 << 10;

/// How many bytes a file has; `None` for one that the kernel makes up while it is read.
pub(super) async fn length(file: &File) -> io::Result<Option<u64>> {
    let metadata = file.metadata().await?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "no regular file, and so without a length: send what is read from it by Body::stream or Body::producer",
        ));
    }
    match metadata.len() {
        0 => {
            let (count, _) = file.read_at(Vec::with_capacity(1), 0).await;
            Ok((count? == 0).then_some(0))
        }
        length => Ok(Some(length)),
    }
}

/// The first `length` bytes of a file; fewer if it is shorter.
pub(super) fn chunks(file: Rc<File>, length: u64) -> impl Stream<Item = Result<Chunk, BoxError>> {
    stream::try_unfold(0, move |offset| {
        let file = Rc::clone(&file);
        async move {
            // A rest is less than 64 KiB, which fits.
            let wanted = (length - offset).min(READ) as usize;
            if wanted == 0 {
                return Ok(None);
            }
            let (result, buffer) = file.read_at(Vec::with_capacity(wanted), offset).await;
            Ok(match result? {
                0 => None,
                count => Some((
                    Chunk::owned(buffer).slice_ref(..count.min(wanted)),
                    offset + count.min(wanted) as u64,
                )),
            })
        }
    })
}
