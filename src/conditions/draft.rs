//! A message while conditions look at it and change it.
//!
//! The message that arrived stays as it is, for its fingerprint; what travels in its place shares its
//! content. A header that is rewritten stands in the prefix, and the content travels from behind it on.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::time::Instant;

use super::draft_reader::{DraftReader, beginning};
use super::facts::EnvelopeFacts;
use super::header::{Field, Header};
use super::new_body::NewBody;
use super::resources::CheckResources;
use super::service::Asker;
use super::verdict::{Edit, RecipientCopy};
use crate::limits;
use crate::message::{Body, BodyReader, Envelope, Message, Recipient, Reservation};
use crate::settings::conditions::WhenUnavailable;
use crate::smtp::address::Mailbox;
use crate::smtp::reply::Reply;

/// A message with the changes made so far.
#[derive(Debug)]
pub(super) struct Draft {
    arrived: Arc<Message>,
    /// The header as it arrived.
    header: Header,
    /// Sender and recipients as they are now.
    pub(super) envelope: Envelope,
    /// The fields as they are now, our Received aside.
    fields: Vec<Field>,
    /// So many of them stand before those that arrived.
    prepended: usize,
    /// Those that arrived are not as they were.
    is_rewritten: bool,
    /// What stands behind the header, when it is not what arrived.
    body: Option<NewBody>,
    /// What some recipients get in the place of the message.
    copies: Vec<RecipientCopy>,
    names_recipients: bool,
    is_changed: bool,
    /// Recipients that are refused by themselves, and why.
    refused: Vec<(Recipient, Reply)>,
    /// What the header holds beyond [`limits::DRAFT_BYTES`].
    share: Reservation,
}

impl Draft {
    /// The message as it arrived, with its header read.
    ///
    /// # Errors
    /// When its content cannot be read; [`io::ErrorKind::OutOfMemory`] when the memory budget has nothing for
    /// a header of this size.
    pub(super) async fn of(arrived: Arc<Message>) -> io::Result<Self> {
        let mut share = arrived.body.another_share();
        let beginning = beginning(&arrived, &mut share).await?;
        let header = match beginning.len() as u64 == arrived.body.len() {
            true => Header::read_whole(&beginning),
            false => Header::read(&beginning),
        };
        drop(beginning);
        share.clear();
        let bytes = header.memory_bytes().saturating_sub(limits::DRAFT_BYTES);
        if bytes > 0 && !share.grow(bytes) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(Self {
            share,
            envelope: arrived.envelope.clone(),
            fields: header.fields.to_vec(),
            prepended: 0,
            is_rewritten: false,
            body: None,
            copies: Vec::new(),
            names_recipients: false,
            is_changed: false,
            refused: Vec::new(),
            header,
            arrived,
        })
    }

    pub(super) fn arrived(&self) -> &Arc<Message> {
        &self.arrived
    }

