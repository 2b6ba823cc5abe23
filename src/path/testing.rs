//! Messages for the tests of the paths.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::message::{
    Body, Client, Envelope, MemoryBudget, Message, MessageId, Recipient, Reservation,
};
use crate::smtp::address::{Mailbox, ReversePath};
use crate::smtp::command::BodyType;

/// A message from 192.0.2.1, held in memory.
pub(super) fn message(sender: &str, recipients: &[&str], content: &'static [u8]) -> Arc<Message> {
    let recipients = recipients
        .iter()
        .map(|address| Recipient::plain(Mailbox::parse(address).expect("a mailbox")));
    let reservation = Reservation::empty(MemoryBudget::new(1 << 20));
    Arc::new(Message {
        id: MessageId::from_i64(1),
        received_at: Timestamp::UNIX_EPOCH,
        client: Client {
            address: Some("192.0.2.1".parse().expect("an address")),
            helo: "client.example.org".into(),
            login: None,
        },
        envelope: Envelope {
            sender: ReversePath::parse(sender).expect("a path"),
            recipients: recipients.collect(),
            body_type: BodyType::SevenBit,
            smtputf8: false,
            ret: None,
            envelope_id: None,
        },
        prefix: Bytes::new(),
        body: Arc::new(Body::in_memory(
            vec![Bytes::from_static(content)],
            reservation,
        )),
        content_from: 0,
        for_clause_at: None,
        eight_bit: false,
        needs_smtputf8: false,
    })
}
