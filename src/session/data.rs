//! Receiving content: DATA to its end mark, BDAT by its count, and bytes that are not wanted.
//!
//! What has been read is decoded piece by piece: what a piece makes is in its place before the next one is
//! looked at, so that no buffer has to hold all that a read may bring.

use bytes::Buf;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::chunked::Chunked;
use super::connection::{ReadOutcome, SessionConnection, SessionEnd};
use super::content::IncomingContent;
use super::minimum_rate::MinimumRate;
use super::stream::Transport;
use crate::limits;
use crate::smtp::end_of_data::{DataDecoder, DataFindings};

/// Reads DATA up to the real end, whether the message is still wanted or not. What stands behind the
/// end stays in the input. Steps 303 and 304 of the patent's Figure 3, 603 and 604 of Figure 6.
///
/// # Errors
/// When the client is gone or too slow, or when we shut down.
pub(super) async fn receive_data<T: Transport>(
    connection: &mut SessionConnection<T>,
    content: &mut IncomingContent,
    shutdown: &CancellationToken,
) -> Result<DataFindings, SessionEnd> {
    let mut decoder = DataDecoder::default();
    let mut rate = rate_of(content);
    connection.expect_data(content.buffer_bytes());
    loop {
        while !connection.input.is_empty() {
            let piece = content.piece(connection.input.len());
            let decoded = decoder.decode(&connection.input[..piece], &mut |bytes| {
                content.put(bytes);
            });
            connection.input.advance(decoded.consumed);
            take(content, &mut rate).await?;
            if decoded.finished {
                return Ok(decoder.findings());
            }
        }
        read_on(connection, Some(content), &mut rate, shutdown).await?;
    }
}

/// Reads a chunk of `size` bytes, whether the message is still wanted or not.
///
/// # Errors
/// When the client is gone or too slow, or when we shut down.
pub(super) async fn receive_chunk<T: Transport>(
    connection: &mut SessionConnection<T>,
    chunked: &mut Chunked,
    size: u64,
    shutdown: &CancellationToken,
) -> Result<(), SessionEnd> {
    chunked.content.expect(size);
    let mut rate = rate_of(&chunked.content);
    connection.expect_data(chunked.content.buffer_bytes());
    let mut missing = size;
    loop {
        let content = &mut chunked.content;
        let mut there = present(connection, missing);
        missing -= there as u64;
        while there > 0 {
            let piece = content.piece(there);
            let decoder = &mut chunked.decoder;
            decoder.decode(&connection.input[..piece], &mut |bytes| content.put(bytes));
            connection.input.advance(piece);
            there -= piece;
            take(content, &mut rate).await?;
        }
        if missing == 0 {
            return Ok(());
        }
        read_on(connection, Some(content), &mut rate, shutdown).await?;
    }
}

/// Reads `size` bytes for nothing.
///
/// # Errors
/// When the client is gone or too slow, or when we shut down.
pub(super) async fn skip_chunk<T: Transport>(
    connection: &mut SessionConnection<T>,
    size: u64,
    shutdown: &CancellationToken,
) -> Result<(), SessionEnd> {
    let mut rate = MinimumRate::begin(Instant::now(), limits::DATA_RATE_BYTES_PER_SECOND);
    let mut missing = size;
    loop {
        let there = present(connection, missing);
        connection.input.advance(there);
        missing -= there as u64;
        if missing == 0 {
            return Ok(());
        }
        read_on(connection, None, &mut rate, shutdown).await?;
    }
}

/// Waits for more. A client that is silent for a moment gives its grown buffers back.
async fn read_on<T: Transport>(
    connection: &mut SessionConnection<T>,
    content: Option<&mut IncomingContent>,
    rate: &mut MinimumRate,
    shutdown: &CancellationToken,
) -> Result<(), SessionEnd> {
    let idle = rate.last + limits::BUFFER_IDLE;
    if connection.read_data(rate, idle, shutdown).await? == ReadOutcome::Bytes {
        return Ok(());
    }
    connection.shrink();
    if let Some(content) = content {
        content.shrink().await;
    }
    let deadline = rate.deadline();
    connection.read_data(rate, deadline, shutdown).await?;
    Ok(())
}

/// How many of the `missing` bytes are in the input already.
fn present<T>(connection: &SessionConnection<T>, missing: u64) -> usize {
    let missing = usize::try_from(missing).unwrap_or(usize::MAX);
    connection.input.len().min(missing)
}

/// Next hops that wait for the content are not kept for as long as we would wait ourselves.
fn rate_of(content: &IncomingContent) -> MinimumRate {
    let bytes_per_second = match content.is_cut_through() {
        true => limits::CUT_THROUGH_RATE_BYTES_PER_SECOND,
        false => limits::DATA_RATE_BYTES_PER_SECOND,
    };
    MinimumRate::begin(Instant::now(), bytes_per_second)
}

/// Hands on what was decoded. The time that a next hop takes for it is not the client's.
async fn take(content: &mut IncomingContent, rate: &mut MinimumRate) -> Result<(), SessionEnd> {
    if !content.is_cut_through() {
        return content.take().await;
    }
    let began = Instant::now();
    content.take().await?;
    let now = Instant::now();
    rate.excuse(now.saturating_duration_since(began), now);
    Ok(())
}
