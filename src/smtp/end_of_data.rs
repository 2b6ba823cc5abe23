//! End of data.
use super::reply::Reply;
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineEnds {
    Normalise,
    Reject,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Findings {
    pub bare_carriage_returns: u64,
    pub bare_line_feeds: u64,
    pub nuls: u64,
    pub longest_line_bytes: u64,
    pub eight_bit: bool,
}
impl Findings {
    /// The reply with which a message is refused for what was found in it, if it is.
    pub fn refusal(&self, _line_ends: LineEnds) -> Option<Reply> {
        unimplemented!()
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    pub consumed: usize,
    pub finished: bool,
}
#[derive(Debug, Default)]
pub struct DataDecoder {
    findings: Findings,
}
impl DataDecoder {
    pub fn new() -> DataDecoder {
        DataDecoder::default()
    }
    pub fn decode(&mut self, _input: &[u8], _output: &mut dyn FnMut(&[u8])) -> Decoded {
        unimplemented!()
    }
    pub fn findings(&self) -> Findings {
        self.findings
    }
}
