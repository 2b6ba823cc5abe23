//! Writes the log: lines gather in memory for a moment and leave together, in one write by a thread
//! of its own. A line for each message then costs a copy, not a system call and a thread's wake-up.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

use crate::limits;

/// Where lines are left.
#[derive(Clone, Debug, Default)]
pub(super) struct LogWriter(Arc<LogBuffer>);

#[derive(Debug, Default)]
struct LogBuffer {
    gathered: Mutex<Gathered>,
    /// Lines came where there were none, or it was closed.
    change: Condvar,
}

#[derive(Debug, Default)]
struct Gathered {
    lines: Vec<u8>,
    /// Lines that found no room since the last write.
    dropped: u64,
    closed: bool,
}

/// Writes until it is dropped, and then what is left.
#[derive(Debug)]
pub(super) struct LogThread {
    shared: Arc<LogBuffer>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// A writer whose lines go to `output`, and the thread that takes them there.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(super) fn begin(output: impl Write + Send + 'static) -> io::Result<(Self, LogThread)> {
        let writer = Self::default();
        let shared = Arc::clone(&writer.0);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_until_closed(&shared, output))?;
        let thread = LogThread {
            shared: Arc::clone(&writer.0),
            thread: Some(thread),
        };
        Ok((writer, thread))
    }
}

fn write_until_closed(shared: &LogBuffer, mut output: impl Write) {
    let mut writing = Vec::new();
    loop {
        let mut gathered = shared.gathered.lock();
        let nothing = |gathered: &mut Gathered| gathered.lines.is_empty() && !gathered.closed;
        shared.change.wait_while(&mut gathered, nothing);
        let open = |gathered: &mut Gathered| !gathered.closed;
        shared
            .change
            .wait_while_for(&mut gathered, open, limits::LOG_GATHER);
        std::mem::swap(&mut gathered.lines, &mut writing);
        let dropped = std::mem::take(&mut gathered.dropped);
        let closed = gathered.closed;
        drop(gathered);

        // There is no place to report that the log itself cannot be written.
        let _ = output.write_all(&writing);
        if dropped > 0 {
            let _ = writeln!(output, "{dropped} lines of the log were dropped");
        }
        let _ = output.flush();
        writing.clear();
        if closed {
            return;
        }
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        self.shared.gathered.lock().closed = true;
        self.shared.change.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Write for &LogWriter {
    /// Takes a line whole, or drops it when the output does not keep up: mail must not wait.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut gathered = self.0.gathered.lock();
        if gathered.lines.len() + line.len() > limits::LOG_BUFFER_BYTES {
            gathered.dropped += 1;
            return Ok(line.len());
        }
        let was_empty = gathered.lines.is_empty();
        gathered.lines.extend_from_slice(line);
        drop(gathered);
        if was_empty {
            self.0.change.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, for the test to read.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(lines: &[&[u8]]) -> String {
        let paper = Paper::default();
        let (log, thread) = LogWriter::begin(paper.clone()).expect("a thread");
        for line in lines {
            (&log).write_all(line).expect("it takes everything");
        }
        drop(thread);
        let bytes = paper.0.lock().clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn what_waits_at_the_end_is_written() {
        assert_eq!(written(&[b"one\n", b"two\n"]), "one\ntwo\n");
        assert_eq!(written(&[]), "");
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let much = vec![b'x'; limits::LOG_BUFFER_BYTES];
        let text = written(&[b"one\n", &much, b"two\n"]);
        assert_eq!(text, "one\ntwo\n1 lines of the log were dropped\n");
    }
}
