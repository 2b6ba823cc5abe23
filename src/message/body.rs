//! A message's content: in memory, on disk, or its head in memory and its tail on disk.
//!
//! Figure 3A, steps 303–309 (`split`) and Figure 6, steps 603–610 (`disk_only`) of the patent.
//! A spool file keeps a hole at its front as long as the head in memory, so that storing the
//! complete message later is one write of the head at offset 0, not a copy.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::budget::Reservation;
use super::checksum::{Checksum, Summing};
use super::spool::{Spool, SpoolFile};
use super::tail::Tail;
use super::words::{DiskReason, Storage};
use super::{Message, MessageId};
use crate::limits;
use crate::settings::OverThreshold;

/// Content that has arrived whole and never changes.
#[derive(Debug)]
pub struct Body {
    head: Vec<Bytes>,
    head_bytes: u64,
    length: u64,
    file: OnceLock<SpoolFile>,
    /// Set once the file is complete and synced: its checksum, where one is known. What is read from it
    /// from then on must have it.
    durable: OnceCell<Option<Checksum>>,
    /// A sync of the file failed. The system reports that once and then takes the pages for written,
    /// so that a second sync would prove nothing.
    sync_failed: AtomicBool,
    /// What the head, and the envelope beside it, hold of the memory budget.
    share: Reservation,
}

/// Where a complete, durable copy of a body is, or can be put in one transaction with its row.
#[derive(Debug)]
pub enum Durable {
    /// Small: goes into the database with the row.
    Inline(Vec<Bytes>, Checksum),
    /// A synced spool file of this name.
    File(String, Option<Checksum>),
}

impl Durable {
    /// The checksum of the content; none of what an earlier version stored.
    #[must_use]
    pub fn checksum(&self) -> Option<Checksum> {
        match self {
            Self::Inline(_, checksum) => Some(*checksum),
            Self::File(_, checksum) => *checksum,
        }
    }
}

impl Body {
    /// Content that is wholly in memory.
    #[must_use]
    pub fn in_memory(head: Vec<Bytes>, reservation: Reservation) -> Self {
        let head_bytes = head.iter().map(|chunk| chunk.len() as u64).sum();
        Self {
            head,
            head_bytes,
            length: head_bytes,
            file: OnceLock::new(),
            durable: OnceCell::new(),
            sync_failed: AtomicBool::new(false),
            share: reservation,
        }
    }

    /// Content that a committed row keeps in a file, with its checksum where the row has one.
    #[must_use]
    pub fn in_file(
        file: SpoolFile,
        length: u64,
        checksum: Option<Checksum>,
        reservation: Reservation,
    ) -> Self {
        Self {
            head: Vec::new(),
            head_bytes: 0,
            length,
            file: OnceLock::from(file),
            durable: OnceCell::new_with(Some(checksum)),
            sync_failed: AtomicBool::new(false),
            share: reservation,
        }
    }

    /// Bytes of content.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is no content at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The part in memory: the whole content when [`Self::storage`] says memory.
    #[must_use]
    pub fn head(&self) -> &[Bytes] {
        &self.head
    }

    /// Where the content arrived.
    #[must_use]
    pub fn storage(&self) -> Storage {
        if self.head_bytes == self.length {
            Storage::Memory
        } else if self.head_bytes > 0 {
            Storage::Split
        } else {
            Storage::Disk
        }
    }

    /// Bytes that [`Self::make_durable`] has to write: what a file does not hold yet.
    #[must_use]
    pub fn unwritten_bytes(&self) -> u64 {
        self.head_bytes
    }

    /// Makes a complete copy durable, or says that it is small enough to go with its row.
    /// Figure 3B, step 316. May be called again after a failure.
    ///
    /// # Errors
    /// As the file system says; the disk may be full.
    pub async fn make_durable(&self, spool: &Arc<Spool>, id: MessageId) -> io::Result<Durable> {
        if self.file.get().is_none() && self.length <= limits::INLINE_BODY_BYTES {
            return Ok(Durable::Inline(self.head.clone(), Checksum::of(&self.head)));
        }
        let checksum = self
            .durable
            .get_or_try_init(|| async {
                if self.file.get().is_none() {
                    let made = spool.create(id).await?;
                    let _ = self.file.set(made);
                }
                let file = self.file.get().expect("it was set above");
                if self.sync_failed.load(Ordering::Acquire) {
                    return Err(io::Error::other("an earlier sync of the spool file failed"));
                }
                if self.head_bytes > 0 {
                    file.write_at(self.head.clone(), 0).await?;
                }
                let synced = file.sync(self.length).await;
                self.sync_failed.store(synced.is_err(), Ordering::Release);
                synced.map(Some)
            })
            .await?;
        let file = self.file.get().expect("a durable body has a file");
        Ok(Durable::File(file.name().to_owned(), *checksum))
    }

