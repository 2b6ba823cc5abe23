//! A stream of blocks between a task and a thread that reads and writes as programs without tasks do.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc::{Receiver, Sender};

use crate::limits;

/// Blocks that a task sends, read by a thread.
#[derive(Debug)]
pub(super) struct BlockReader {
    blocks: Receiver<Bytes>,
    block: Bytes,
}

impl BlockReader {
    /// Reads until the sender is gone.
    pub(super) fn new(blocks: Receiver<Bytes>) -> Self {
        Self {
            blocks,
            block: Bytes::new(),
        }
    }
}

impl Read for BlockReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.block.is_empty() {
            match self.blocks.blocking_recv() {
                Some(block) => self.block = block,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.block.len());
        self.block.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// What a thread writes, as blocks for a task. The last one is sent by `flush`.
#[derive(Debug)]
pub(super) struct BlockWriter {
    blocks: Sender<Bytes>,
    block: BytesMut,
}

impl BlockWriter {
    /// Writes to whoever receives.
    pub(super) fn new(blocks: Sender<Bytes>) -> Self {
        Self {
            blocks,
            block: BytesMut::with_capacity(limits::SPOOL_BLOCK_BYTES),
        }
    }
}

impl Write for BlockWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = limits::SPOOL_BLOCK_BYTES - self.block.len();
        let length = bytes.len().min(room);
        self.block.extend_from_slice(&bytes[..length]);
        if self.block.len() == limits::SPOOL_BLOCK_BYTES {
            self.flush()?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = self.block.split().freeze();
        self.block.reserve(limits::SPOOL_BLOCK_BYTES);
        let sent = self.blocks.blocking_send(block);
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
