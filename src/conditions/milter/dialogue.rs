//! The conversation with a milter about one message: everything that it would have been told while the
//! client spoke with us, told at once, and what it says to that.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::change::Modification;
use super::changes::Changes;
use super::incoming::Incoming;
use super::packet::{Packet, put_packet};
use super::response::MilterResponse;
use super::stage::{Agreed, MilterStage, NEGOTIATE, offer};
use super::telling::{self, Announced};
use crate::conditions::new_body::NewBody;
use crate::conditions::service::ServiceError;
use crate::conditions::service_stream::ServiceStream;
use crate::conditions::words;
use crate::limits;
use crate::message::{Recipient, Reservation};
use crate::smtp::address::Mailbox;
use crate::smtp::reply::Reply;
use crate::system_error::in_words;

/// SMFIC_QUIT.
const QUIT: u8 = b'Q';
/// SMFIC_MACRO.
const MACRO: u8 = b'D';

/// What a milter makes of a message.
#[derive(Debug)]
pub(super) struct MilterOutcome {
    pub(super) end: MilterVerdict,
    /// Why the message is to be kept back, whatever else.
    pub(super) quarantine: Option<String>,
    /// Recipients that are refused by themselves.
    pub(super) refused: Vec<(Mailbox, Reply)>,
    /// Header fields that it was not shown, because they are too large for it.
    pub(super) unshown: usize,
    /// What it changes of header and envelope.
    pub(super) changes: Changes,
    /// Its new body, or why it found no place; none when there is no new one.
    pub(super) new_body: Option<io::Result<NewBody>>,
    /// See [`Agreed::keeps_leading_space`].
    pub(super) keeps_leading_space: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MilterVerdict {
    /// The message may pass.
    Passed,
    /// It is refused with this 5xx.
    Refused(Reply),
    /// It is put off with this 4xx.
    Deferred(Reply),
    /// Nobody is to get it, and nobody to be told.
    Discarded,
}

/// What a response means for the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    /// There is more to read.
    ReadOn,
    /// There is more to read, and this to keep.
    Quarantine(String),
    /// There is more to read, and this to do.
    Change(Modification),
    /// The next one may be told.
    GoOn,
    /// The next stage may be told.
    SkipRest,
    /// This recipient is refused; the next one may be told.
    RefuseRecipient(Reply),
    /// That was it.
    End(MilterVerdict),
}

/// Why a conversation does not go on: it came to its end, or to nothing.
#[derive(Debug)]
enum Interruption {
    End(MilterVerdict),
    Trouble(String),
    /// The message cannot be read.
    NotShown(String),
}

impl From<String> for Interruption {
    fn from(trouble: String) -> Self {
        Self::Trouble(trouble)
    }
}

