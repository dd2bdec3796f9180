//! Where the body of a transfer goes: a file, written over the ring, or the standard output.

use std::path::{Path, PathBuf};

use eyewall::buf::IoBuf;
use eyewall::fs::File;

use crate::code::{self, Failure};
use crate::stdout::Stdout;

pub(crate) enum Output<'a> {
    Stdout {
        stdout: &'a Stdout,
        /// Of the transfer.
        number: usize,
        /// It is a terminal, and nobody has said that it may get what is no text.
        text_only: bool,
    },
    File {
        path: PathBuf,
        /// Make its directory if there is none.
        make_directory: bool,
        /// Opened with the first byte: a fetch that fails before leaves what was there.
        file: Option<File>,
        written: u64,
    },
}

impl Output<'_> {
    pub(crate) async fn write<B: IoBuf + AsRef<[u8]>>(&mut self, bytes: B) -> Result<(), Failure> {
        if let Output::Stdout { stdout, number, .. } = self {
            let result = stdout.write(*number, bytes).await;
            return result.map_err(|error| Failure::write(&error));
        }
        self.open().await?;
        let Output::File {
            path,
            file: Some(file),
            written,
            ..
        } = self
        else {
            return Ok(());
        };
        let count = bytes.bytes_len() as u64;
        let (result, _) = file.write_all_at(bytes, *written).await;
        *written += count;
        result.map_err(|error| cannot_write(path, &error))
    }

    /// Refuses a body that begins with `bytes`, if it is not for whom it goes to.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Output::Stdout {
                text_only: true, ..
            } if bytes.contains(&0) => Err(Failure::new(
                code::WRITE_ERROR,
                "the body is no text, and could do harm to the terminal: say -o FILE, or -o - to see it",
            )),
            _ => Ok(()),
        }
    }

    /// The body has come to its end, well or not. A file is made for an empty one, too.
    pub(crate) async fn finish(mut self, well: bool) -> Result<(), Failure> {
        if well {
            self.open().await?;
        }
        match self {
            Output::File {
                path,
                file: Some(file),
                ..
            } => {
                let closed = file.close().await;
                closed.map_err(|error| cannot_write(&path, &error))
            }
            _ => Ok(()),
        }
    }

    async fn open(&mut self) -> Result<(), Failure> {
        let Output::File {
            path,
            make_directory,
            file: file @ None,
            ..
        } = self
        else {
            return Ok(());
        };
        if *make_directory && let Some(directory) = path.parent() {
            let directory = directory.to_path_buf();
            let made = eyewall::spawn_blocking(move || std::fs::create_dir_all(directory)).await;
            if let Ok(Err(error)) = made {
                return Err(cannot_write(path, &error));
            }
        }
        let opened = File::create(&*path).await;
        *file = Some(opened.map_err(|error| cannot_write(path, &error))?);
        Ok(())
    }
}

pub(crate) fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot write {}: {error}", path.display());
    Failure::new(code::WRITE_ERROR, message)
}
