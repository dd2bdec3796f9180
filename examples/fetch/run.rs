//! All transfers: one after the other, or many at once.

use std::rc::Rc;

use futures_util::lock::Mutex;
use futures_util::{StreamExt, stream};

use crate::args::Args;
use crate::client;
use crate::code::{self, Failure};
use crate::progress::Console;
use crate::stdout::Stdout;
use crate::transfer::{self, Context};

/// Fetches everything; the exit code.
pub(crate) async fn all(args: Args) -> Result<u8, Failure> {
    let context = Context {
        client: client::build(&args)?,
        stdout: Stdout::open().map_err(|error| Failure::write(&error))?,
        console: Rc::new(Console::new(&args)),
        dumped: Mutex::new(false),
        args,
    };
    let code = match context.args.parallel {
        true => at_once(&context).await,
        false => in_turn(&context).await,
    };
    // A server may have answered before it had all of a body.
    context.client.until_idle().await;
    context.console.finish();
    Ok(match context.stdout.has_lost() {
        // What was held of a transfer that ended before.
        true if code == 0 => code::WRITE_ERROR,
        _ => code,
    })
}

/// One after the other. As with curl, the last one decides.
async fn in_turn(context: &Context) -> u8 {
    let mut last = 0;
    for job in &context.args.jobs {
        last = transfer::run(context, job).await;
        if last != 0 && context.args.fail_early {
            break;
        }
    }
    last
}

/// Many at once, all in one task: they wait for the ring together. As with curl, the first failure decides.
async fn at_once(context: &Context) -> u8 {
    let jobs = context.args.jobs.iter();
    let transfers = stream::iter(jobs.map(|job| transfer::run(context, job)));
    let mut ends = transfers.buffer_unordered(context.args.at_once);
    let (mut first, mut count) = (0, 0);
    while let Some(code) = ends.next().await {
        count += 1;
        context.console.ended(count);
        if code != 0 && first == 0 {
            first = code;
            if context.args.fail_early {
                break;
            }
        }
    }
    first
}
