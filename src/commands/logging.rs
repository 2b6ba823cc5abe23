//! The log: written by a thread of its own, so that no session waits for a terminal or a pipe.

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::options::{LogFormat, LogOptions};

/// Lines that wait for the writer; beyond it they are dropped, because mail must not wait.
const LINES: usize = 65_536;

/// Begins to log to standard output. What waits is written when the guard is dropped.
pub(super) fn begin(options: &LogOptions) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES)
        .lossy(true)
        .finish(std::io::stdout());
    let filter = EnvFilter::builder().parse_lossy(&options.filter);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false);
    // A second command in one process (as tests run them) goes on with the first one's log.
    let _ = match options.format {
        LogFormat::Text => log.with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    guard
}
