//! A peer's replies.
use super::reply::Reply;
use bytes::BytesMut;
#[derive(Debug, Default)]
pub struct ReplyReader {}
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    #[error("malformed")]
    Malformed,
    #[error("codes differ")]
    CodesDiffer,
    #[error("too long")]
    TooLong,
}
impl ReplyReader {
    pub fn new() -> ReplyReader {
        ReplyReader::default()
    }
    /// Lines of a multi-line reply are joined by '\n'.
    pub fn next(&mut self, _buffer: &mut BytesMut) -> Option<Result<Reply, ReplyError>> {
        unimplemented!()
    }
}
