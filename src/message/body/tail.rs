//! The part of a body that goes to its spool file while it arrives, block by block.

use std::io;

use crate::limits;
use crate::message::budget::Reservation;
use crate::message::spool::SpoolFile;

/// A spool file that is being written. Its blocks are as large as the memory budget lets them be.
#[derive(Debug)]
pub(super) struct Tail {
    file: SpoolFile,
    /// Where the next block is written.
    offset: u64,
    /// What waits for a whole block.
    block: Vec<u8>,
    /// Bytes of a whole block.
    room: usize,
    /// What the block may hold beyond [`limits::SPOOL_BLOCK_LEAST_BYTES`].
    share: Reservation,
}

impl Tail {
    /// A tail that begins at `offset` of the file; `share` is empty.
    pub(super) fn new(file: SpoolFile, offset: u64, share: Reservation) -> Self {
        Self {
            file,
            offset,
            block: Vec::new(),
            room: limits::SPOOL_BLOCK_LEAST_BYTES,
            share,
        }
    }

    pub(super) fn file(&self) -> &SpoolFile {
        &self.file
    }

    /// Takes what finds room in the block, and gives back the rest.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.block.len() + bytes.len() > self.room {
            self.widen();
        }
        let (taken, rest) = bytes.split_at(bytes.len().min(self.room - self.block.len()));
        self.block.reserve_exact(self.room - self.block.len());
        self.block.extend_from_slice(taken);
        rest
    }

    /// Steps 309 and 610 of the patent: further bytes go to the file only.
    ///
    /// # Errors
    /// When the disk did not take a block.
    pub(super) async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = self.take(bytes);
        while !rest.is_empty() {
            self.flush().await?;
            rest = self.take(rest);
        }
        Ok(())
    }

    /// Gives back what the block holds beyond the least: nothing more comes for a while.
    ///
    /// # Errors
    /// When the disk did not take a block.
    pub(super) async fn shrink(&mut self) -> io::Result<()> {
        if self.block.len() > limits::SPOOL_BLOCK_LEAST_BYTES {
            return self.flush().await;
        }
        self.room = limits::SPOOL_BLOCK_LEAST_BYTES;
        self.block.shrink_to(self.room);
        self.share.clear();
        Ok(())
    }

    /// The file, with everything in it.
    ///
    /// # Errors
    /// When the disk did not take the last block.
    pub(super) async fn finish(mut self) -> io::Result<SpoolFile> {
        self.flush().await?;
        Ok(self.file)
    }

    fn widen(&mut self) {
        let more = limits::SPOOL_BLOCK_BYTES - self.room;
        if more > 0 && self.share.grow(more as u64) {
            self.room = limits::SPOOL_BLOCK_BYTES;
        }
    }

    /// The block goes with its share to the thread that writes it: after the caller has given up a disk that hangs,
    /// its memory still counts.
    async fn flush(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let length = self.block.len() as u64;
        self.file.take_room(length)?;
        let share = self.share.another();
        let share = std::mem::replace(&mut self.share, share);
        let block = share.held_by(std::mem::take(&mut self.block));
        self.room = limits::SPOOL_BLOCK_LEAST_BYTES;
        self.file.write_at(vec![block], self.offset).await?;
        self.offset += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::{MemoryBudget, MessageId, Spool};

    /// A tail on a budget, filled with `pieces` of so many bytes; gives what the budget holds after each.
    async fn fill(budget_bytes: u64, pieces: &[usize]) -> (Tail, Arc<MemoryBudget>, Vec<u64>) {
        let directory = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(directory.path().join("spool"), "boot").expect("a spool");
        let file = spool.create(MessageId::from_i64(1)).await.expect("a file");
        let budget = MemoryBudget::new(budget_bytes);
        let mut tail = Tail::new(file, 0, Reservation::empty(Arc::clone(&budget)));
        let mut held = Vec::new();
        for &length in pieces {
            tail.append(&vec![b'x'; length]).await.expect("written");
            held.push(budget.used_bytes());
        }
        (tail, budget, held)
    }

    const LEAST: usize = limits::SPOOL_BLOCK_LEAST_BYTES;
    const MOST: usize = limits::SPOOL_BLOCK_BYTES;
    const SHARE: u64 = (MOST - LEAST) as u64;

    #[tokio::test]
    async fn a_block_grows_with_what_comes() {
        let (tail, budget, held) = fill(1 << 20, &[LEAST, 1, MOST - LEAST - 1, 1]).await;
        assert_eq!(held, [0, SHARE, SHARE, 0]);
        assert_eq!((tail.offset, tail.block.len()), (MOST as u64, 1));
        assert!(tail.block.capacity() <= LEAST);
        let file = tail.finish().await.expect("written");
        let written = file.read_at(0, MOST + 1).await.expect("there");
        assert_eq!(written.len(), MOST + 1);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[tokio::test]
    async fn without_memory_blocks_are_small() {
        let (tail, _, held) = fill(SHARE - 1, &[LEAST, 1, 3 * LEAST]).await;
        assert_eq!(held, [0, 0, 0]);
        assert_eq!((tail.offset, tail.block.len()), (4 * LEAST as u64, 1));
        assert!(tail.block.capacity() <= LEAST);
    }

    #[tokio::test]
    async fn a_silent_client_gives_its_block_back() {
        for length in [1, LEAST, LEAST + 1, MOST] {
            let (mut tail, budget, _) = fill(1 << 20, &[length]).await;
            tail.shrink().await.expect("written");
            assert_eq!(budget.used_bytes(), 0, "{length}");
            assert!(tail.block.capacity() <= LEAST, "{length}");
            tail.append(b"y").await.expect("written");
            let file = tail.finish().await.expect("written");
            let written = file.read_at(0, length + 1).await.expect("there");
            assert_eq!(written.last(), Some(&b'y'), "{length}");
        }
    }
}
