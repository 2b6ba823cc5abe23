//! The envelope as it grows: MAIL opens it, each RCPT adds a recipient, and the data closes it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;

use super::content::ReceivedContent;
use super::context::{Peer, SessionContext};
use crate::limits;
use crate::message::received::{self, With};
use crate::message::{Body, Client, Envelope, Message, MessageId, Recipient, Reservation};
use crate::path::{CutThroughStart, DeliveryMode};
use crate::settings::{PathChoice, Settings};
use crate::smtp::address::{ForwardPath, Mailbox};
use crate::smtp::command::{BodyType, MailCommand, RcptCommand};
use crate::smtp::reply::Reply;

/// A client that has said who it is.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// What it calls itself.
    pub(super) helo: Arc<str>,
    /// By EHLO, not HELO.
    pub(super) extended: bool,
}

/// What MAIL began, and what holds to the end of the transaction.
#[derive(Debug)]
pub(super) struct MailTransaction {
    pub(super) identity: Identity,
    pub(super) mail: MailCommand,
    /// The settings for the whole of this transaction.
    pub(super) settings: Arc<Settings>,
    /// Their generation.
    pub(super) generation: u64,
    /// The path that is chosen where the message comes in.
    pub(super) path: PathChoice,
    pub(super) received_at: Timestamp,
}

/// An envelope with a sender and no recipient yet.
#[derive(Debug)]
pub(super) struct OpenEnvelope {
    pub(super) transaction: MailTransaction,
    /// Where its content goes, as far as it is decided.
    pub(super) mode: DeliveryMode,
    /// A recipient was given, and refused.
    pub(super) refused_recipient: bool,
    /// One of those that were refused may be taken another time.
    pub(super) deferred_recipient: bool,
}

/// An envelope with a sender and at least one recipient.
#[derive(Debug)]
pub(super) struct Addressed {
    pub(super) opened: Box<OpenEnvelope>,
    recipients: Recipients,
}

/// An envelope to which no recipient is added any more: its content has begun.
#[derive(Debug)]
pub(super) struct CompleteEnvelope {
    pub(super) transaction: MailTransaction,
    recipients: Recipients,
}

/// The recipients of an envelope.
#[derive(Debug)]
struct Recipients {
    list: Vec<Recipient>,
    /// What they hold, all in all.
    bytes: u64,
    /// What they hold beyond [`limits::ENVELOPE_BYTES`]; none while that is nothing.
    share: Option<Reservation>,
}

impl OpenEnvelope {
    /// MAIL.
    ///
    /// # Errors
    /// The reply to a sender whose message we would not take.
    pub(super) fn new<A>(
        identity: Identity,
        mail: MailCommand,
        peer: &Peer,
        context: &SessionContext<A>,
    ) -> Result<Box<Self>, Reply> {
        if peer.has_lost_login {
            return Err(Reply::LOGIN_DOES_NOT_HOLD);
        }
        let generation = context.settings.generation();
        let settings = context.settings.snapshot();
        // RFC 1870 §6.1: a size that is known to be too large is refused here already.
        if mail
            .size
            .is_some_and(|size| size > settings.message_size_max_bytes)
        {
            return Err(Reply::MESSAGE_TOO_BIG);
        }
        if !(context.takes_mail)() {
            return Err(Reply::INSUFFICIENT_STORAGE);
        }
        let transaction = MailTransaction {
            identity,
            mail,
            path: settings
                .listener(peer.listener)
                .and_then(|entry| entry.path)
                .unwrap_or(settings.path),
            settings,
            generation,
            received_at: Timestamp::now(),
        };
        if transaction.lacks_disk(context) {
            return Err(Reply::INSUFFICIENT_STORAGE);
        }
        Ok(Box::new(Self {
            transaction,
            mode: DeliveryMode::Undecided,
            refused_recipient: false,
            deferred_recipient: false,
        }))
    }

    /// Whether the directory or a next hop is asked about a recipient before RCPT is answered.
    pub(super) fn asks_about(&self, recipient: &Recipient) -> bool {
        let settings = &self.transaction.settings;
        let may_cut_through = match self.mode {
            DeliveryMode::Undecided => {
                let own = settings.conditions().leads_through;
                own || self.transaction.path == PathChoice::CutThrough
            }
            DeliveryMode::Spooled(_) => false,
            DeliveryMode::Rejected(_) | DeliveryMode::CutThrough(_) => true,
        };
        may_cut_through || settings.is_asked_at_rcpt(&recipient.address)
    }

