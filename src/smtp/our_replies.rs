//! Our own replies, each named once, with the RFC that gives its code.

use std::fmt::Display;

use super::reply::Reply;

impl Reply {
    /// No outcome by the deadline.
    pub const NOT_IN_TIME: Reply =
        Reply::fixed("451 4.4.1 The destination did not answer in time; try again later");

    /// All recipients are delivered or durable; `words` say how.
    pub fn accepted(words: String) -> Reply {
        Reply::new(250, (2, 0, 0), words)
    }

    /// The message waits in the queue.
    pub fn queued(id: impl Display) -> Reply {
        Reply::accepted(format!("Queued {id}"))
    }

    /// All recipients have the message, by this reply of a next hop; none: they had it already.
    pub fn delivered(id: impl Display, said: Option<&Reply>) -> Reply {
        Reply::accepted(match said {
            Some(said) => format!("Delivered {id} ({said})"),
            None => format!("Delivered {id} (already delivered)"),
        })
    }

    /// A recipient has the message, by this reply of its next hop.
    pub fn delivered_by(reply: &Reply) -> Reply {
        Reply::accepted(format!("Delivered ({reply})"))
    }

    /// A recipient had the message already.
    pub const ALREADY_DELIVERED: Reply = Reply::fixed("250 2.0.0 Already delivered");
    /// Some recipients have the message, and the rest could not be stored.
    pub const PARTLY_DELIVERED: Reply = Reply::fixed(
        "451 4.3.0 Delivered to some recipients only; send it again, they will not get it twice",
    );

    /// Some recipients have the message, others may have it later; `words` say which.
    pub fn partly_deferred(words: String) -> Reply {
        Reply::new(451, (4, 0, 0), words)
    }

    /// Some recipients have the message, others never will; `words` say which.
    pub fn partly_refused(words: String) -> Reply {
        Reply::new(554, (5, 0, 0), words)
    }

    /// Step 509 of the patent: no connection to the next hop of a recipient, and why.
    pub fn not_connected(why: impl Display) -> Reply {
        let words = format!("connections to the recipients were not successful: {why}");
        Reply::new(451, (4, 4, 1), words)
    }

    /// For the trail: the client has gone before it could have a reply.
    pub const CLIENT_GONE: Reply = Reply::fixed("451 4.4.2 The client closed the connection");

    /// A chunk of so many octets has come, and more may follow (RFC 3030).
    pub fn chunk_received(size: u64) -> Reply {
        Reply::accepted(format!("{size} octets received"))
    }

    /// 220, with our name and what is spoken (RFC 5321 §4.3.1).
    pub fn greeting(words: String) -> Reply {
        Reply::plain(220, words)
    }

    /// 250 to HELO.
    pub fn helo(hostname: &str) -> Reply {
        Reply::plain(250, hostname.to_owned())
    }

    /// 353: a reply for each recipient follows, and then one for the whole (draft-hall-prdr).
    pub const REPLIES_FOLLOW: Reply = Reply::fixed("353 A reply for each recipient follows");
    /// EHLO or HELO where LMTP is spoken: RFC 2033 §4.1 wants 500.
    pub const LMTP_ONLY: Reply = Reply::fixed("500 5.5.1 This is LMTP: say LHLO");
    /// XCLIENT by a client that may not use it.
    pub const NOT_BELIEVED: Reply = Reply::fixed("550 5.7.0 You do not speak for others");

    /// XCLIENT with what cannot be understood; why.
    pub fn bad_attribute(why: String) -> Reply {
        Reply::new(501, (5, 5, 4), why)
    }