/// Talks with a milter over a connection that is new, and says goodbye. The caller bounds how long that may
/// take.
///
/// # Errors
/// When it breaks off or talks nonsense, in words that follow the milter's name.
pub(super) async fn converse(
    stream: &mut (dyn ServiceStream + '_),
    told: Announced<'_>,
    new_body: Incoming,
) -> Result<MilterOutcome, ServiceError> {
    let mut wire = MilterConnection::over(stream, told.draft.arrived().body.another_share());
    let agreed = wire.negotiate().await?;
    let mut dialogue = Dialogue {
        wire,
        told,
        agreed,
        new_body,
        skipped: None,
        outcome: MilterOutcome {
            end: MilterVerdict::Passed,
            quarantine: None,
            refused: Vec::new(),
            unshown: 0,
            changes: Changes::default(),
            new_body: None,
            keeps_leading_space: agreed.keeps_leading_space(),
        },
    };
    let end = match dialogue.tell().await {
        Ok(end) | Err(Interruption::End(end)) => end,
        // Who negotiates is there: what breaks off later may be this message's fault.
        Err(Interruption::Trouble(why)) => return Err(ServiceError::Message(why)),
        Err(Interruption::NotShown(why)) => return Err(ServiceError::NotShown(why)),
    };
    dialogue.wire.quit().await;
    Ok(MilterOutcome {
        end,
        new_body: dialogue.new_body.finish().await,
        ..dialogue.outcome
    })
}

/// Agrees with a milter on what it would be told, tells it nothing, and says goodbye. The caller bounds how
/// long that may take.
///
/// # Errors
/// When there can be no conversation, in words that follow the milter's name.
pub(super) async fn negotiate(
    stream: &mut (dyn ServiceStream + '_),
    share: Reservation,
) -> Result<(), String> {
    let mut wire = MilterConnection::over(stream, share);
    wire.negotiate().await?;
    wire.quit().await;
    Ok(())
}

struct Dialogue<'a> {
    wire: MilterConnection<'a>,
    told: Announced<'a>,
    agreed: Agreed,
    new_body: Incoming,
    /// The rest of this stage is not wanted.
    skipped: Option<MilterStage>,
    /// So far; its end and its new body aside.
    outcome: MilterOutcome,
}

impl Dialogue<'_> {
    async fn tell(&mut self) -> Result<MilterVerdict, Interruption> {
        let told = self.told;
        let client = &told.draft.arrived().client;
        let (connect, helo) = (|| telling::connect(client), || telling::helo(client));
        self.stage(MilterStage::Connect, connect).await?;
        self.stage(MilterStage::Helo, helo).await?;
        let envelope = &told.draft.envelope;
        let mail = || telling::mail(envelope);
        self.stage(MilterStage::Mail, mail).await?;
        for recipient in &envelope.recipients {
            self.recipient(recipient).await?;
        }
        // Nobody is left: the last refusal is the message's.
        if self.outcome.refused.len() == envelope.recipients.len()
            && let Some((_, reply)) = self.outcome.refused.pop()
        {
            return Ok(MilterVerdict::Refused(reply));
        }
        self.stage(MilterStage::Data, Vec::new).await?;
        let keeps_leading_space = self.outcome.keeps_leading_space;
        for field in told.draft.fields() {
            // On a larger one it would close the connection, and the message could never be looked at.
            if field.raw().len() >= limits::MILTER_FIELD_BYTES {
                self.outcome.unshown += 1;
                continue;
            }
            let data = || telling::field(field, keeps_leading_space);
            self.stage(MilterStage::Field, data).await?;
        }
        self.stage(MilterStage::EndOfHeader, Vec::new).await?;
        self.body().await?;
        self.stage(MilterStage::EndOfBody, Vec::new).await?;
        Ok(MilterVerdict::Passed)
    }

    async fn recipient(&mut self, recipient: &Recipient) -> Result<(), Interruption> {
        let data = || telling::recipient(recipient);
        let turn = self.turn(MilterStage::Recipient, Some(recipient), data);
        if let Some(reply) = turn.await? {
            self.outcome
                .refused
                .push((recipient.address.clone(), reply));
        }
        Ok(())
    }

    /// The body behind the empty line, in chunks that a milter has room for.
    async fn body(&mut self) -> Result<(), Interruption> {
        if !self.agreed.wants(MilterStage::Body) {
            return Ok(());
        }
        let most = self.wire.chunk_bytes();
        let mut reader = self.told.draft.body_reader();
        let mut chunk = Vec::new();
        let mut is_at_empty_line = true;
        let unreadable = |error| Interruption::NotShown(words::unreadable(error));
        while let Some(block) = reader.next().await.map_err(unreadable)? {
            let mut rest = &block[..];
            while !rest.is_empty() {
                let room = most - chunk.len();
                let (front, back) = rest.split_at(rest.len().min(room));
                chunk.extend_from_slice(front);
                rest = back;
                if is_at_empty_line && chunk.len() >= EMPTY_LINE.len() {
                    // The empty line between header and body is neither's.
                    if chunk.starts_with(EMPTY_LINE) {
                        chunk.drain(..EMPTY_LINE.len());
                    }
                    is_at_empty_line = false;
                }
                if chunk.len() == most {
                    self.chunk(&mut chunk).await?;
                }
            }
            if self.skipped == Some(MilterStage::Body) {
                return Ok(());
            }
        }
        if !chunk.is_empty() {
            self.chunk(&mut chunk).await?;
        }
        Ok(())
    }

    async fn chunk(&mut self, chunk: &mut Vec<u8>) -> Result<(), Interruption> {
        let data = || std::mem::take(chunk);
        self.stage(MilterStage::Body, data).await?;
        chunk.clear();
        Ok(())
    }

    async fn stage(
        &mut self,
        stage: MilterStage,
        data: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), Interruption> {
        self.turn(stage, None, data).await.map(drop)
    }

    /// Tells one thing and hears what the milter says to it; the reply when a recipient is refused.
    async fn turn(
        &mut self,
        stage: MilterStage,
        to: Option<&Recipient>,
        data: impl FnOnce() -> Vec<u8>,
    ) -> Result<Option<Reply>, Interruption> {
        if self.skipped == Some(stage) || !self.agreed.knows(stage) {
            return Ok(None);
        }
        self.skipped = None;
        // Macros are sent for stages that are not wanted, too: later ones look them up.
        if let Some(macros) = telling::macros(stage, &self.told, to) {
            self.wire.put(MACRO, &macros).await?;
        }
        if !self.agreed.wants(stage) {
            return Ok(None);
        }
        self.wire.put(stage.command(), &data()).await?;
        if !self.agreed.answers(stage) {
            return Ok(None);
        }
        self.hear(stage).await
    }

    async fn hear(&mut self, stage: MilterStage) -> Result<Option<Reply>, Interruption> {
        loop {
            let response = MilterResponse::read(&self.wire.answer().await?)?;
            match meaning(stage, response)? {
                Meaning::ReadOn => {}
                Meaning::Quarantine(why) => self.outcome.quarantine = Some(why),
                Meaning::Change(Modification::Body(part)) => self.new_body.take(&part).await?,
                Meaning::Change(change) => self.outcome.changes.take(change)?,
                Meaning::GoOn => return Ok(None),
                Meaning::SkipRest => {
                    self.skipped = Some(stage);
                    return Ok(None);
                }
                Meaning::RefuseRecipient(reply) => return Ok(Some(reply)),
                Meaning::End(end) => return Err(Interruption::End(end)),
            }
        }
    }
}

