//! What a next hop's reply means at each stage (the rules at the end of section 3 of the design). Pure.

use std::fmt;

use super::conversion::Unconvertible;
use crate::message::{DiskReason, Message, Outcome};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::reply::{Enhanced, Reply};

/// What a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SmtpStage {
    Greeting,
    Ehlo,
    StartTls,
    Reset,
    Mail,
    Recipient,
    Data,
    EndOfData,
    Noop,
    Quit,
}

impl SmtpStage {
    /// Whether `reply` can be an answer at all: 3xx is one to DATA and to nothing else that we say, and
    /// DATA is never answered by 2xx (RFC 5321 §4.3.2). A server that seems to do so answers something else.
    pub(super) fn admits(self, reply: &Reply) -> bool {
        match self {
            Self::Data => !reply.is_positive(),
            _ => !reply.is_intermediate(),
        }
    }

    /// The class of reply that lets the conversation go on.
    fn wanted_class(self) -> u16 {
        match self {
            Self::Data => 3,
            _ => 2,
        }
    }

    /// Whether a 5xx says something of the message, and not of our standing with the server.
    fn concerns_the_message(self) -> bool {
        matches!(
            self,
            Self::Mail | Self::Recipient | Self::Data | Self::EndOfData
        )
    }
}

impl fmt::Display for SmtpStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "as its greeting",
            Self::Ehlo => "to EHLO",
            Self::StartTls => "to STARTTLS",
            Self::Reset => "to RSET",
            Self::Mail => "to MAIL",
            Self::Recipient => "to RCPT",
            Self::Data => "to DATA",
            Self::EndOfData => "to the end of data",
            Self::Noop => "to NOOP",
            Self::Quit => "to QUIT",
        })
    }
}

/// What `reply` decides at `stage`; none when the conversation goes on. The reply inside a deferred
/// outcome is always 4xx, since it may be passed on.
pub(super) fn verdict(stage: SmtpStage, reply: &Reply) -> Option<Outcome> {
    match reply.code {
        code if code / 100 == stage.wanted_class() => {
            (stage == SmtpStage::EndOfData).then(|| Outcome::Delivered(kept(reply)))
        }
        // Authentication is between us and the server: the message is not to blame.
        530 | 535 | 538 => Some(ours_to_repair(stage, reply)),
        // RFC 5321 §4.5.3.1.10: an old server's "too many recipients".
        552 if stage == SmtpStage::Recipient => Some(deferred(as_452(reply))),
        400..=499 => Some(deferred(kept(reply))),
        500..=599 if stage.concerns_the_message() => Some(Outcome::Refused(kept(reply))),
        500..=599 => Some(ours_to_repair(stage, reply)),
        // Neither yes nor no, but the content is there: it may have been taken.
        _ if stage == SmtpStage::EndOfData => {
            Some(Outcome::Uncertain(quoted(stage, reply, (4, 5, 0))))
        }
        _ => Some(deferred(quoted(stage, reply, (4, 5, 0)))),
    }
}

/// A reply as it is kept for each recipient: a server's words may be long, and the recipients many.
fn kept(reply: &Reply) -> Reply {
    Reply {
        code: reply.code,
        enhanced: reply.enhanced,
        text: reply.shown_words().into(),
        said_by: reply.said_by.clone(),
        original: None,
    }
}

/// Not now: this 4xx is why.
pub(super) fn deferred(reply: Reply) -> Outcome {
    Outcome::Deferred(DiskReason::Deferred, reply)
}

fn ours_to_repair(stage: SmtpStage, reply: &Reply) -> Outcome {
    deferred(quoted(stage, reply, (4, 7, 0)))
}

fn quoted(stage: SmtpStage, reply: &Reply, enhanced: (u8, u16, u16)) -> Reply {
    let words = reply.shown_words();
    let words = format!("the next hop said {} {words} {stage}", reply.codes());
    Reply {
        said_by: reply.said_by.clone(),
        original: Some(Box::new(kept(reply))),
        ..Reply::new(451, enhanced, words)
    }
}

fn as_452(reply: &Reply) -> Reply {
    let transient = |enhanced| Enhanced {
        class: 4,
        ..enhanced
    };
    Reply {
        code: 452,
        enhanced: reply.enhanced.map(transient),
        original: Some(Box::new(kept(reply))),
        ..kept(reply)
    }
}

/// The reply ends the connection (RFC 5321 §3.8).
pub(super) fn is_closing(reply: &Reply) -> bool {
    reply.code == 421
}

/// The server takes addresses and header fields in ASCII only.
pub(super) fn no_smtputf8() -> Outcome {
    Outcome::Refused(Reply::NEXT_HOP_WITHOUT_SMTPUTF8)
}

