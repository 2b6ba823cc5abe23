//! An envelope whose content comes in chunks (RFC 3030).

use std::time::{Duration, Instant};

use super::content::IncomingContent;
use super::envelope::CompleteEnvelope;
use crate::limits;
use crate::smtp::end_of_data::DataDecoder;

/// An envelope with what has come of its content.
#[derive(Debug)]
pub(super) struct Chunked {
    pub(super) envelope: CompleteEnvelope,
    pub(super) content: IncomingContent,
    pub(super) decoder: DataDecoder,
    begun: Instant,
}

impl Chunked {
    pub(super) fn begin(envelope: CompleteEnvelope, content: IncomingContent) -> Box<Self> {
        Box::new(Self {
            envelope,
            content,
            decoder: DataDecoder::without_dots(),
            begun: Instant::now(),
        })
    }

    /// A while, and the time that its bytes take at the least rate; none: no next hop waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let earned = self.content.bytes / limits::CUT_THROUGH_RATE_BYTES_PER_SECOND;
        let earned = Duration::from_secs(earned);
        let until = self.begun + limits::CUT_THROUGH_ENVELOPE_WAIT + earned;
        self.content.is_cut_through().then_some(until)
    }
}
