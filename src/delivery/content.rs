//! Sending a message's content, and the point of no return: the commit point is asked right before the
//! final dot, and told right after.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::timeout;

use super::connection::ServerConnection;
use super::conversation_error::ConversationError;
use super::conversion::{ConversionPlan, Converter, Survey};
use super::request::{CommitPoint, DeliveryRequest};
use super::verdicts;
use crate::limits;
use crate::message::{BodyReader, Message, Outcome, Storage};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::dot_stuffing::DotStuffer;

/// How sending came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentSent {
    /// The last byte was given to the socket.
    HandedOver,
    /// The commit point said no: the end was not sent.
    Withdrawn,
}

/// The content goes out in one write together with its end.
pub(super) fn is_whole(message: &Message) -> bool {
    let body = &message.body;
    body.storage() == Storage::Memory && message.content_bytes() <= limits::SINGLE_WRITE_BYTES
}

/// Sends the content behind a 354. `wait` bounds each block.
pub(super) async fn send_after_data<P: CommitPoint>(
    connection: &mut ServerConnection,
    request: &DeliveryRequest,
    point: &P,
    wait: Duration,
) -> Result<ContentSent, ConversationError> {
    let message = &request.message;
    let prefix = message.prefix_for(&request.recipients);
    let mut stuffer = DotStuffer::default();
    let mut pieces = Vec::with_capacity(4);
    if !is_whole(message) || !stuff_whole(&prefix, message, &mut stuffer, &mut pieces) {
        pieces.clear();
        stuffer = DotStuffer::default();
        send_stuffed(connection, &prefix, &mut stuffer, wait).await?;
        let mut reader = BodyReader::new(Arc::clone(message));
        while let Some(block) = reader.next().await.map_err(ConversationError::Content)? {
            send_stuffed(connection, &block, &mut stuffer, wait).await?;
        }
    }
    if !may_commit(point, wait).await {
        return Ok(ContentSent::Withdrawn);
    }
    pieces.push(stuffer.finish());
    hand_over(connection, &pieces, point, wait).await
}

/// Sends the last pieces, and with them the end.
async fn hand_over<P: CommitPoint>(
    connection: &mut ServerConnection,
    pieces: &[&[u8]],
    point: &P,
    wait: Duration,
) -> Result<ContentSent, ConversationError> {
    connection.is_surely_quiet().await?;
    send_pieces(connection, pieces, wait).await?;
    point.handed_over();
    Ok(ContentSent::HandedOver)
}

/// Stuffs all of a message; no when it falls into too many pieces for one write.
fn stuff_whole<'a>(
    prefix: &'a [u8],
    message: &'a Message,
    stuffer: &mut DotStuffer,
    pieces: &mut Vec<&'a [u8]>,
) -> bool {
    let mut count = 0;
    for block in std::iter::once(prefix).chain(message.head()) {
        stuffer.stuff(block, |piece| {
            count += 1;
            if count <= limits::STUFFED_PIECES {
                pieces.push(piece);
            }
        });
    }
    count <= limits::STUFFED_PIECES
}

/// How the content is to be converted for a server with these capabilities [0028]; none when it takes it
/// as it is.
///
/// # Errors
/// What it means for every recipient that the content cannot be converted, or not now.
pub(super) async fn conversion(
    request: &DeliveryRequest,
    offered: &Capabilities,
) -> Result<Option<ConversionPlan>, Outcome> {
    let message = &request.message;
    let takes_it = offered.eight_bit_mime || request.next_hop.takes_eight_bit;
    if !message.eight_bit || takes_it {
        return Ok(None);
    }
    let mut survey = Survey::new();
    survey.look(&message.prefix_for(&request.recipients));
    let mut reader = BodyReader::new(Arc::clone(message));
    loop {
        match reader.next().await {
            Ok(Some(block)) => {
                survey.look(&block);
                // What is in memory comes without a wait, and there may be much of it.
                tokio::task::yield_now().await;
            }
            Ok(None) => break,
            Err(error) => return Err(ConversationError::Content(error).outcome()),
        }
    }
    let plan = survey.finish().map_err(verdicts::unconvertible)?;
    match request.converts {
        true => Ok(Some(plan)),
        false => Err(verdicts::awaits_conversion()),
    }
}