    /// 250, RFC 5321 §4.2.2.
    pub const OK: Reply = Reply::fixed("250 2.0.0 OK");
    /// 250 to MAIL: the sender is fine (RFC 3463 X.1.0).
    pub const SENDER_OK: Reply = Reply::fixed("250 2.1.0 Sender OK");
    /// 250 to RCPT: the recipient is fine (RFC 3463 X.1.5).
    pub const RECIPIENT_OK: Reply = Reply::fixed("250 2.1.5 Recipient OK");
    /// 354 to DATA, RFC 5321 §4.1.1.4.
    pub const START_DATA: Reply = Reply::fixed("354 Start mail input; end with <CRLF>.<CRLF>");
    /// 221 to QUIT, RFC 5321 §4.1.1.10.
    pub const CLOSING: Reply = Reply::fixed("221 2.0.0 Goodbye");
    /// 252 to VRFY: we do not reveal which users exist, RFC 5321 §3.5.3.
    pub const CANNOT_VERIFY: Reply =
        Reply::fixed("252 2.5.0 Cannot VRFY user, but will take mail for delivery");
    /// 214 to HELP, RFC 5321 §4.1.1.8.
    pub const HELP: Reply = Reply::fixed("214 2.0.0 EHLO MAIL RCPT DATA BDAT RSET NOOP QUIT");
    /// 220 to STARTTLS, RFC 3207 §4.
    pub const START_TLS: Reply = Reply::fixed("220 2.0.0 Ready to start TLS");
    /// 554: commands were sent together with STARTTLS, where an attacker on the way could have put them.
    pub const BYTES_BEFORE_TLS: Reply = Reply::fixed("554 5.5.1 Commands behind STARTTLS");
    /// 538: AUTH without TLS, RFC 4954 §6.
    pub const AUTHENTICATION_NEEDS_ENCRYPTION: Reply =
        Reply::fixed("538 5.7.11 Encryption required for authentication");
    /// 235, RFC 4954 §6.
    pub const AUTHENTICATION_SUCCEEDED: Reply = Reply::fixed("235 2.7.0 Authentication succeeded");
    /// 535: one text for an unknown name and a wrong password, RFC 4954 §6.
    pub const AUTHENTICATION_FAILED: Reply =
        Reply::fixed("535 5.7.8 Authentication credentials invalid");
    /// 530: the login that this session has shown was changed or removed. RFC 4954 §6 has the code for
    /// whatever needs a login.
    pub const LOGIN_DOES_NOT_HOLD: Reply = Reply::fixed(
        "530 5.7.0 Authentication required: the login of this session was changed or removed",
    );
    /// 421: what a proxy has said of this client counts no more.
    pub const PROXY_NOT_BELIEVED: Reply =
        Reply::fixed("421 4.7.0 The proxy that speaks for you is not believed any more");
    /// 454: our own trouble while checking credentials, RFC 4954 §6.
    pub const AUTHENTICATION_UNAVAILABLE: Reply =
        Reply::fixed("454 4.7.0 Temporary authentication failure");

    /// 334: what the client is asked, in base64, RFC 4954 §4.
    pub fn challenge(base64: &'static str) -> Reply {
        Reply::plain(334, base64)
    }

    /// 454 after too many wrong logins: nothing was said about this one (RFC 4954 §6).
    pub const TOO_MANY_WRONG_LOGINS: Reply =
        Reply::fixed("454 4.7.0 Too many wrong logins, try again later");
    /// 501: an answer that is no base64, or not of the mechanism's form, RFC 4954 §4.
    pub const AUTHENTICATION_MALFORMED: Reply =
        Reply::fixed("501 5.5.2 Cannot decode the response");
    /// 501: the client gave AUTH up with `*`, RFC 4954 §4.
    pub const AUTHENTICATION_CANCELLED: Reply = Reply::fixed("501 5.5.2 Authentication cancelled");
    /// 504: a mechanism that was not offered, RFC 4954 §4.
    pub const MECHANISM_UNKNOWN: Reply = Reply::fixed("504 5.5.4 Unrecognized authentication type");
    /// 500: no such command, RFC 5321 §4.2.4.
    pub const UNKNOWN_COMMAND: Reply = Reply::fixed("500 5.5.2 Command not recognized");

    /// 501 with how the command is written, RFC 5321 §4.2.2.
    pub fn syntax_error(usage: &str) -> Reply {
        Reply::new(501, (5, 5, 4), format!("Syntax: {usage}"))
    }

    /// 502: a command we know and do not do, RFC 5321 §4.2.4.
    pub const NOT_IMPLEMENTED: Reply = Reply::fixed("502 5.5.1 Command not implemented");

