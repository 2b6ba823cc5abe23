//! Sending a message's content, and the point of no return: the commit point is asked right before the
//! final dot or the LAST chunk, and told right after.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::timeout;

use super::CommitPoint;
use super::connection::Connection;
use super::trouble::Trouble;
use crate::limits;
use crate::message::{BodyReader, Message, Storage};
use crate::smtp::command_writer;
use crate::smtp::dot_stuffing::DotStuffer;

/// How sending came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The last byte was given to the socket.
    HandedOver,
    /// The commit point said no: the end was not sent.
    Withdrawn,
}

/// The content goes out in one write together with its end.
pub(super) fn is_whole(message: &Message) -> bool {
    let body = &message.body;
    body.storage() == Storage::Memory && body.len() <= limits::SINGLE_WRITE_BYTES
}

/// Sends the content behind a 354. `wait` bounds each block.
pub(super) async fn send_after_data<P: CommitPoint>(
    connection: &mut Connection,
    message: &Arc<Message>,
    point: &P,
    wait: Duration,
) -> Result<Sent, Trouble> {
    let mut stuffer = DotStuffer::new();
    let mut pieces = Vec::with_capacity(4);
    stuffer.stuff(&message.prefix, |piece| pieces.push(piece));
    if is_whole(message) {
        for chunk in message.body.head() {
            stuffer.stuff(chunk, |piece| pieces.push(piece));
        }
    } else {
        send_pieces(connection, &pieces, wait).await?;
        pieces.clear();
        send_blocks(connection, message, &mut stuffer, wait).await?;
    }
    if !may_commit(point, wait).await {
        return Ok(Sent::Withdrawn);
    }
    pieces.push(stuffer.finish());
    send_pieces(connection, &pieces, wait).await?;
    point.handed_over();
    Ok(Sent::HandedOver)
}

/// Sends the content as one chunk (RFC 3030 §2), in one write behind the commands that wait.
pub(super) async fn send_chunk<P: CommitPoint>(
    connection: &mut Connection,
    message: &Message,
    point: &P,
    wait: Duration,
) -> Result<Sent, Trouble> {
    if !may_commit(point, wait).await {
        return Ok(Sent::Withdrawn);
    }
    command_writer::bdat(connection.commands(), message.size_bytes(), true);
    let mut pieces: Vec<&[u8]> = Vec::with_capacity(1 + message.body.head().len());
    pieces.push(&message.prefix);
    pieces.extend(message.body.head().iter().map(|chunk| &chunk[..]));
    connection.send(&pieces, wait).await?;
    point.handed_over();
    Ok(Sent::HandedOver)
}

async fn send_blocks(
    connection: &mut Connection,
    message: &Arc<Message>,
    stuffer: &mut DotStuffer,
    wait: Duration,
) -> Result<(), Trouble> {
    let mut reader = BodyReader::new(Arc::clone(message));
    while let Some(block) = reader.next().await.map_err(Trouble::Content)? {
        let mut pieces = Vec::new();
        stuffer.stuff(&block, |piece| pieces.push(piece));
        send_pieces(connection, &pieces, wait).await?;
    }
    Ok(())
}

/// A client that has nothing to say in time is as good as gone.
async fn may_commit<P: CommitPoint>(point: &P, wait: Duration) -> bool {
    timeout(wait, point.may_commit()).await.unwrap_or(false)
}

/// Content that is nearly all dots falls into thousands of pieces: those are put together before they
/// are sent, which is cheaper than to hand each of them to the socket.
async fn send_pieces(
    connection: &mut Connection,
    pieces: &[&[u8]],
    wait: Duration,
) -> Result<(), Trouble> {
    if pieces.len() < limits::WRITE_PIECES {
        return connection.send(pieces, wait).await;
    }
    let mut joined = BytesMut::with_capacity(pieces.iter().map(|piece| piece.len()).sum());
    for piece in pieces {
        joined.extend_from_slice(piece);
    }
    connection.send(&[&joined], wait).await
}
