//! A message's content while it arrives: held by the body writer, looked at, or refused and read on.

use std::sync::Arc;

use super::connection::End;
use super::context::SessionContext;
use super::counters::ReceivingCounters;
use super::header_scan::HeaderScan;
use crate::limits;
use crate::message::{Body, BodyWriter, DiskReason, Message, MessageId};
use crate::path::Passage;
use crate::settings::Settings;
use crate::smtp::end_of_data::{Findings, LineEnds};
use crate::smtp::reply::Reply;

/// Content that is arriving.
#[derive(Debug)]
pub(super) struct Content {
    id: MessageId,
    settings: Arc<Settings>,
    counters: Arc<ReceivingCounters>,
    sink: Sink,
    refusal: Option<Refusal>,
    header: HeaderScan,
    bytes: u64,
    /// What the decoder gave and the body writer has not taken yet: the one cannot wait for the disk.
    pub(super) canonical: Vec<u8>,
}

/// Where it goes.
#[derive(Debug)]
enum Sink {
    /// It is held until it is there whole.
    Held(BodyWriter),
    /// Straight to its next hops.
    Through(Through),
    /// Nowhere: the message is refused. Memory and file are free at once, and next hops are left.
    Nowhere,
}

/// A message whose content goes straight through.
#[derive(Debug)]
pub(super) struct Through {
    pub(super) passage: Box<Passage>,
    /// All of it but its content.
    pub(super) message: Arc<Message>,
}

/// Why a message is refused while it still arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    TooBig,
    Spool,
}

/// Content that has arrived and may be taken.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) body: Body,
    /// Why it touched disk.
    pub(super) reasons: Vec<DiskReason>,
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

impl Content {
    /// Content that is held.
    pub(super) fn held<A>(
        id: MessageId,
        settings: &Arc<Settings>,
        context: &SessionContext<A>,
    ) -> Self {
        let writer = BodyWriter::new(
            id,
            settings.memory_threshold_bytes,
            settings.over_threshold,
            &context.budget,
            &context.spool,
        );
        Self::into_sink(id, settings, context, Sink::Held(writer))
    }

    /// Content that goes straight through.
    pub(super) fn through<A>(
        through: Through,
        settings: &Arc<Settings>,
        context: &SessionContext<A>,
    ) -> Self {
        let id = through.message.id;
        Self::into_sink(id, settings, context, Sink::Through(through))
    }

    fn into_sink<A>(
        id: MessageId,
        settings: &Arc<Settings>,
        context: &SessionContext<A>,
        sink: Sink,
    ) -> Self {
        Self {
            id,
            settings: Arc::clone(settings),
            counters: Arc::clone(&context.counters),
            sink,
            refusal: None,
            header: HeaderScan::default(),
            bytes: 0,
            canonical: Vec::new(),
        }
    }

    /// Whether next hops wait for it.
    pub(super) fn goes_through(&self) -> bool {
        matches!(self.sink, Sink::Through(_))
    }

    /// Bytes that have come.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn id(&self) -> MessageId {
        self.id
    }

    /// A chunk of `bytes` is announced: one that is too large is not worth holding at all.
    pub(super) fn expect(&mut self, bytes: u64) {
        if self.bytes.saturating_add(bytes) > self.settings.message_size_max_bytes {
            self.refuse(Refusal::TooBig);
        }
    }

    /// Takes what stands in `canonical`. A message that is refused is read on without being held.
    ///
    /// # Errors
    /// When a refused message has no end.
    pub(super) async fn take(&mut self) -> Result<(), End> {
        if self.canonical.is_empty() {
            return Ok(());
        }
        self.bytes += self.canonical.len() as u64;
        let size_max = self.settings.message_size_max_bytes;
        if self.bytes > size_max {
            self.refuse(Refusal::TooBig);
        }
        if self.bytes > size_max + limits::READ_ON_BYTES {
            return Err(End::Say(Reply::message_too_big()));
        }
        match &mut self.sink {
            Sink::Held(writer) => {
                self.header.look(&self.canonical);
                let appended = writer.append(&self.canonical);
                match tokio::time::timeout(limits::SPOOL_WAIT, appended).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => self.spool_failed(&error),
                    Err(late) => self.spool_failed(&late.into()),
                }
            }
            Sink::Through(through) => {
                self.header.look(&self.canonical);
                through.passage.pass(&mut self.canonical).await;
            }
            Sink::Nowhere => {}
        }
        self.canonical.clear();
        Ok(())
    }

    /// The reply with which the message is refused already.
    pub(super) fn refusal(&self) -> Option<Reply> {
        self.refusal.map(|refusal| match refusal {
            Refusal::TooBig => Reply::message_too_big(),
            Refusal::Spool => Reply::insufficient_storage(),
        })
    }

    /// The real end of content was read that is held.
    ///
    /// # Errors
    /// The reply to a message that is not taken.
    pub(super) async fn finish(mut self, findings: Findings) -> Result<Arrived, Refused> {
        self.judge(&findings)?;
        let (body, reasons) = self.finish_writer().await?;
        self.counters.normalised(&findings);
        Ok(Arrived {
            body,
            reasons,
            eight_bit: findings.eight_bit,
            eight_bit_header: self.header.eight_bit(),
        })
    }

    /// The real end of content was read that went through; none: it is held.
    ///
    /// # Errors
    /// The reply to a message that is not taken: nobody gets its end.
    pub(super) fn finish_through(
        &mut self,
        findings: &Findings,
    ) -> Result<Option<Through>, Refused> {
        if !self.goes_through() {
            return Ok(None);
        }
        self.judge(findings)?;
        self.counters.normalised(findings);
        match std::mem::replace(&mut self.sink, Sink::Nowhere) {
            Sink::Through(through) => Ok(Some(through)),
            Sink::Held(_) | Sink::Nowhere => Ok(None),
        }
    }

    /// Whether a message may be taken that has come whole.
    fn judge(&self, findings: &Findings) -> Result<(), Refused> {
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
        if self.header.hops() > limits::HOPS {
            return Err(Refused::and_go_on(Reply::loop_detected()));
        }
        Ok(())
    }

    async fn finish_writer(&mut self) -> Result<(Body, Vec<DiskReason>), Refused> {
        let Sink::Held(writer) = std::mem::replace(&mut self.sink, Sink::Nowhere) else {
            return Err(Refused::and_go_on(Reply::local_error()));
        };
        let finished = match tokio::time::timeout(limits::SPOOL_WAIT, writer.finish()).await {
            Ok(finished) => finished,
            Err(late) => Err(late.into()),
        };
        finished.map_err(|error| {
            self.spool_failed(&error);
            Refused::and_go_on(Reply::insufficient_storage())
        })
    }

    /// A local fault never becomes a 5xx.
    fn spool_failed(&mut self, error: &std::io::Error) {
        tracing::error!(id = %self.id, %error, "the spool does not take a message; its client is told to try again later");
        self.counters.spool_failures.increment();
        self.refuse(Refusal::Spool);
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
        self.sink = Sink::Nowhere;
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
