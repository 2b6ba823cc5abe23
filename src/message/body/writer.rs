//! Taking a message's content as it arrives: to memory, to disk, or to both.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use super::Body;
use super::tail::Tail;
use crate::limits;
use crate::message::MessageId;
use crate::message::budget::Reservation;
use crate::message::spool::Spool;
use crate::message::words::DiskReason;
use crate::settings::OverThreshold;

/// Takes a message's content as it arrives and decides, byte by byte, where it is held.
#[derive(Debug)]
pub struct BodyWriter {
    id: MessageId,
    threshold_bytes: u64,
    over_threshold: OverThreshold,
    spool: Arc<Spool>,
    share: Reservation,
    chunks: Vec<BytesMut>,
    head_bytes: u64,
    length: u64,
    /// The part of the content that goes to the file.
    tail: Option<Tail>,
    reasons: Vec<DiskReason>,
}

impl BodyWriter {
    /// A writer for the message `id`, which takes its memory out of `share`'s budget.
    #[must_use]
    pub fn new(
        id: MessageId,
        threshold_bytes: u64,
        over_threshold: OverThreshold,
        share: Reservation,
        spool: &Arc<Spool>,
    ) -> Self {
        Self {
            id,
            threshold_bytes,
            over_threshold,
            spool: Arc::clone(spool),
            share,
            chunks: Vec::new(),
            head_bytes: 0,
            length: 0,
            tail: None,
            reasons: Vec::new(),
        }
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was taken yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes of the next bytes what finds room at once, and gives back the rest, which is for
    /// [`Self::append`].
    pub fn append_now<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let length = self.length + bytes.len() as u64;
        // Passing the threshold may mean to wait for the disk.
        let passes = length > self.threshold_bytes && !self.is_over_threshold();
        let rest = match &mut self.tail {
            None => self.append_to_memory(bytes),
            Some(_) if passes => bytes,
            Some(tail) => tail.take(bytes),
        };
        self.length = length - rest.len() as u64;
        rest
    }

    /// Takes the next bytes of content.
    ///
    /// # Errors
    /// When they had to go to disk and the disk did not take them.
    pub async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let rest = self.append_now(bytes);
        if rest.is_empty() {
            return Ok(());
        }
        if self.tail.is_none() {
            if self.head_bytes < self.threshold_bytes {
                self.reasons.push(DiskReason::MemoryPressure);
            }
            self.open_tail().await?;
        }
        self.length += rest.len() as u64;
        if self.length > self.threshold_bytes {
            self.exceed_threshold().await?;
        }
        let tail = self.tail.as_mut().expect("it was opened above");
        tail.append(rest).await
    }

    /// Gives back what waits for bytes that do not come: the client is silent.
    ///
    /// # Errors
    /// When the disk did not take what it was given.
    pub async fn shrink(&mut self) -> io::Result<()> {
        match &mut self.tail {
            Some(tail) => tail.shrink().await,
            None => Ok(()),
        }
    }

    fn is_over_threshold(&self) -> bool {
        self.reasons.contains(&DiskReason::OverThreshold)
    }

    /// Steps 306 and 607. Memory pressure alone only splits; the threshold may be passed later.
    async fn exceed_threshold(&mut self) -> io::Result<()> {
        if self.is_over_threshold() {
            return Ok(());
        }
        self.reasons.push(DiskReason::OverThreshold);
        if self.over_threshold == OverThreshold::DiskOnly {
            self.erase_memory().await?;
        }
        Ok(())
    }

    /// Steps 303/304 and 603/604: what stays below the threshold is written to memory. Gives back
    /// what did not fit.
    fn append_to_memory<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while !bytes.is_empty() {
            let below = self.threshold_bytes - self.head_bytes;
            if below == 0 {
                return bytes;
            }
            if self.room_in_chunk() == 0 && !self.add_chunk() {
                return bytes;
            }
            let room = self.room_in_chunk();
            let chunk = self.chunks.last_mut().expect("a chunk with room was added");
            let taken = bytes
                .len()
                .min(room)
                .min(usize::try_from(below).unwrap_or(usize::MAX));
            chunk.extend_from_slice(&bytes[..taken]);
            self.head_bytes += taken as u64;
            bytes = &bytes[taken..];
        }
        bytes
    }

    fn room_in_chunk(&self) -> usize {
        self.chunks
            .last()
            .map_or(0, |chunk| chunk.capacity() - chunk.len())
    }

    /// The first chunk is small, later ones as large as all before them; false when the memory
    /// budget does not hold another.
    fn add_chunk(&mut self) -> bool {
        let wanted = usize::try_from(self.head_bytes)
            .unwrap_or(usize::MAX)
            .clamp(limits::FIRST_CHUNK_BYTES, limits::CHUNK_BYTES);
        if !self.share.grow(wanted as u64) {
            return false;
        }
        self.chunks.push(BytesMut::with_capacity(wanted));
        true
    }

    /// Steps 306 and 607: the first byte that does not stay in memory opens the file.
    async fn open_tail(&mut self) -> io::Result<()> {
        self.spool.take_room(0)?;
        let file = self.spool.create(self.id).await?;
        self.tail = Some(Tail::new(file, self.head_bytes, self.share.another()));
        Ok(())
    }

    /// Step 607: all bytes go to disk and the memory is erased.
    async fn erase_memory(&mut self) -> io::Result<()> {
        self.spool.take_room(self.head_bytes)?;
        let mut head: Vec<Bytes> = self.chunks.drain(..).map(BytesMut::freeze).collect();
        let share = self.share.another();
        let share = std::mem::replace(&mut self.share, share);
        if let Some(last) = head.pop() {
            head.push(share.held_by(last));
        }
        let tail = self.tail.as_ref().expect("the caller has opened it");
        tail.file().write_at(head, 0).await?;
        self.head_bytes = 0;
        Ok(())
    }

    /// All bytes have arrived (steps 305, 307, 605, 608): the body, and why it touched disk.
    ///
    /// # Errors
    /// When the last block did not go to disk.
    pub async fn finish(mut self) -> io::Result<(Body, Vec<DiskReason>)> {
        let file = OnceLock::new();
        if let Some(tail) = self.tail.take() {
            let _ = file.set(tail.finish().await?);
        }
        let head = self.chunks.into_iter().map(BytesMut::freeze).collect();
        let body = Body {
            length: self.length,
            file,
            ..Body::in_memory(head, self.share)
        };
        Ok((body, self.reasons))
    }
}