/// Sends the content behind a 354, converted to 7-bit on its way. `wait` bounds each block.
pub(super) async fn send_converted<P: CommitPoint>(
    connection: &mut ServerConnection,
    request: &DeliveryRequest,
    plan: ConversionPlan,
    point: &P,
    wait: Duration,
) -> Result<ContentSent, ConversationError> {
    let mut converter = Converter::new(plan);
    let mut stuffer = DotStuffer::default();
    let mut converted = Vec::new();
    converter.convert(
        &request.message.prefix_for(&request.recipients),
        &mut converted,
    );
    let mut reader = BodyReader::new(Arc::clone(&request.message));
    while let Some(block) = reader.next().await.map_err(ConversationError::Content)? {
        // Piece by piece: some triple.
        for part in block.chunks(limits::CONVERTED_BYTES) {
            converter.convert(part, &mut converted);
            if converted.len() >= limits::CONVERTED_BYTES {
                send_stuffed(connection, &converted, &mut stuffer, wait).await?;
                converted.clear();
            }
        }
    }
    converter.finish(&mut converted);
    if !may_commit(point, wait).await {
        return Ok(ContentSent::Withdrawn);
    }
    let last = send_fronts(connection, &converted, &mut stuffer, wait).await?;
    let mut pieces = stuffed(&mut stuffer, &[last]);
    pieces.push(stuffer.finish());
    hand_over(connection, &pieces, point, wait).await
}

/// Sends a block, its dots stuffed.
async fn send_stuffed(
    connection: &mut ServerConnection,
    block: &[u8],
    stuffer: &mut DotStuffer,
    wait: Duration,
) -> Result<(), ConversationError> {
    let last = send_fronts(connection, block, stuffer, wait).await?;
    send_pieces(connection, &stuffed(stuffer, &[last]), wait).await
}

/// Sends what of a block falls into too many pieces for one write, and gives back the rest. Of ordinary content
/// that is all.
async fn send_fronts<'a>(
    connection: &mut ServerConnection,
    mut block: &'a [u8],
    stuffer: &mut DotStuffer,
    wait: Duration,
) -> Result<&'a [u8], ConversationError> {
    loop {
        let (front, rest) = block.split_at(DotStuffer::front(block, limits::STUFFED_PIECES));
        if rest.is_empty() {
            return Ok(block);
        }
        send_pieces(connection, &stuffed(stuffer, &[front]), wait).await?;
        block = rest;
    }
}

/// Blocks with their dots stuffed, and room for the end.
pub(super) fn stuffed<'a>(stuffer: &mut DotStuffer, blocks: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::with_capacity(blocks.len() + 2);
    for block in blocks {
        stuffer.stuff(block, |piece| pieces.push(piece));
    }
    pieces
}

/// A client that has nothing to say in time is as good as gone.
async fn may_commit<P: CommitPoint>(point: &P, wait: Duration) -> bool {
    timeout(wait, point.may_commit()).await.unwrap_or(false)
}

/// Content that is nearly all dots falls into thousands of pieces: those are put together before they
/// are sent, which is cheaper than to hand each of them to the socket.
pub(super) async fn send_pieces(
    connection: &mut ServerConnection,
    pieces: &[&[u8]],
    wait: Duration,
) -> Result<(), ConversationError> {
    if pieces.len() < limits::WRITE_PIECES {
        return connection.send_content(pieces, wait).await;
    }
    let mut joined = BytesMut::with_capacity(pieces.iter().map(|piece| piece.len()).sum());
    for piece in pieces {
        joined.extend_from_slice(piece);
    }
    connection.send_content(&[&joined], wait).await
}
