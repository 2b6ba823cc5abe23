//! Lines.
use super::reply::Reply;
use bytes::{Bytes, BytesMut};
#[derive(Debug, Default)]
pub struct LineFramer {
    scanned: usize,
    discarding: bool,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("bare LF")]
    BareLineFeed,
    #[error("bare CR")]
    BareCarriageReturn,
    #[error("NUL")]
    Nul,
    #[error("too long")]
    TooLong,
}
impl LineError {
    pub fn reply(&self) -> Reply {
        unimplemented!()
    }
}
impl LineFramer {
    pub fn new() -> LineFramer {
        LineFramer::default()
    }
    /// `limit` counts the CRLF.
    pub fn next(
        &mut self,
        _buffer: &mut BytesMut,
        _limit: usize,
    ) -> Option<Result<Bytes, LineError>> {
        unimplemented!()
    }
}