    /// Until when next hops wait for the client, whatever it says meanwhile; none: no next hop does.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.mode {
            DeliveryMode::CutThrough(transaction) => Some(transaction.deadline()),
            DeliveryMode::Undecided | DeliveryMode::Spooled(_) | DeliveryMode::Rejected(_) => None,
        }
    }

    /// The envelope with the first recipient that is accepted.
    pub(super) fn addressed_to(self: Box<Self>, recipient: Recipient) -> Addressed {
        let recipients = Recipients {
            bytes: recipient.memory_bytes(),
            list: vec![recipient],
            share: None,
        };
        Addressed {
            opened: self,
            recipients,
        }
    }
}

impl MailTransaction {
    /// The message as far as it is known before its recipients.
    pub(super) fn cut_through_start(&self, peer: &Peer) -> CutThroughStart {
        CutThroughStart {
            client: client_of(&self.identity, peer),
            envelope: envelope_of(self.mail.clone(), Vec::new()),
            declared_size: self.mail.size,
            path: self.path,
        }
    }

    /// Who sends the message, and the Received field that says so.
    fn arrival(&self, id: MessageId, peer: &Peer, hostname: &str) -> (Client, Bytes) {
        let client = client_of(&self.identity, peer);
        let with = With {
            protocol: peer.protocol,
            extended: self.identity.extended,
            tls: peer.tls,
            authenticated: peer.login.is_some(),
            smtputf8: self.mail.smtputf8,
        };
        let field = received::field(&client, with, hostname, id, self.received_at);
        (client, field)
    }

    /// The message will need the disk, whatever becomes of it, and there is no room for new mail. One that
    /// may stay in memory, or goes straight through, is taken: it is stored only when it cannot be
    /// delivered, and then its client hears that it was not.
    pub(super) fn lacks_disk<A>(&self, context: &SessionContext<A>) -> bool {
        let is_large = |size: u64| size > self.settings.memory_threshold_bytes;
        let needs_disk = match self.path {
            PathChoice::Standard => true,
            PathChoice::Fast => self.mail.size.is_some_and(is_large),
            PathChoice::CutThrough => false,
        };
        needs_disk && !context.spool.room().is_there()
    }

    /// Whom a RCPT names, if this client may send there through us: by the settings of this transaction,
    /// and by those that are in force by now.
    ///
    /// # Errors
    /// The reply to a recipient we do not serve.
    pub(super) fn recipient<A>(
        &self,
        rcpt: RcptCommand,
        peer: &Peer,
        context: &SessionContext<A>,
    ) -> Result<Recipient, Reply> {
        let hostname = &context.hostname;
        let address = match rcpt.to {
            // RFC 5321 §4.5.1: every server takes mail for its postmaster, named without a domain.
            ForwardPath::Postmaster => Mailbox::parse(&format!("postmaster@{hostname}"))
                .map_err(|_| Reply::RELAY_DENIED)?,
            ForwardPath::Mailbox(mailbox) => {
                let serves = |settings: &Settings| peer.may_send_to(&mailbox, settings);
                let is_same = self.generation == context.settings.generation();
                let served =
                    serves(&self.settings) && (is_same || serves(&context.settings.snapshot()));
                // A trick is refused to everybody: the next hop may undo it and relay further.
                if !served || mailbox.has_relay_trick() {
                    return Err(Reply::RELAY_DENIED);
                }
                mailbox
            }
        };
        Ok(Recipient {
            address,
            notify: rcpt.notify,
            original_recipient: rcpt.original_recipient,
            mail_host: None,
        })
    }
}

impl Addressed {
    /// No further recipient is taken.
    pub(super) fn is_full(&self) -> bool {
        self.recipients.list.len() >= limits::RECIPIENTS
    }