    /// What is known of it without its content, as it is now.
    pub(super) fn envelope_facts(&self) -> EnvelopeFacts<'_> {
        EnvelopeFacts {
            client: &self.arrived.client,
            sender: &self.envelope.sender,
            recipients: &self.envelope.recipients,
            declared_size: None,
        }
    }

    /// Asks a service about it until `deadline`; says what becomes of it without an answer.
    pub(super) fn asker(&self, deadline: Instant, when_unavailable: WhenUnavailable) -> Asker {
        Asker {
            party: self.arrived.client.party(),
            deadline,
            when_unavailable,
        }
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The header fields as they are now, our Received aside.
    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Where the header ends is known.
    pub(super) fn has_whole_header(&self) -> bool {
        self.header.is_whole || self.body.is_some()
    }

    /// All of its header was read.
    pub(super) fn has_readable_header(&self) -> bool {
        self.header.is_whole || self.arrived.body.len() <= limits::HEADER_BYTES as u64
    }

    /// Takes the fields out that came with the message and that only we may write: a tag means something
    /// to those behind us only if no sender can write it.
    pub(super) fn forged(&self, tags: &'static [&'static str]) -> impl Iterator<Item = Edit> {
        let came = |tag: &&&str| self.fields.iter().any(|field| field.is_named(tag));
        tags.iter().filter(came).map(|tag| Edit::RemoveAll(tag))
    }

    /// Recipients that are refused by themselves, and why: their sender gets a report.
    pub(super) fn refused(&self) -> &[(Recipient, Reply)] {
        &self.refused
    }

    /// Makes changes, all of them.
    ///
    /// # Errors
    /// When one of them cannot be made.
    pub(super) fn apply(&mut self, edits: Vec<Edit>) -> Result<(), NotApplied> {
        // A milter may add thousands: a set finds those that are there already.
        let mut known = None;
        for edit in edits {
            self.is_changed = true;
            match edit {
                Edit::AddRecipient(recipient) => {
                    let recipients = &mut self.envelope.recipients;
                    let known = known.get_or_insert_with(|| addresses(recipients));
                    if known.insert(recipient.address.clone()) {
                        if recipients.len() >= limits::RECIPIENTS_ADDED_TO {
                            return Err(NotApplied::TooManyRecipients);
                        }
                        recipients.push(recipient);
                    }
                }
                Edit::ReplaceBody(body) => {
                    self.body = Some(body);
                    // A new body has no header before it: the old one stands in the prefix.
                    self.is_rewritten = true;
                }
                Edit::Copies(copies) => self.copies = copies,
                Edit::NameRecipients => self.names_recipients = true,
                Edit::Prepend(field) => {
                    self.fields.insert(0, field);
                    self.prepended += 1;
                }
                Edit::Insert(position, field) => {
                    let fields = self.rewritten()?;
                    fields.insert(position.min(fields.len()), field);
                }
                Edit::Change(name, nth, field) => match self.place_of(&name, nth) {
                    Some(place) => self.rewritten()?[place] = field,
                    None => self.rewritten()?.push(field),
                },
                Edit::Remove(name, nth) => {
                    let place = self.place_of(&name, nth);
                    let fields = self.rewritten()?;
                    place.map(|place| fields.remove(place));
                }
                Edit::RemoveAll(name) => self.rewritten()?.retain(|field| !field.is_named(name)),
                Edit::Sender(sender) => self.envelope.sender = sender,
                other => {
                    known = None;
                    self.readdress(other);
                }
            }
        }
        Ok(())
    }

    /// The fields, for a change of those that arrived. A header whose end was not found stays as it is.
    fn rewritten(&mut self) -> Result<&mut Vec<Field>, NotApplied> {
        if !self.header.is_whole && !self.is_rewritten {
            return Err(NotApplied::EndlessHeader);
        }
        self.is_rewritten = true;
        Ok(&mut self.fields)
    }

    fn place_of(&self, name: &str, nth: usize) -> Option<usize> {
        let fields = self.fields.iter().enumerate();
        let mut named = fields.filter(|(_, field)| field.is_named(name));
        named.nth(nth.saturating_sub(1)).map(|(place, _)| place)
    }

    /// Changes of the recipients.
    fn readdress(&mut self, edit: Edit) {
        let recipients = &mut self.envelope.recipients;
        match edit {
            Edit::RemoveRecipient(address) => recipients.retain(|one| one.address != address),
            Edit::RefuseRecipient(address, reply) => {
                let refused = recipients.extract_if(.., |one| one.address == address);
                let refused = refused.map(|recipient| (recipient, reply.clone()));
                self.refused.extend(refused);
            }
            Edit::Redirect(address) => *recipients = vec![Recipient::plain(address)],
            Edit::Direct {
                recipient,
                mail_host,
                address,
            } => {
                if let Some(recipient) = recipients.get_mut(recipient) {
                    recipient.mail_host = mail_host;
                    recipient.address = address.unwrap_or_else(|| recipient.address.clone());
                }
            }
            _ => unreachable!("only changes of recipients come here"),
        }
    }

    /// What stands before the content: our Received field, and the fields that are not in the content.
    fn prefix(&self) -> Bytes {
        let count = match self.is_rewritten {
            true => self.fields.len(),
            false => self.prepended,
        };
        self.prefix_with(&self.fields[..count])
    }

    fn prefix_with(&self, fields: &[Field]) -> Bytes {
        let mut prefix = BytesMut::from(&self.arrived.prefix[..]);
        for field in fields {
            prefix.extend_from_slice(field.raw());
        }
        let bytes = prefix.len() as u64;
        if bytes <= limits::DRAFT_BYTES {
            return prefix.freeze();
        }
        // It goes with the message, wherever that goes. Headers are bounded, and this one is there already.
        let mut share = self.share.another();
        share.grow_regardless(bytes);
        share.held_by(prefix)
    }

    /// The message as it travels now; the one that arrived when nothing was changed.
    pub(super) fn message(&self) -> Arc<Message> {
        if !self.is_changed {
            return Arc::clone(&self.arrived);
        }
        let (body, eight_bit, content_from) = match (&self.body, self.is_rewritten) {
            (Some(new), _) => (&new.body, new.eight_bit, 0),
            (None, false) => (&self.arrived.body, self.arrived.eight_bit, 0),
            (None, true) => {
                let behind_header = self.header.bytes as u64;
                (&self.arrived.body, self.arrived.eight_bit, behind_header)
            }
        };
        Arc::new(Message {
            content_from,
            ..self.travelling(self.envelope.clone(), self.prefix(), body, eight_bit)
        })
    }

    /// A message that travels in the place of the one that arrived; `eight_bit`: its body is.
    fn travelling(
        &self,
        envelope: Envelope,
        prefix: Bytes,
        body: &Arc<Body>,
        eight_bit: bool,
    ) -> Message {
        Message {
            envelope,
            for_clause_at: self.for_clause_at(),
            eight_bit: eight_bit || !prefix.is_ascii(),
            prefix,
            body: Arc::clone(body),
            content_from: 0,
            needs_smtputf8: self.needs_smtputf8(),
            ..(*self.arrived).clone()
        }
    }

    /// The messages as they travel now. One keeps the name of the message that arrived; of several each
    /// has a name of its own.
    pub(super) fn messages(&self, tools: &CheckResources) -> Vec<Arc<Message>> {
        if self.copies.is_empty() {
            return vec![self.message()];
        }
        let all = &self.envelope.recipients;
        let in_copies = |recipient: &Recipient| {
            let mut copies = self.copies.iter();
            copies.any(|copy| copy.recipients.contains(&recipient.address))
        };
        let rest: Vec<Recipient> = all.iter().filter(|one| !in_copies(one)).cloned().collect();
        let copies = self.copies.iter().map(|copy| self.copy(copy));
        let mut messages: Vec<Message> = copies.collect();
        if !rest.is_empty() {
            let mut unchanged = (*self.message()).clone();
            unchanged.envelope.recipients = rest;
            messages.push(unchanged);
        }
        if messages.len() > 1 {
            for message in &mut messages {
                message.id = tools.ids.next(Timestamp::now());
            }
        }
        messages.into_iter().map(Arc::new).collect()
    }

    fn copy(&self, copy: &RecipientCopy) -> Message {
        let mut envelope = self.envelope.clone();
        let recipients = &mut envelope.recipients;
        recipients.retain(|recipient| copy.recipients.contains(&recipient.address));
        let prefix = self.prefix_with(&copy.fields);
        self.travelling(envelope, prefix, &copy.body, false)
    }

    fn needs_smtputf8(&self) -> bool {
        let mut recipients = self.envelope.recipients.iter();
        self.arrived.needs_smtputf8
            || self.envelope.sender.needs_smtputf8()
            || recipients.any(|recipient| recipient.address.needs_smtputf8())
    }

    /// RFC 5321 §4.4: the clause stands before the semicolon of our Received field, which is the first
    /// thing in the prefix.
    fn for_clause_at(&self) -> Option<usize> {
        match self.names_recipients {
            true => memchr::memchr(b';', &self.arrived.prefix),
            false => None,
        }
    }

    /// Reads the message as it would travel now, our Received field first.
    pub(super) fn reader(&self) -> DraftReader {
        let message = self.message();
        DraftReader {
            prefix: Some(message.prefix.clone()),
            body: Some(BodyReader::new(message)),
        }
    }

    /// Reads what stands behind the header fields as it is now: the empty line first, when there is one.
    pub(super) fn body_reader(&self) -> DraftReader {
        let (body, content_from) = match &self.body {
            Some(new) => (&new.body, 0),
            None => (&self.arrived.body, self.header.bytes as u64),
        };
        let message = Message {
            body: Arc::clone(body),
            content_from,
            ..(*self.arrived).clone()
        };
        DraftReader {
            prefix: None,
            body: Some(BodyReader::new(Arc::new(message))),
        }
    }
}

fn addresses(recipients: &[Recipient]) -> HashSet<Mailbox> {
    let recipients = recipients.iter();
    recipients.map(|one| one.address.clone()).collect()
}

/// Why a change is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotApplied {
    /// There are more than [`limits::RECIPIENTS_ADDED_TO`].
    #[error("there would be too many recipients")]
    TooManyRecipients,
    /// Where the header ends is not known.
    #[error("a header without an end is not rewritten")]
    EndlessHeader,
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