/// Refused when a message of this size is more than the server takes; `limit`: what it says with SIZE.
pub(super) fn too_large(size: u64, limit: Option<u64>) -> Option<Outcome> {
    // RFC 1870 §4: zero means no fixed limit.
    let limit = limit.filter(|limit| *limit > 0 && size > *limit)?;
    Some(Outcome::Refused(Reply::too_large_for_next_hop(limit)))
}

/// Why a server with these capabilities cannot take the message at all; none when it can, perhaps converted.
pub(super) fn unfit(message: &Message, capabilities: &Capabilities) -> Option<Outcome> {
    if message.needs_smtputf8 && !capabilities.smtputf8 {
        return Some(no_smtputf8());
    }
    too_large(message.size_bytes(), capabilities.size)
}

/// The message has to be converted first, and its client waits for the reply.
pub(super) fn awaits_conversion() -> Outcome {
    Outcome::Deferred(DiskReason::Conversion, Reply::AWAITS_CONVERSION)
}

/// The message would have to be converted and cannot be; why. RFC 6152 §3: it is returned then.
pub(super) fn unconvertible(why: Unconvertible) -> Outcome {
    Outcome::Refused(Reply::unconvertible(why))
}

#[cfg(test)]
mod tests {
    use super::SmtpStage::{Data, Ehlo, EndOfData, Greeting, Mail, Recipient};
    use super::*;
    use proptest::prelude::*;

    /// `expected`: the outcome's kind and its reply's code, or "go on".
    fn check(stage: SmtpStage, code: u16, expected: &str) {
        let reply = Reply::plain(code, "words");
        let found = verdict(stage, &reply).map_or("go on".to_owned(), |outcome| {
            format!("{} {}", outcome.kind(), outcome.reply().code)
        });
        assert_eq!(found, expected, "{code} {stage}");
    }

    #[test]
    fn the_table() {
        for (stage, code, expected) in [
            (Greeting, 220, "go on"),
            (Greeting, 421, "deferred 421"),
            (Greeting, 554, "deferred 451"),
            (Ehlo, 250, "go on"),
            (Ehlo, 550, "deferred 451"),
            (Mail, 250, "go on"),
            (Mail, 421, "deferred 421"),
            (Mail, 451, "deferred 451"),
            (Mail, 550, "refused 550"),
            (Mail, 552, "refused 552"),
            (Mail, 530, "deferred 451"),
            (Mail, 354, "deferred 451"),
            (Recipient, 250, "go on"),
            (Recipient, 251, "go on"),
            (Recipient, 450, "deferred 450"),
            (Recipient, 550, "refused 550"),
            (Recipient, 552, "deferred 452"),
            (Recipient, 535, "deferred 451"),
            (Recipient, 538, "deferred 451"),
            (Data, 354, "go on"),
            (Data, 250, "deferred 451"),
            (Data, 451, "deferred 451"),
            (Data, 554, "refused 554"),
            (EndOfData, 250, "delivered 250"),
            (EndOfData, 354, "uncertain 451"),
            (EndOfData, 421, "deferred 421"),
            (EndOfData, 452, "deferred 452"),
            (EndOfData, 552, "refused 552"),
            (EndOfData, 530, "deferred 451"),
        ] {
            check(stage, code, expected);
        }
    }

    #[test]
    fn a_552_for_a_recipient_loses_its_permanence() {
        let reply = Reply::new(552, (5, 5, 3), "too many recipients");
        let outcome = verdict(Recipient, &reply).expect("an outcome");
        let expected = Reply {
            original: Some(Box::new(reply)),
            ..Reply::new(452, (4, 5, 3), "too many recipients")
        };
        assert_eq!(outcome.reply(), &expected);
    }

    proptest! {
        #[test]
        fn a_deferred_reply_can_be_passed_on(
            stage in prop::sample::select(vec![Greeting, Ehlo, Mail, Recipient, Data, EndOfData]),
            code in 200u16..600,
            class in 2u8..6,
        ) {
            let reply = Reply::new(code, (class, 1, 1), "words");
            match verdict(stage, &reply) {
                Some(Outcome::Deferred(_, reply)) => prop_assert!(reply.is_transient()),
                Some(Outcome::Refused(reply)) => prop_assert!(reply.is_permanent()),
                Some(Outcome::Delivered(reply)) => prop_assert!(reply.is_positive()),
                Some(Outcome::Uncertain(_)) => prop_assert_eq!(stage, EndOfData),
                None => prop_assert!(stage != EndOfData),
            }
        }
    }
}