const EMPTY_LINE: &[u8] = b"\r\n";

/// What a response means at a stage.
///
/// # Errors
/// When it means nothing there.
fn meaning(stage: MilterStage, response: MilterResponse) -> Result<Meaning, String> {
    let is_about_connection = matches!(stage, MilterStage::Connect | MilterStage::Helo);
    Ok(match response {
        MilterResponse::Continue => Meaning::GoOn,
        MilterResponse::Skip => Meaning::SkipRest,
        // The whole wait for a milter is bounded; within it, it may take its time.
        MilterResponse::Progress => Meaning::ReadOn,
        MilterResponse::Accept => Meaning::End(MilterVerdict::Passed),
        // In the words of Postfix, which operators of milters know.
        MilterResponse::Reject => refusal(stage, Reply::MILTER_REJECTED),
        MilterResponse::TemporaryFailure | MilterResponse::Disconnect => {
            let words = "Service unavailable - try again later";
            let reply = Reply::deferred_by_condition(words);
            Meaning::End(MilterVerdict::Deferred(reply))
        }
        MilterResponse::Reply(reply) if reply.is_permanent() => refusal(stage, reply),
        // A single recipient cannot be put off any more, and is not to be lost: the whole message is.
        MilterResponse::Reply(reply) => Meaning::End(MilterVerdict::Deferred(reply)),
        // libmilter, “SMFIS_DISCARD”: it means nothing about a connection.
        MilterResponse::Discard if is_about_connection => Meaning::GoOn,
        MilterResponse::Discard => Meaning::End(MilterVerdict::Discarded),
        MilterResponse::Quarantine(why) => Meaning::Quarantine(why),
        // That it has said beforehand which changes it might make is not insisted on: neither Sendmail
        // nor Postfix do, and there are milters that rely on it.
        MilterResponse::Change(change) if stage == MilterStage::EndOfBody => {
            Meaning::Change(change)
        }
        MilterResponse::Change(_) => {
            let name = stage.name();
            return Err(format!("it changes the message in answer to {name}"));
        }
    })
}

fn refusal(stage: MilterStage, reply: Reply) -> Meaning {
    match stage {
        MilterStage::Recipient => Meaning::RefuseRecipient(reply),
        _ => Meaning::End(MilterVerdict::Refused(reply)),
    }
}

/// The connection: packets go out collected, and come in whole.
struct MilterConnection<'a> {
    stream: &'a mut (dyn ServiceStream + 'a),
    out: Vec<u8>,
    received: BytesMut,
    /// What its buffers hold.
    share: Reservation,
}

impl<'a> MilterConnection<'a> {
    /// A connection that is new.
    fn over(stream: &'a mut (dyn ServiceStream + 'a), share: Reservation) -> Self {
        Self {
            stream,
            out: Vec::new(),
            received: BytesMut::new(),
            share,
        }
    }

    async fn negotiate(&mut self) -> Result<Agreed, String> {
        self.put(NEGOTIATE, &offer()).await?;
        Agreed::read(&self.answer().await?)
    }

    /// Bytes of a chunk of the body: fewer where there is no memory for one and for its packet.
    fn chunk_bytes(&mut self) -> usize {
        match self.share.grow(2 * limits::MILTER_CHUNK_BYTES as u64) {
            true => limits::MILTER_CHUNK_BYTES,
            false => limits::MILTER_CHUNK_LEAST_BYTES,
        }
    }

    async fn put(&mut self, command: u8, data: &[u8]) -> Result<(), String> {
        put_packet(&mut self.out, command, data);
        if self.out.len() >= limits::MILTER_WRITE_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), String> {
        self.stream.write_all(&self.out).await.map_err(broke)?;
        self.out.clear();
        self.stream.flush().await.map_err(broke)
    }

    /// The next packet of the milter, once it has everything of ours.
    async fn answer(&mut self) -> Result<Packet, String> {
        self.flush().await?;
        loop {
            if let Some(packet) = Packet::take(&mut self.received)? {
                return Ok(packet);
            }
            let read = self.stream.read_buf(&mut self.received).await;
            if read.map_err(broke)? == 0 {
                return Err("it closed the connection without an answer".to_owned());
            }
        }
    }

    /// Everything is said, and a milter that does not hear this will see the connection end.
    async fn quit(&mut self) {
        put_packet(&mut self.out, QUIT, &Bytes::new());
        if let Err(why) = self.flush().await {
            tracing::debug!(%why, "a milter does not hear our goodbye");
        }
    }
}

fn broke(error: io::Error) -> String {
    format!("the connection broke: {}", in_words(&error))
}

#[cfg(test)]
mod tests;
