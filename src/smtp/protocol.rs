//! SMTP and its sibling for the last mile, LMTP (RFC 2033).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which of the two is spoken on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// RFC 5321: one reply to a message for all its recipients.
    #[default]
    Smtp,
    /// RFC 2033: LHLO in the place of EHLO, and a reply for each recipient.
    Lmtp,
}

impl Protocol {
    /// The scheme of its servers' addresses.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
        }
    }

    /// The port that is meant when none is named.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            // Registered for “any private mail system”, and what LMTP has by custom; RFC 2033 §5
            // forbids 25.
            Self::Lmtp => 24,
        }
    }
}