    /// Has memory for a further recipient, if the budget does. An ordinary envelope does not ask.
    pub(super) fn has_memory_for<A>(
        &mut self,
        recipient: &Recipient,
        peer: &Peer,
        context: &SessionContext<A>,
    ) -> bool {
        let bytes = self.recipients.bytes + recipient.memory_bytes();
        let beyond = bytes.saturating_sub(limits::ENVELOPE_BYTES);
        if beyond == 0 {
            return true;
        }
        let standing = peer.standing(&self.opened.transaction.settings);
        let empty = || Reservation::of(Arc::clone(&context.budget), standing);
        let share = self.recipients.share.get_or_insert_with(empty);
        let more = beyond.saturating_sub(share.bytes());
        more == 0 || share.grow(more.next_multiple_of(limits::ENVELOPE_BYTES))
    }

    /// A further recipient.
    pub(super) fn add(&mut self, recipient: Recipient) {
        self.recipients.bytes += recipient.memory_bytes();
        self.recipients.list.push(recipient);
    }

    /// Whom it is for.
    pub(super) fn recipients(&self) -> &[Recipient] {
        &self.recipients.list
    }

    /// The content begins: the envelope, and where its content goes.
    pub(super) fn complete(self) -> (CompleteEnvelope, DeliveryMode) {
        let OpenEnvelope {
            transaction, mode, ..
        } = *self.opened;
        let envelope = CompleteEnvelope {
            transaction,
            recipients: self.recipients,
        };
        (envelope, mode)
    }
}

impl CompleteEnvelope {
    /// Whom it is for.
    pub(super) fn recipients(&self) -> &[Recipient] {
        &self.recipients.list
    }

    /// The message, now that its content has arrived.
    pub(super) fn message(
        self,
        id: MessageId,
        mut content: ReceivedContent,
        peer: &Peer,
        hostname: &str,
    ) -> Message {
        let Recipients { list, share, .. } = self.recipients;
        if let Some(share) = share {
            content.body.hold(share);
        }
        let received_at = self.transaction.received_at;
        let arrival = self.transaction.arrival(id, peer, hostname);
        let envelope = envelope_of(self.transaction.mail, list);
        compose(id, received_at, arrival, envelope, content)
    }

    /// The message before its content, of which nothing is kept.
    pub(super) fn announced<A>(
        &self,
        id: MessageId,
        peer: &Peer,
        context: &SessionContext<A>,
    ) -> Message {
        let nothing = ReceivedContent {
            body: Body::in_memory(Vec::new(), Reservation::empty(Arc::clone(&context.budget))),
            reasons: Vec::new(),
            obstacle: None,
            eight_bit: false,
            eight_bit_header: false,
        };
        let transaction = &self.transaction;
        let arrival = transaction.arrival(id, peer, &context.hostname);
        let envelope = envelope_of(transaction.mail.clone(), self.recipients.list.clone());
        compose(id, transaction.received_at, arrival, envelope, nothing)
    }
}

fn client_of(identity: &Identity, peer: &Peer) -> Client {
    Client {
        address: Some(peer.address),
        helo: Arc::clone(&identity.helo),
        login: peer.login.as_ref().map(|login| Arc::clone(login.name())),
    }
}

fn envelope_of(mail: MailCommand, recipients: Vec<Recipient>) -> Envelope {
    Envelope {
        sender: mail.from,
        recipients,
        body_type: mail.body.unwrap_or(BodyType::SevenBit),
        smtputf8: mail.smtputf8,
        ret: mail.ret,
        envelope_id: mail.envelope_id,
    }
}

fn compose(
    id: MessageId,
    received_at: Timestamp,
    (client, prefix): (Client, Bytes),
    envelope: Envelope,
    content: ReceivedContent,
) -> Message {
    // RFC 6531 §3.5: what needs the extension is an address or a field, not the parameter.
    let needs_smtputf8 = envelope.smtputf8
        && (content.eight_bit_header
            || envelope.sender.needs_smtputf8()
            || envelope
                .recipients
                .iter()
                .any(|recipient| recipient.address.needs_smtputf8()));
    Message {
        id,
        received_at,
        client,
        envelope,
        prefix,
        body: Arc::new(content.body),
        content_from: 0,
        for_clause_at: None,
        eight_bit: content.eight_bit,
        needs_smtputf8,
    }
}