    /// 503 with what is missing, RFC 5321 §4.1.4.
    pub fn bad_sequence(needed: &'static str) -> Reply {
        Reply::new(503, (5, 5, 1), needed)
    }

    /// 421: the appliance stops, RFC 5321 §3.8; 4.3.2 is "not accepting network messages".
    pub const SHUTTING_DOWN: Reply = Reply::fixed("421 4.3.2 Shutting down, try again soon");
    /// 421 after too many errors.
    pub const TOO_MANY_ERRORS: Reply = Reply::fixed("421 4.7.0 Too many errors");
    /// 421: the client was silent for too long, RFC 5321 §4.5.3.2.7.
    pub const COMMAND_TIMEOUT: Reply = Reply::fixed("421 4.4.2 Timeout, closing connection");
    /// 421 in place of a greeting: every session we may have is taken.
    pub const TOO_MANY_CONNECTIONS: Reply =
        Reply::fixed("421 4.7.0 Too many connections, try again later");
    /// 452 to RCPT, RFC 5321 §4.5.3.1.10: the client sends the rest in another transaction.
    pub const TOO_MANY_RECIPIENTS: Reply = Reply::fixed("452 4.5.3 Too many recipients");
    /// 452: with the recipients that a check of ours adds there are too many (RFC 3463 X.5.3).
    pub const TOO_MANY_ADDED: Reply =
        Reply::fixed("452 4.5.3 Too many recipients, with those that are added here");
    /// 452: no room for the message now, RFC 5321 §4.2.2.
    pub const INSUFFICIENT_STORAGE: Reply =
        Reply::fixed("452 4.3.1 Insufficient system storage, try again later");
    /// 554: the header is longer than what we look at, and we are to look at it.
    pub const HEADER_TOO_LONG: Reply =
        Reply::fixed("554 5.6.0 The header of the message is too long");
    /// 451: a check of ours could not be made, and the message is not taken without it.
    pub const UNCHECKED: Reply =
        Reply::fixed("451 4.7.1 The message could not be checked, try again later");

    /// A condition refuses the message: 5.7.1, delivery not authorized (RFC 3463 §3.8).
    pub fn refused_by_condition(words: impl Into<String>) -> Reply {
        Reply::new(554, (5, 7, 1), words.into())
    }

    /// A condition defers the message.
    pub fn deferred_by_condition(words: impl Into<String>) -> Reply {
        Reply::new(451, (4, 7, 1), words.into())
    }

    /// What Sendmail and Postfix say for a milter that rejects without words of its own.
    pub const MILTER_REJECTED: Reply = Reply::fixed("550 5.7.1 Command rejected");

    /// The sender's domain cannot be answered; why, in words that follow it.
    pub fn sender_domain_refused(enhanced: (u8, u16, u16), why: &str) -> Reply {
        let words = format!("Refused: the sender's domain {why}");
        Reply::new(550, enhanced, words)
    }

    /// A message that must be encrypted and cannot be: some recipient has no key.
    pub fn no_key(words: String) -> Reply {
        Reply::new(550, (5, 7, 1), words)
    }

