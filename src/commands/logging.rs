//! The log: what is logged, in which form.

use tracing_subscriber::EnvFilter;

use super::Failure;
use super::log_writer::{LogThread, LogWriter};
use super::options::{LogFormat, LogOptions};

/// Begins to log to standard output. What waits is written when the value is dropped.
pub(super) fn begin(options: &LogOptions) -> Result<LogThread, Failure> {
    let (writer, thread) = LogWriter::begin(std::io::stdout()).map_err(Failure::io)?;
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
    Ok(thread)
}
