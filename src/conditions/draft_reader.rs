//! Reads a message while conditions look at it: the whole of it, or as much as its header may have.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::limits;
use crate::message::{BodyReader, Message, Reservation};

/// Reads a message with its prefix, block by block; by default a message without content.
#[derive(Debug, Default)]
pub(super) struct DraftReader {
    pub(super) prefix: Option<Bytes>,
    pub(super) body: Option<BodyReader>,
}

impl DraftReader {
    /// The next block, none at the end.
    ///
    /// # Errors
    /// When the content cannot be read.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match (self.prefix.take(), &mut self.body) {
            (Some(prefix), _) => Ok(Some(prefix)),
            (None, Some(body)) => body.next().await,
            (None, None) => Ok(None),
        }
    }
}

/// As much of the content as a header may have. A copy of it is held by `share`.
pub(super) async fn beginning(
    message: &Arc<Message>,
    share: &mut Reservation,
) -> io::Result<Bytes> {
    let mut reader = BodyReader::of_arrived(Arc::clone(message));
    let Some(first) = reader.next().await? else {
        return Ok(Bytes::new());
    };
    // An ordinary header ends in the first block, which is then all that is looked at.
    if memchr::memmem::find(&first, b"\r\n\r\n").is_some() {
        return Ok(first);
    }
    let mut beginning = BytesMut::new();
    let mut next = Some(first);
    while let Some(block) = next {
        if !share.grow(block.len() as u64) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        beginning.extend_from_slice(&block);
        next = match beginning.len() < limits::HEADER_BYTES {
            true => reader.next().await?,
            false => None,
        };
    }
    Ok(beginning.freeze())
}
