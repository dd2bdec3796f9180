//! Where the body goes: a file, written over the ring, or the standard output.

use std::io::{IsTerminal, Write};

use eyewall::buf::IoBuf;
use eyewall::fs::File;
use indicatif::{ProgressBar, ProgressStyle};

use crate::Failure;
use crate::args::Args;

pub(crate) enum Output {
    /// Written without waiting for the ring: nothing else runs here that a slow reader could hold up.
    Stdout,
    File {
        file: File,
        written: u64,
        bar: Option<ProgressBar>,
    },
}

impl Output {
    /// Opens `path`; the standard output for none. `size` is for the progress bar.
    pub(crate) async fn open(
        args: &Args,
        path: Option<&str>,
        size: Option<u64>,
    ) -> Result<Output, Failure> {
        let Some(path) = path else {
            return Ok(Output::Stdout);
        };
        let file = File::create(path)
            .await
            .map_err(|error| Failure::write(&error))?;
        let bar = (!args.silent && std::io::stderr().is_terminal()).then(|| progress(size));
        Ok(Output::File {
            file,
            written: 0,
            bar,
        })
    }

    pub(crate) async fn write<B: IoBuf + AsRef<[u8]>>(&mut self, bytes: B) -> Result<(), Failure> {
        match self {
            Output::Stdout => std::io::stdout().write_all(bytes.as_ref()),
            Output::File { file, written, bar } => {
                let count = bytes.bytes_len() as u64;
                let (result, _) = file.write_all_at(bytes, *written).await;
                *written += count;
                if let Some(bar) = bar {
                    bar.inc(count);
                }
                result
            }
        }
        .map_err(|error| Failure::write(&error))
    }

    pub(crate) async fn finish(self) -> Result<(), Failure> {
        match self {
            Output::Stdout => std::io::stdout().flush(),
            Output::File { file, bar, .. } => {
                if let Some(bar) = bar {
                    bar.finish();
                }
                file.close().await
            }
        }
        .map_err(|error| Failure::write(&error))
    }
}

fn progress(size: Option<u64>) -> ProgressBar {
    let (bar, template) = match size {
        Some(size) => (
            ProgressBar::new(size),
            "{bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
        ),
        None => (
            ProgressBar::no_length(),
            "{spinner} {bytes}  {bytes_per_sec}",
        ),
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the template is valid"))
}
