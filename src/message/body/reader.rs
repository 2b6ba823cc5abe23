//! Reading a message's content back, with its checksum.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::timeout;

use crate::limits;
use crate::message::Message;
use crate::message::checksum::{Checksum, Summing};

/// Reads a message's content, block by block. What a file holds is compared with its checksum on the way,
/// and the last block is not given when it differs: the sender of the content cannot end it then.
#[derive(Debug)]
pub struct BodyReader {
    message: Arc<Message>,
    chunk: usize,
    /// Bytes of the body before the next block.
    position: u64,
    /// Bytes that are left out before the first one that is given.
    left_out: u64,
    check: Option<Check>,
}

/// Everything that was read so far, and what all of it must come to.
#[derive(Debug)]
struct Check {
    read: Summing,
    expected: Checksum,
}

impl BodyReader {
    /// A reader of the content that travels.
    #[must_use]
    pub fn new(message: Arc<Message>) -> Self {
        Self {
            left_out: message.content_from.min(message.body.len()),
            ..Self::of_arrived(message)
        }
    }

    /// A reader of the content as it arrived, with a header that was rewritten since.
    #[must_use]
    pub fn of_arrived(message: Arc<Message>) -> Self {
        // Memory forgets nothing; only what a file holds is compared.
        let body = &message.body;
        let in_file = body.head_bytes < body.length;
        let stored = body.durable.get().copied().flatten().filter(|_| in_file);
        let check = stored.map(|expected| Check {
            read: Summing::default(),
            expected,
        });
        Self {
            message,
            chunk: 0,
            position: 0,
            left_out: 0,
            check,
        }
    }

    /// The next block, none at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or not in time, or is not what was stored.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(block) = self.block().await? {
            let begin = self.position;
            self.position += block.len() as u64;
            self.compare(&block)?;
            if self.position > self.left_out {
                let left_out = self.left_out.saturating_sub(begin);
                return Ok(Some(block.slice(usize::try_from(left_out).unwrap_or(0)..)));
            }
        }
        Ok(None)
    }

    /// The block at the reader's position, which is its end when nothing is left.
    async fn block(&mut self) -> io::Result<Option<Bytes>> {
        let body = &self.message.body;
        if let Some(chunk) = body.head.get(self.chunk) {
            self.chunk += 1;
            return Ok(Some(chunk.clone()));
        }
        if self.check.is_none() {
            // What is left out needs no check.
            self.position = self.position.max(self.left_out);
        }
        let rest = body.length - self.position;
        if rest == 0 {
            return Ok(None);
        }
        let file = body
            .file
            .get()
            .ok_or_else(|| io::Error::other("a body is longer than its head and has no file"))?;
        let mut share = body.share.another();
        let length = rest.min(limits::SPOOL_BLOCK_BYTES as u64);
        let length = match share.grow(length) {
            true => length,
            // It goes on, more slowly: delivering is what gives memory back.
            false => length.min(limits::SPOOL_BLOCK_LEAST_BYTES as u64),
        };
        let block = file.read_at(self.position, usize::try_from(length).unwrap_or(usize::MAX));
        let block = timeout(limits::SPOOL_WAIT, block).await??;
        Ok(Some(share.held_by(block)))
    }

    fn compare(&mut self, block: &[u8]) -> io::Result<()> {
        let Some(check) = &mut self.check else {
            return Ok(());
        };
        check.read.add(block);
        let (read, expected) = (check.read.checksum(), check.expected);
        if self.position < self.message.body.length || read == expected {
            return Ok(());
        }
        Err(not_what_was_stored(expected, read))
    }
}

/// The error of content that is damaged.
pub(crate) fn not_what_was_stored(expected: Checksum, read: Checksum) -> io::Error {
    let words = format!("its checksum is {read} instead of {expected}");
    io::Error::new(io::ErrorKind::InvalidData, words)
}
