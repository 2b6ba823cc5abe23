//! A message's content: in memory, on disk, or its head in memory and its tail on disk.
//!
//! Figure 3A, steps 303–309 (`split`) and Figure 6, steps 603–610 (`disk_only`) of the patent.
//! A spool file keeps a hole at its front as long as the head in memory, so that storing the
//! complete message later is one write of the head at offset 0, not a copy.

mod reader;
mod tail;
mod writer;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::MessageId;
use super::budget::Reservation;
use super::checksum::Checksum;
use super::spool::{Spool, SpoolFile};
use super::words::Storage;
use crate::limits;

pub use reader::BodyReader;
pub(crate) use reader::not_what_was_stored;
pub use writer::BodyWriter;

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
            length,
            file: OnceLock::from(file),
            durable: OnceCell::new_with(Some(checksum)),
            ..Self::in_memory(Vec::new(), reservation)
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

    /// An empty share of the memory budget, for the client that the content is held for.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{DiskReason, MemoryBudget, Message, testing};
    use crate::settings::OverThreshold;

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
            body: Arc::new(body),
            ..testing::message("", &[], b"")
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
