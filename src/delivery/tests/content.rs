//! What the content looks like on the wire.

use std::sync::Arc;

use super::scene::{Gate, PREFIX, assert_all, delivery, message, next_hop, request, script};
use super::scripted_server::{PIPELINING, ScriptedServer};
use crate::limits;
use crate::message::words::OutcomeKind;
use crate::message::{BodyWriter, MemoryBudget, Message, MessageId, Reservation, Spool, Storage};
use crate::settings::OverThreshold;

const TAKEN: &str = "
    C: MAIL FROM
    C: RCPT TO
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 354 go on
    content
    S: 250 taken
    C: QUIT
";

async fn on_the_wire(message: Message) -> String {
    let server = ScriptedServer::start([script(&[PIPELINING, TAKEN])]).await;
    let delivery = delivery();
    let request = request(message, next_hop(server.address));
    let report = delivery.attempt(request, &Gate::default()).await;
    assert_all(&report, OutcomeKind::Delivered);
    delivery.close().await;
    let heard = server.finish().await.remove(0);
    let (_, content) = heard.split_once("DATA\r\n").expect("DATA was said");
    let (content, _) = content.split_once("QUIT").expect("QUIT was said");
    content.to_owned()
}

async fn check(content: &str, expected: &str) {
    let wire = on_the_wire(message(1, content)).await;
    assert_eq!(wire, format!("{PREFIX}{expected}"), "{content:?}");
}

#[tokio::test]
async fn dots_are_stuffed_and_the_last_line_is_ended() {
    check("a\r\n", "a\r\n.\r\n").await;
    check("", ".\r\n").await;
    check(".\r\n", "..\r\n.\r\n").await;
    check("..a\r\n.b\r\n", "...a\r\n..b\r\n.\r\n").await;
    check("a.b\r\n", "a.b\r\n.\r\n").await;
    check("no line end", "no line end\r\n.\r\n").await;
}

#[tokio::test]
async fn content_of_more_dots_than_one_write_has_pieces() {
    let dots = ".\r\n".repeat(limits::WRITE_PIECES);
    let stuffed = "..\r\n".repeat(limits::WRITE_PIECES);
    check(&dots, &format!("{stuffed}.\r\n")).await;
}

/// Numbered lines that begin with dots, a message of more than 64 KiB that is split.
async fn split_message(directory: &std::path::Path) -> (Message, String) {
    let spool = Spool::open(directory.join("spool"), "boot").expect("a spool");
    let budget = MemoryBudget::new(1 << 20);
    let id = MessageId::from_i64(7);
    let threshold = 10_000;
    let share = Reservation::empty(budget);
    let mut writer = BodyWriter::new(id, threshold, OverThreshold::Split, share, &spool);
    let lines: String = (0..40_000).map(|number| format!(".{number}\r\n")).collect();
    writer.append(lines.as_bytes()).await.expect("a disk");
    let (body, _) = writer.finish().await.expect("a disk");
    assert_eq!(body.storage(), Storage::Split);
    let mut message = message(1, "");
    message.body = body.into();
    (message, lines)
}

#[tokio::test]
async fn a_split_message_is_streamed_from_memory_and_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let (message, _) = split_message(directory.path()).await;

    // Larger than what the server of the script says it takes.
    let patient = PIPELINING.replace("SIZE 100000", "SIZE 0");
    let server = ScriptedServer::start([script(&[&patient, TAKEN])]).await;
    let delivery = delivery();
    let gate = Gate::default();
    let request = request(message, next_hop(server.address));
    let kept = Arc::clone(&request.message);
    let report = delivery.attempt(request, &gate).await;
    assert_all(&report, OutcomeKind::Delivered);
    assert_eq!(gate.counts(), (1, 1));
    delivery.close().await;
    let heard = server.finish().await.remove(0);
    let stuffed: String = (0..40_000)
        .map(|number| format!("..{number}\r\n"))
        .collect();
    assert!(heard.contains(&format!("DATA\r\n{PREFIX}{stuffed}.\r\nQUIT")));
    drop(kept);
}
