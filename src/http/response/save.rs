//! The body of a response, straight to a file.

use futures_util::future::{FutureExt, try_join};

use super::Response;
use super::reply::Broken;
use crate::fs::File;
use crate::http::error::{Error, ErrorKind};

/// Writes the body to `file`, from `start` on; gives its length.
///
/// The next part is received while the one before is being written. A write that fails does not wait for that part,
/// which may be long in coming; a part that fails waits for the write, so that the file is at rest afterwards.
pub(super) async fn save(response: &mut Response, file: &File, start: u64) -> Result<u64, Error> {
    let mut offset = start;
    let mut next = response.chunk().await?;
    while let Some(chunk) = next {
        response.reply.broken = Some(Broken::Torn);
        let length = chunk.len() as u64;
        let writing = file.write_all_at(chunk, offset).map(|(written, _)| written);
        let received = match try_join(writing, response.next_chunk().map(Ok)).await {
            Ok(((), received)) => received,
            Err(error) => return Err(response.fail(Error::io(ErrorKind::Save, error))),
        };
        offset += length;
        next = received?;
    }
    response.reply.broken = None;
    Ok(offset - start)
}
