//! A message's content while it arrives: spooled by the body writer, looked at, or refused and read on.

use std::io;
use std::sync::Arc;

use tokio::time::timeout;

use super::connection::SessionEnd;
use super::context::SessionContext;
use super::counters::ReceivingCounters;
use super::header_scan::HeaderScan;
use crate::limits;
use crate::message::{Body, BodyWriter, DiskReason, Message, MessageId, Reservation, TrustLevel};
use crate::path::CutThroughTransaction;
use crate::settings::Settings;
use crate::smtp::end_of_data::{DataFindings, LineEnds};
use crate::smtp::reply::Reply;

/// What a decoder may hold back between two pieces, once it knows what it means.
const HELD_BACK_BYTES: usize = 4;

/// Content that is arriving.
#[derive(Debug)]
pub(super) struct IncomingContent {
    pub(super) id: MessageId,
    settings: Arc<Settings>,
    counters: Arc<ReceivingCounters>,
    sink: ContentSink,
    /// The reply with which the message is refused already.
    refusal: Option<Reply>,
    /// Why it does not go straight through although that was chosen.
    obstacle: Option<Box<str>>,
    header: HeaderScan,
    /// Bytes that have come.
    pub(super) bytes: u64,
    /// What the decoder gave and is not taken yet: a decoder cannot wait for the disk or a next hop.
    canonical: Vec<u8>,
    /// Bytes of the present piece: what becomes of it is at most twice as long, and what was held back before.
    piece: usize,
}

/// Where it goes.
#[derive(Debug)]
enum ContentSink {
    /// It is spooled until it is there whole, in memory or on disk.
    Spooled(BodyWriter),
    /// Straight to its next hops.
    CutThrough(CutThroughContent),
    /// Nowhere: the message is refused. Memory and file are free at once, and next hops are left.
    Nowhere,
}

/// A message whose content goes straight through.
#[derive(Debug)]
pub(super) struct CutThroughContent {
    pub(super) transaction: Box<CutThroughTransaction>,
    /// All of it but its content.
    pub(super) message: Arc<Message>,
    /// Bytes that are decoded and sent on together, and what that takes beyond the least.
    piece: usize,
    share: Reservation,
}

/// Content that has come whole.
#[derive(Debug)]
pub(super) enum FinishedContent {
    /// In memory or on disk.
    Spooled(ReceivedContent),
    /// At its next hops, but for its end.
    CutThrough(CutThroughContent),
}

/// Content that has arrived and may be taken.
#[derive(Debug)]
pub(super) struct ReceivedContent {
    pub(super) body: Body,
    /// Why it touched disk.
    pub(super) reasons: Vec<DiskReason>,
    /// Why it does not go straight through although that was chosen.
    pub(super) obstacle: Option<Box<str>>,
    /// It holds bytes above 127.
    pub(super) eight_bit: bool,
    /// Its header does.
    pub(super) eight_bit_header: bool,
}

/// A refused message's reply, and whether the session ends with it.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) reply: Reply,
    pub(super) close: bool,
}

impl IncomingContent {
    /// Content that is spooled; `obstacle` is why it does not go straight through although that was chosen.
    pub(super) fn spooled<A>(
        id: MessageId,
        settings: &Arc<Settings>,
        context: &SessionContext<A>,
        standing: TrustLevel,
        obstacle: Option<Box<str>>,
    ) -> Self {
        let writer = BodyWriter::new(
            id,
            settings.memory_threshold_bytes,
            settings.over_threshold,
            Reservation::of(Arc::clone(&context.budget), standing),
            &context.spool,
        );
        let sink = ContentSink::Spooled(writer);
        Self::into_sink(id, settings, context, sink, obstacle)
    }

    /// Content that goes straight through.
    pub(super) fn cut_through<A>(
        content: CutThroughContent,
        settings: &Arc<Settings>,
        context: &SessionContext<A>,
    ) -> Self {
        let id = content.message.id;
        let sink = ContentSink::CutThrough(content);
        Self::into_sink(id, settings, context, sink, None)
    }

    fn into_sink<A>(
        id: MessageId,
        settings: &Arc<Settings>,
        context: &SessionContext<A>,
        sink: ContentSink,
        obstacle: Option<Box<str>>,
    ) -> Self {
        Self {
            id,
            settings: Arc::clone(settings),
            counters: Arc::clone(&context.counters),
            sink,
            refusal: None,
            obstacle,
            header: HeaderScan::default(),
            bytes: 0,
            canonical: Vec::new(),
            piece: 0,
        }
    }

    /// Whether next hops wait for it.
    pub(super) fn is_cut_through(&self) -> bool {
        matches!(self.sink, ContentSink::CutThrough(_))
    }

    /// What may be read of it at once.
    pub(super) fn buffer_bytes(&self) -> usize {
        match self.sink {
            ContentSink::CutThrough(_) => limits::CUT_THROUGH_BUFFER_BYTES,
            ContentSink::Spooled(_) | ContentSink::Nowhere => limits::DATA_BUFFER_BYTES,
        }
    }

    /// How many of the bytes that are `there` may be decoded before the next [`Self::take`].
    pub(super) fn piece(&mut self, there: usize) -> usize {
        let piece = match &mut self.sink {
            ContentSink::Spooled(_) | ContentSink::Nowhere => limits::DECODED_BYTES,
            ContentSink::CutThrough(through) => through.piece(there),
        };
        self.piece = there.min(piece);
        self.piece
    }

