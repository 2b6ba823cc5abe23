//! Messages for the tests of all rooms. What a test wants otherwise it says with a struct update:
//! `Message { eight_bit: true, ..message("a@example.org", &["b@example.net"], b"\r\n") }`.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::{Body, Client, Envelope, MemoryBudget, Message, MessageId, Recipient, Reservation};
use crate::smtp::address::{Mailbox, ReversePath};
use crate::smtp::command::BodyType;

/// A mailbox.
pub(crate) fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).expect("a mailbox")
}

/// Recipients without parameters.
pub(crate) fn recipients(addresses: &[&str]) -> Vec<Recipient> {
    let addresses = addresses.iter();
    addresses
        .map(|address| Recipient::plain(mailbox(address)))
        .collect()
}

/// Content in memory.
pub(crate) fn body(content: &[u8]) -> Arc<Body> {
    let reservation = Reservation::empty(MemoryBudget::new(1 << 30));
    let head = vec![Bytes::copy_from_slice(content)];
    Arc::new(Body::in_memory(head, reservation))
}

/// A message from 192.0.2.1, held in memory, without a Received field.
pub(crate) fn message(sender: &str, to: &[&str], content: &[u8]) -> Message {
    Message {
        id: MessageId::from_i64(1),
        received_at: Timestamp::UNIX_EPOCH,
        client: Client {
            address: Some([192, 0, 2, 1].into()),
            helo: "client.example.org".into(),
            login: None,
        },
        envelope: Envelope {
            sender: ReversePath::parse(sender).expect("a path"),
            recipients: recipients(to),
            body_type: BodyType::SevenBit,
            smtputf8: false,
            ret: None,
            envelope_id: None,
        },
        prefix: Bytes::new(),
        body: body(content),
        content_from: 0,
        for_clause_at: None,
        eight_bit: false,
        needs_smtputf8: false,
    }
}

/// The same as it is handed on.
pub(crate) fn arc_message(sender: &str, to: &[&str], content: &[u8]) -> Arc<Message> {
    Arc::new(message(sender, to, content))
}
