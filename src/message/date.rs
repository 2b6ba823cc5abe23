//! The date of header fields.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time in the form of RFC 5322 §3.3, in UTC.
#[derive(Clone, Copy, Debug)]
pub struct HeaderDate(pub Timestamp);

impl fmt::Display for HeaderDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.0.to_zoned(TimeZone::UTC);
        write!(f, "{}", time.strftime("%a, %d %b %Y %H:%M:%S %z"))
    }
}