    /// Takes what the decoder makes of a piece: what is held finds room at once if it can.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let rest = match &mut self.sink {
            ContentSink::Spooled(writer) => {
                self.header.look(bytes);
                match self.canonical.is_empty() {
                    true => writer.append_now(bytes),
                    false => bytes,
                }
            }
            ContentSink::CutThrough(_) => {
                self.header.look(bytes);
                bytes
            }
            ContentSink::Nowhere => return,
        };
        if !rest.is_empty() {
            let whole = 2 * self.piece + HELD_BACK_BYTES;
            self.canonical
                .reserve_exact(whole.saturating_sub(self.canonical.len()));
            self.canonical.extend_from_slice(rest);
        }
    }

    /// Gives back what waits for bytes that do not come: the client is silent.
    pub(super) async fn shrink(&mut self) {
        self.canonical = Vec::new();
        match &mut self.sink {
            ContentSink::Spooled(writer) => {
                if let Err(error) = in_time(writer.shrink()).await {
                    self.spool_failed(&error);
                }
            }
            ContentSink::CutThrough(through) => through.shrink(),
            ContentSink::Nowhere => {}
        }
    }

    /// A chunk of `bytes` is announced: one that is too large is not worth holding at all.
    pub(super) fn expect(&mut self, bytes: u64) {
        if self.bytes.saturating_add(bytes) > self.settings.message_size_max_bytes {
            self.refuse(Reply::MESSAGE_TOO_BIG);
        }
    }

    /// Waits until everything that was put is in its place. A message that is refused is read on without
    /// being held.
    ///
    /// # Errors
    /// When a refused message has no end.
    pub(super) async fn take(&mut self) -> Result<(), SessionEnd> {
        let size_max = self.settings.message_size_max_bytes;
        if self.bytes > size_max {
            self.refuse(Reply::MESSAGE_TOO_BIG);
        }
        if self.bytes > size_max + limits::READ_ON_BYTES {
            return Err(SessionEnd::Say(Reply::MESSAGE_TOO_BIG));
        }
        if self.canonical.is_empty() {
            return Ok(());
        }
        match &mut self.sink {
            ContentSink::Spooled(writer) => {
                if let Err(error) = in_time(writer.append(&self.canonical)).await {
                    self.spool_failed(&error);
                }
            }
            ContentSink::CutThrough(through) => {
                through.transaction.pass(&mut self.canonical).await;
            }
            ContentSink::Nowhere => {}
        }
        self.canonical.clear();
        Ok(())
    }

    /// The reply with which the message is refused already.
    pub(super) fn refusal(&self) -> Option<Reply> {
        self.refusal.clone()
    }

    /// The real end of the content was read.
    ///
    /// # Errors
    /// The reply to a message that is not taken: no next hop gets its end.
    pub(super) async fn finish(
        mut self,
        findings: DataFindings,
    ) -> Result<FinishedContent, Refused> {
        self.judge(&findings)?;
        let finished = match std::mem::replace(&mut self.sink, ContentSink::Nowhere) {
            ContentSink::Spooled(writer) => {
                let finished = in_time(writer.finish()).await;
                let (body, reasons) = finished.map_err(|error| {
                    self.spool_failed(&error);
                    Refused::and_go_on(Reply::INSUFFICIENT_STORAGE)
                })?;
                FinishedContent::Spooled(ReceivedContent {
                    body,
                    reasons,
                    obstacle: self.obstacle,
                    eight_bit: findings.eight_bit,
                    eight_bit_header: self.header.eight_bit,
                })
            }
            ContentSink::CutThrough(through) => FinishedContent::CutThrough(through),
            ContentSink::Nowhere => return Err(Refused::and_go_on(Reply::LOCAL_ERROR)),
        };
        self.counters.normalised(&findings);
        Ok(finished)
    }

    /// Whether a message may be taken that has come whole.
    fn judge(&self, findings: &DataFindings) -> Result<(), Refused> {
        if let Some(reply) = self.refusal() {
            return Err(Refused::and_go_on(reply));
        }
        let line_ends = self.settings.line_ends;
        if let Some(reply) = findings.refusal(line_ends) {
            let strays =
                findings.bare_carriage_returns + findings.bare_line_feeds + findings.nuls > 0;
            let close = strays && line_ends == LineEnds::Reject;
            return Err(Refused { reply, close });
        }
        if self.header.hops > limits::HOPS {
            return Err(Refused::and_go_on(Reply::LOOP_DETECTED));
        }
        Ok(())
    }

    /// A local fault never becomes a 5xx.
    fn spool_failed(&mut self, error: &io::Error) {
        tracing::error!(id = %self.id, %error, "the spool does not take a message; its client is told to try again later");
        self.counters.spool_failures.increment();
        self.refuse(Reply::INSUFFICIENT_STORAGE);
    }

    fn refuse(&mut self, refusal: Reply) {
        self.refusal.get_or_insert(refusal);
        self.sink = ContentSink::Nowhere;
    }
}

/// A disk that hangs does not hold a session for ever.
async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limits::SPOOL_WAIT, work).await?
}

impl CutThroughContent {
    /// Content that may come; `share` is empty.
    pub(super) fn new(
        transaction: Box<CutThroughTransaction>,
        message: Arc<Message>,
        share: Reservation,
    ) -> Self {
        Self {
            transaction,
            message,
            piece: limits::DATA_BUFFER_FIRST_BYTES,
            share,
        }
    }

    /// The more a client sends at once, the larger are the pieces, as far as the memory budget has room for
    /// what they may become: line ends that are made canonical double them.
    fn piece(&mut self, there: usize) -> usize {
        let more = there.saturating_sub(self.piece);
        if more > 0 && self.share.grow(2 * more as u64) {
            self.piece = there;
        }
        self.piece
    }

    fn shrink(&mut self) {
        self.piece = limits::DATA_BUFFER_FIRST_BYTES;
        self.share.clear();
    }
}

impl Refused {
    fn and_go_on(reply: Reply) -> Self {
        Self {
            reply,
            close: false,
        }
    }
}
