//! The body of a response, straight to a file.

use futures_util::future::join;

use super::Response;
use crate::fs::File;
use crate::http::error::{Error, ErrorKind};

/// Writes the body to `file`, from `start` on; gives its length.
///
/// The next part is received while the one before is being written.
pub(super) async fn save(response: &mut Response, file: &File, start: u64) -> Result<u64, Error> {
    let mut offset = start;
    let mut next = response.chunk().await?;
    while let Some(chunk) = next {
        let length = chunk.len() as u64;
        let ((written, _), received) =
            join(file.write_all_at(chunk, offset), response.chunk()).await;
        if let Err(error) = written {
            return Err(response.fail(Error::io(ErrorKind::Save, error)));
        }
        offset += length;
        next = received?;
    }
    Ok(offset - start)
}
