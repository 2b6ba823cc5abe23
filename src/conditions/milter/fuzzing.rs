//! What a milter says, for the fuzzer.

use bytes::BytesMut;

use super::change::Modification;
use super::changes::Changes;
use super::packet::Packet;
use super::response::MilterResponse;
use super::text::Text;
use crate::conditions::header::Header;
use crate::conditions::verdict::Edit;

/// What a milter says is read, the same wherever it is cut. Of its changes each field is one field, and its new
/// body has no line ends but ours.
pub fn hear_milter(said: &[u8]) {
    let packets = packets(&[said]);
    let bytes: Vec<&[u8]> = said.chunks(1).collect();
    assert_eq!(self::packets(&bytes), packets);

    let mut changes = Changes::default();
    let mut text = Text::default();
    let mut body = Vec::new();
    for packet in &packets {
        match MilterResponse::read(packet) {
            Ok(MilterResponse::Change(Modification::Body(part))) => match text.next(&part) {
                Ok(block) => body.extend_from_slice(&block),
                Err(_) => break,
            },
            Ok(MilterResponse::Change(change)) => {
                if changes.take(change).is_err() {
                    break;
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
    body.extend_from_slice(&text.finish());
    for (at, &byte) in body.iter().enumerate() {
        assert!(byte != b'\n' || at > 0 && body[at - 1] == b'\r');
        assert!(byte != b'\r' || body.get(at + 1) == Some(&b'\n'));
    }
    for edit in changes.into_edits(&[], true) {
        let (Edit::Prepend(field) | Edit::Insert(_, field) | Edit::Change(_, _, field)) = edit
        else {
            continue;
        };
        assert_eq!(Header::read(field.raw()).fields, [field]);
    }
}

/// The packets up to the end, or to the first that is none.
fn packets(pieces: &[&[u8]]) -> Vec<Packet> {
    let mut received = BytesMut::new();
    let mut packets = Vec::new();
    for piece in pieces {
        received.extend_from_slice(piece);
        loop {
            match Packet::take(&mut received) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(_) => return packets,
            }
        }
    }
    packets
}