    /// An empty share of the memory budget, for whomever the content is held.
    #[must_use]
    pub fn another_share(&self) -> Reservation {
        self.share.another()
    }

    /// Holds a share of what comes with the content: as long as the content lives, so does its envelope.
    pub fn hold(&mut self, share: Reservation) {
        self.share.absorb(share);
    }

    /// A committed row names the body's file now.
    pub fn keep(&self) {
        if let Some(file) = self.file.get() {
            file.keep();
        }
    }
}

/// Reads a message's content, block by block. What a file holds is compared with its checksum on the way,
/// and the last block is not given when it differs: whoever sends the content cannot end it then.
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
            // Nobody has to see what is left out.
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
        let body = Body {
            head: self.chunks.into_iter().map(BytesMut::freeze).collect(),
            head_bytes: self.head_bytes,
            length: self.length,
            file,
            durable: OnceCell::new(),
            sync_failed: AtomicBool::new(false),
            share: self.share,
        };
        Ok((body, self.reasons))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Client, Envelope, MemoryBudget, Message};
    use crate::smtp::address::ReversePath;
    use crate::smtp::command::BodyType;
    use jiff::Timestamp;

    struct Scene {
        _directory: tempfile::TempDir,
        spool: Arc<Spool>,
        budget: Arc<MemoryBudget>,
    }

    fn scene(budget_bytes: u64) -> Scene {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let spool = Spool::open(directory.path().join("spool"), "boot").expect("a spool");
        Scene {
            _directory: directory,
            spool,
            budget: MemoryBudget::new(budget_bytes),
        }
    }

    async fn write(
        scene: &Scene,
        threshold: u64,
        policy: OverThreshold,
        content: &[u8],
    ) -> (Body, Vec<DiskReason>) {
        let id = MessageId::from_i64(7);
        let share = Reservation::empty(Arc::clone(&scene.budget));
        let mut writer = BodyWriter::new(id, threshold, policy, share, &scene.spool);
        for piece in content.chunks(1_000) {
            writer.append(piece).await.expect("the disk takes it");
        }
        writer.finish().await.expect("the disk takes it")
    }

    fn message(body: Body) -> Arc<Message> {
        Arc::new(Message {
            id: MessageId::from_i64(7),
            received_at: Timestamp::UNIX_EPOCH,
            client: Client {
                address: None,
                helo: "test".into(),
                login: None,
            },
            envelope: Envelope {
                sender: ReversePath::Null,
                recipients: Vec::new(),
                body_type: BodyType::SevenBit,
                smtputf8: false,
                ret: None,
                envelope_id: None,
            },
            prefix: Bytes::new(),
            body: Arc::new(body),
            content_from: 0,
            for_clause_at: None,
            eight_bit: false,
            needs_smtputf8: false,
        })
    }

    async fn read(message: &Arc<Message>) -> Vec<u8> {
        let mut reader = BodyReader::new(Arc::clone(message));
        let mut content = Vec::new();
        while let Some(block) = reader.next().await.expect("it can be read") {
            content.extend_from_slice(&block);
        }
        content
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|position| (position % 251) as u8).collect()
    }

    #[tokio::test]
    async fn exactly_the_threshold_stays_in_memory() {
        let scene = scene(1 << 20);
        let (body, reasons) = write(&scene, 32_768, OverThreshold::Split, &content(32_768)).await;
        assert_eq!(body.storage(), Storage::Memory);
        assert_eq!(reasons, []);
        assert_eq!(read(&message(body)).await, content(32_768));
    }

    #[tokio::test]
    async fn one_byte_more_splits() {
        let scene = scene(1 << 20);
        let (body, reasons) = write(&scene, 32_768, OverThreshold::Split, &content(32_769)).await;
        assert_eq!(body.storage(), Storage::Split);
        assert_eq!(reasons, [DiskReason::OverThreshold]);
        assert_eq!(read(&message(body)).await, content(32_769));
    }

    #[tokio::test]
    async fn disk_only_erases_the_memory() {
        let scene = scene(1 << 20);
        let (body, _) = write(&scene, 10_000, OverThreshold::DiskOnly, &content(200_000)).await;
        assert_eq!(body.storage(), Storage::Disk);
        assert_eq!(scene.budget.used_bytes(), 0);
        assert_eq!(read(&message(body)).await, content(200_000));
    }

    #[tokio::test]
    async fn a_threshold_of_zero_puts_all_on_disk() {
        let scene = scene(1 << 20);
        let (body, reasons) = write(&scene, 0, OverThreshold::Split, b"x").await;
        assert_eq!(body.storage(), Storage::Disk);
        assert_eq!(reasons, [DiskReason::OverThreshold]);
    }

    #[tokio::test]
    async fn a_used_up_budget_splits_there() {
        let scene = scene(8_192);
        let (body, reasons) = write(&scene, 32_768, OverThreshold::Split, &content(9_000)).await;
        assert_eq!(body.storage(), Storage::Split);
        assert_eq!(reasons, [DiskReason::MemoryPressure]);
        assert_eq!(read(&message(body)).await, content(9_000));
        assert_eq!(scene.budget.used_bytes(), 0, "dropped with the body");
    }

    #[tokio::test]
    async fn storing_a_split_body_fills_the_hole() {
        let scene = scene(1 << 20);
        let (body, _) = write(&scene, 5_000, OverThreshold::Split, &content(150_000)).await;
        let id = MessageId::from_i64(7);
        let durable = body.make_durable(&scene.spool, id).await.expect("stored");
        let Durable::File(name, checksum) = durable else {
            panic!("a body that has a file keeps it");
        };
        assert_eq!(checksum, Some(Checksum::of([content(150_000)])));
        body.keep();
        drop(body);
        let file = scene.spool.open_stored(name).await.expect("the file stays");
        let reservation = Reservation::empty(Arc::clone(&scene.budget));
        let stored = message(Body::in_file(file, 150_000, checksum, reservation));
        assert_eq!(read(&stored).await, content(150_000));
    }

    /// What of a stored message's content is given when its file was changed at one position; and when
    /// the first `left_out` bytes do not travel.
    async fn read_damaged(
        position: u64,
        left_out: u64,
        in_memory: u64,
    ) -> (Vec<u8>, io::Result<()>) {
        let scene = scene(1 << 20);
        let (body, _) = write(&scene, in_memory, OverThreshold::Split, &content(150_000)).await;
        let id = MessageId::from_i64(7);
        let durable = body.make_durable(&scene.spool, id).await.expect("stored");
        let Durable::File(name, _) = durable else {
            panic!("a body that has a file keeps it");
        };
        let path = scene._directory.path().join("spool").join(name);
        let file = std::fs::OpenOptions::new().write(true).open(path);
        let file = file.expect("it is there");
        std::os::unix::fs::FileExt::write_all_at(&file, &[0xff], position).expect("written");
        let mut message = Arc::unwrap_or_clone(message(body));
        message.content_from = left_out;
        let mut reader = BodyReader::new(Arc::new(message));
        let mut read = Vec::new();
        loop {
            match reader.next().await {
                Ok(Some(block)) => read.extend_from_slice(&block),
                Ok(None) => return (read, Ok(())),
                Err(error) => return (read, Err(error)),
            }
        }
    }

    #[tokio::test]
    async fn damaged_content_has_no_end() {
        for (position, left_out, in_memory) in [
            (0, 0, 0),
            (149_999, 0, 0),
            (70_000, 0, 5_000),
            // What does not travel was stored with the rest.
            (100, 90_000, 0),
            (90_001, 90_000, 5_000),
        ] {
            let (read, end) = read_damaged(position, left_out, in_memory).await;
            let error = end.expect_err("the last block is kept back");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
            assert!((read.len() as u64) < 150_000 - left_out, "{position}");
        }
        // The head in memory counts, not the copy of it in the file.
        let (read, end) = read_damaged(100, 0, 5_000).await;
        end.expect("it is whole");
        assert_eq!(read, content(150_000));
    }

    #[tokio::test]
    async fn a_file_that_lost_bytes_is_not_made_durable() {
        let scene = scene(1 << 20);
        let (body, _) = write(&scene, 10, OverThreshold::Split, &content(70_000)).await;
        let directory = std::fs::read_dir(scene._directory.path().join("spool"));
        let entry = directory.expect("a spool").next().expect("a file");
        let path = entry.expect("a file").path();
        let file = std::fs::OpenOptions::new().write(true).open(path);
        file.expect("it opens").set_len(69_999).expect("cut");
        let id = MessageId::from_i64(7);
        let stored = body.make_durable(&scene.spool, id).await;
        assert!(stored.is_err(), "{stored:?}");
    }

    #[tokio::test]
    async fn a_file_without_a_row_is_removed() {
        let scene = scene(1 << 20);
        let (body, _) = write(&scene, 10, OverThreshold::Split, &content(70_000)).await;
        assert!(scene.spool.bytes() > 0);
        drop(body);
        // The removal runs on a blocking thread.
        while scene.spool.bytes() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