    /// RFC 3463 X.3.4: too big for the system, as many copies.
    pub const TOO_LARGE_TO_ENCRYPT: Reply = Reply::fixed(
        "552 5.3.4 Too large to be encrypted for so many recipients, send it to fewer at once",
    );
    /// RFC 3463 X.6.0: where the header ends is not known.
    pub const ENDLESS_HEADER_TO_ENCRYPT: Reply =
        Reply::fixed("550 5.6.0 A header without an end cannot be encrypted");
    /// 550: the directory has no such recipient, RFC 5321 §4.2.2 and RFC 3463 X.1.1.
    pub const RECIPIENT_UNKNOWN: Reply = Reply::fixed("550 5.1.1 No such recipient here");
    /// 451: the directory that knows the recipients cannot be asked (RFC 3463 X.4.3).
    pub const RECIPIENT_UNCHECKED: Reply =
        Reply::fixed("451 4.4.3 The recipient could not be looked up, try again later");
    /// 451: our own trouble; the cause is for our log only (RFC 5321 §4.2.2).
    pub const LOCAL_ERROR: Reply =
        Reply::fixed("451 4.3.0 Local error in processing, try again later");
    /// 552, RFC 1870 §6.
    pub const MESSAGE_TOO_BIG: Reply =
        Reply::fixed("552 5.3.4 Message size exceeds fixed maximum message size");
    /// 550: neither the client nor the recipient's domain is ours to serve, RFC 5321 §3.6.2.
    pub const RELAY_DENIED: Reply = Reply::fixed("550 5.7.1 Relaying denied");
    /// 554 5.4.6: too many Received fields, RFC 5321 §6.3.
    pub const LOOP_DETECTED: Reply = Reply::fixed("554 5.4.6 Too many hops, mail loop suspected");
    /// 554 to DATA without a recipient that was accepted, RFC 5321 §3.3.
    pub const NO_VALID_RECIPIENTS: Reply = Reply::fixed("554 5.5.1 No valid recipients");
    /// 550: a bare CR or LF, which readers understand differently (RFC 5321 §2.3.8).
    pub const STRAY_LINE_ENDS: Reply = Reply::fixed("550 5.6.0 Message contains bare CR or LF");
    /// 550: a NUL, which no message may hold (RFC 5322 §4.1).
    pub const NUL_IN_MESSAGE: Reply = Reply::fixed("550 5.6.0 Message contains NUL");
    /// 550: a line of text that no destination can be expected to take (RFC 5321 §4.5.3.1.6).
    pub const LINE_TOO_LONG: Reply =
        Reply::fixed("550 5.6.0 Message contains a line that is too long");
    /// 500: a command line beyond its limit, RFC 5321 §4.5.3.1.9.
    pub const COMMAND_LINE_TOO_LONG: Reply = Reply::fixed("500 5.5.6 Line too long");
    /// 500: a command line with a bare CR, a bare LF or a NUL.
    pub const COMMAND_LINE_MALFORMED: Reply =
        Reply::fixed("500 5.5.2 Bare CR, bare LF or NUL in command line");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_a_reply_is_that_of_its_enhanced_code() {
        for reply in [
            Reply::OK,
            Reply::SENDER_OK,
            Reply::RECIPIENT_OK,
            Reply::CLOSING,
            Reply::CANNOT_VERIFY,
            Reply::HELP,
            Reply::START_TLS,
            Reply::BYTES_BEFORE_TLS,
            Reply::AUTHENTICATION_NEEDS_ENCRYPTION,
            Reply::AUTHENTICATION_SUCCEEDED,
            Reply::AUTHENTICATION_FAILED,
            Reply::AUTHENTICATION_UNAVAILABLE,
            Reply::TOO_MANY_WRONG_LOGINS,
            Reply::AUTHENTICATION_MALFORMED,
            Reply::AUTHENTICATION_CANCELLED,
            Reply::MECHANISM_UNKNOWN,
            Reply::UNKNOWN_COMMAND,
            Reply::syntax_error("NOOP"),
            Reply::NOT_IMPLEMENTED,
            Reply::bad_sequence("MAIL first"),
            Reply::SHUTTING_DOWN,
            Reply::TOO_MANY_ERRORS,
            Reply::COMMAND_TIMEOUT,
            Reply::TOO_MANY_CONNECTIONS,
            Reply::TOO_MANY_RECIPIENTS,
            Reply::TOO_MANY_ADDED,
            Reply::INSUFFICIENT_STORAGE,
            Reply::HEADER_TOO_LONG,
            Reply::UNCHECKED,
            Reply::LOCAL_ERROR,
            Reply::MESSAGE_TOO_BIG,
            Reply::RELAY_DENIED,
            Reply::LOOP_DETECTED,
            Reply::NO_VALID_RECIPIENTS,
            Reply::STRAY_LINE_ENDS,
            Reply::NUL_IN_MESSAGE,
            Reply::LINE_TOO_LONG,
            Reply::COMMAND_LINE_TOO_LONG,
            Reply::COMMAND_LINE_MALFORMED,
        ] {
            let class = reply.enhanced.map(|enhanced| u16::from(enhanced.class));
            assert_eq!(class, Some(reply.code / 100), "{reply}");
        }
    }
}
