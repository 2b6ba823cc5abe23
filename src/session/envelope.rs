//! The envelope as it grows: MAIL opens it, each RCPT adds a recipient, and the data closes it.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::content::Arrived;
use super::context::{Peer, SessionContext};
use crate::limits;
use crate::message::received::{self, With};
use crate::message::{Body, Client, Envelope, Message, MessageId, Recipient, Reservation};
use crate::path::{Opening, Way};
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

/// An envelope with a sender and no recipient yet.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) identity: Identity,
    pub(super) mail: MailCommand,
    /// The settings for the whole of this transaction.
    pub(super) settings: Arc<Settings>,
    /// Which ones they are.
    pub(super) generation: u64,
    /// A recipient was given, and refused.
    pub(super) refused_recipient: bool,
    /// One of those that were refused may be taken another time.
    pub(super) deferred_recipient: bool,
    /// The path that is chosen where the message comes in.
    pub(super) path: PathChoice,
    /// The way of its content, as far as it is decided.
    pub(super) way: Way,
    received_at: Timestamp,
}

/// An envelope with a sender and at least one recipient.
#[derive(Debug)]
pub(super) struct Addressed {
    pub(super) opened: Box<Opened>,
    recipients: Vec<Recipient>,
    /// What the recipients hold, all in all.
    bytes: u64,
    /// What they hold beyond [`limits::ENVELOPE_BYTES`]; none while that is nothing.
    share: Option<Reservation>,
}

impl Opened {
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
            return Err(Reply::login_does_not_hold());
        }
        let generation = context.settings.generation();
        let settings = context.settings.snapshot();
        // RFC 1870 §6.1: a size that is known to be too large is refused here already.
        if mail
            .size
            .is_some_and(|size| size > settings.message_size_max_bytes)
        {
            return Err(Reply::message_too_big());
        }
        if !(context.takes_mail)() {
            return Err(Reply::insufficient_storage());
        }
        let opened = Self {
            identity,
            mail,
            refused_recipient: false,
            deferred_recipient: false,
            path: settings
                .listener(peer.listener)
                .and_then(|entry| entry.path)
                .unwrap_or(settings.path),
            way: Way::Undecided,
            settings,
            generation,
            received_at: Timestamp::now(),
        };
        match opened.lacks_disk(context) {
            true => Err(Reply::insufficient_storage()),
            false => Ok(Box::new(opened)),
        }
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

    /// Whether somebody has to be asked about a recipient before RCPT is answered.
    pub(super) fn asks_about(&self, recipient: &Recipient) -> bool {
        let leads_through = match self.way {
            Way::Undecided => {
                let own = self.settings.conditions().leads_through;
                own || self.path == PathChoice::CutThrough
            }
            Way::Held(_) => false,
            Way::NotTaken(_) | Way::Through(_) => true,
        };
        leads_through || self.settings.is_asked_at_rcpt(&recipient.address)
    }

    /// The message as far as it is known before its recipients.
    pub(super) fn opening(&self, peer: &Peer) -> Opening {
        Opening {
            client: client_of(&self.identity, peer),
            envelope: envelope_of(self.mail.clone(), Vec::new()),
            declared_size: self.mail.size,
            path: self.path,
        }
    }

    /// The envelope with the first recipient that is accepted.
    pub(super) fn addressed_to(self: Box<Self>, recipient: Recipient) -> Addressed {
        Addressed {
            opened: self,
            bytes: recipient.memory_bytes(),
            recipients: vec![recipient],
            share: None,
        }
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
                .map_err(|_| Reply::relay_denied())?,
            ForwardPath::Mailbox(mailbox) => {
                let serves = |settings: &Settings| peer.may_send_to(&mailbox, settings);
                let is_same = self.generation == context.settings.generation();
                let served =
                    serves(&self.settings) && (is_same || serves(&context.settings.snapshot()));
                // A trick is refused to everybody: the next hop may undo it and relay further.
                if !served || mailbox.has_relay_trick() {
                    return Err(Reply::relay_denied());
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
        self.recipients.len() >= limits::RECIPIENTS
    }

    /// Has memory for a further recipient, if the budget does. An ordinary envelope does not ask.
    pub(super) fn has_memory_for<A>(
        &mut self,
        recipient: &Recipient,
        peer: &Peer,
        context: &SessionContext<A>,
    ) -> bool {
        let bytes = self.bytes + recipient.memory_bytes();
        let beyond = bytes.saturating_sub(limits::ENVELOPE_BYTES);
        if beyond == 0 {
            return true;
        }
        let standing = peer.standing(&self.opened.settings);
        let empty = || Reservation::of(Arc::clone(&context.budget), standing);
        let share = self.share.get_or_insert_with(empty);
        let more = beyond.saturating_sub(share.bytes());
        more == 0 || share.grow(more.next_multiple_of(limits::ENVELOPE_BYTES))
    }

    /// A further recipient.
    pub(super) fn add(&mut self, recipient: Recipient) {
        self.bytes += recipient.memory_bytes();
        self.recipients.push(recipient);
    }

    /// Whom it is for.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Mailbox> {
        self.recipients.iter().map(|recipient| &recipient.address)
    }

    /// How many recipients there are.
    pub(super) fn recipients(&self) -> usize {
        self.recipients.len()
    }

    /// The name of the message that the data will be.
    pub(super) fn next_id<A>(&self, context: &SessionContext<A>) -> MessageId {
        context.ids.next(self.opened.received_at)
    }

    /// The message, now that its content has arrived.
    pub(super) fn message(
        self,
        id: MessageId,
        mut arrived: Arrived,
        peer: &Peer,
        hostname: &str,
    ) -> Message {
        let Self {
            opened,
            recipients,
            share,
            ..
        } = self;
        if let Some(share) = share {
            arrived.body.hold(share);
        }
        let Opened {
            identity,
            mail,
            received_at,
            ..
        } = *opened;
        let envelope = envelope_of(mail, recipients);
        compose(
            id,
            &identity,
            envelope,
            received_at,
            arrived,
            peer,
            hostname,
        )
    }

    /// The message before its content, which nobody is going to hold.
    pub(super) fn announced<A>(
        &self,
        id: MessageId,
        peer: &Peer,
        context: &SessionContext<A>,
    ) -> Message {
        let Opened {
            identity,
            mail,
            received_at,
            ..
        } = &*self.opened;
        let nothing = Arrived {
            body: Body::in_memory(Vec::new(), Reservation::empty(Arc::clone(&context.budget))),
            reasons: Vec::new(),
            eight_bit: false,
            eight_bit_header: false,
        };
        let envelope = envelope_of(mail.clone(), self.recipients.clone());
        let hostname = &context.hostname;
        compose(
            id,
            identity,
            envelope,
            *received_at,
            nothing,
            peer,
            hostname,
        )
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
    identity: &Identity,
    envelope: Envelope,
    received_at: Timestamp,
    arrived: Arrived,
    peer: &Peer,
    hostname: &str,
) -> Message {
    let client = client_of(identity, peer);
    let with = With {
        protocol: peer.protocol,
        extended: identity.extended,
        tls: peer.tls,
        authenticated: peer.login.is_some(),
        smtputf8: envelope.smtputf8,
    };
    let prefix: Bytes = received::field(&client, with, hostname, id, received_at);
    // RFC 6531 §3.5: what needs the extension is an address or a field, not the parameter.
    let needs_smtputf8 = envelope.smtputf8
        && (arrived.eight_bit_header
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
        body: Arc::new(arrived.body),
        content_from: 0,
        for_clause_at: None,
        eight_bit: arrived.eight_bit,
        needs_smtputf8,
    }
}
