//! AUTH by PLAIN and LOGIN: what a client answers becomes a name and a password, or a refusal
//! (RFC 4954, RFC 4616).
//!
//! Whether they are right is not decided here.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::reply::Reply;

/// A way to say who one is. Both send the password as it is, so both want TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616: name and password in one answer.
    Plain,
    /// Never a standard, but what some clients do: name and password in two answers.
    Login,
}

impl Mechanism {
    /// Those that we offer, the better first.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Login];

    /// Its name in EHLO and AUTH.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// The mechanism of this name, given in upper case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.name() == name)
    }

    /// Begins with what AUTH itself carried: base64, or `=` for an empty answer (RFC 4954 §4).
    #[must_use]
    pub fn begin(self, initial: Option<&str>) -> SaslStep {
        let exchange = match self {
            Self::Plain => SaslExchange::Plain,
            Self::Login => SaslExchange::LoginName,
        };
        match initial {
            None => SaslStep::Ask(exchange),
            Some("=") => exchange.decoded(Vec::new()),
            Some(base64) => exchange.answer(base64.as_bytes()),
        }
    }
}

/// The name that a client gives, and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The login's name.
    pub name: String,
    /// Its password.
    pub password: String,
}

/// By hand, because Debug goes to logs; and who fills in a form wrongly gives the password as the name.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(credentials)")
    }
}

/// What we are waiting for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaslExchange {
    /// The one answer of PLAIN.
    Plain,
    /// The first of LOGIN.
    LoginName,
    /// The second of LOGIN.
    LoginPassword {
        /// The first.
        name: String,
    },
}

/// The next step of the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaslStep {
    /// The client is asked, and answers with a line.
    Ask(SaslExchange),
    /// The client has said everything.
    Check(Credentials),
    /// It is over, and this is why.
    Refuse(Reply),
}

impl SaslExchange {
    /// The question, RFC 4954 §4: a challenge in base64, for PLAIN an empty one.
    #[must_use]
    pub fn question(&self) -> Reply {
        Reply::challenge(match self {
            Self::Plain => "",
            // "Username:" and "Password:", which is what clients look for.
            Self::LoginName => "VXNlcm5hbWU6",
            Self::LoginPassword { .. } => "UGFzc3dvcmQ6",
        })
    }

    /// Takes the line that the client answered with, without its CRLF.
    #[must_use]
    pub fn answer(self, line: &[u8]) -> SaslStep {
        let line = line.trim_ascii_end();
        if line == b"*" {
            return SaslStep::Refuse(Reply::AUTHENTICATION_CANCELLED);
        }
        match BASE64_STANDARD.decode(line) {
            Ok(bytes) => self.decoded(bytes),
            Err(_) => SaslStep::Refuse(Reply::AUTHENTICATION_MALFORMED),
        }
    }

    fn decoded(self, bytes: Vec<u8>) -> SaslStep {
        // No login has a name or a password that is not UTF-8, so these are no login's.
        let Ok(text) = String::from_utf8(bytes) else {
            return SaslStep::Refuse(Reply::AUTHENTICATION_FAILED);
        };
        match self {
            Self::Plain => plain(&text),
            Self::LoginName => SaslStep::Ask(Self::LoginPassword { name: text }),
            Self::LoginPassword { name } => SaslStep::Check(Credentials {
                name,
                password: text,
            }),
        }
    }
}

/// `[authzid] NUL authcid NUL passwd`, RFC 4616 §2.
fn plain(text: &str) -> SaslStep {
    let parts: Vec<&str> = text.split('\0').collect();
    let [acts_as, name, password] = parts[..] else {
        return SaslStep::Refuse(Reply::AUTHENTICATION_MALFORMED);
    };
    // A login acts for itself only.
    if !acts_as.is_empty() && !acts_as.eq_ignore_ascii_case(name) {
        return SaslStep::Refuse(Reply::AUTHENTICATION_FAILED);
    }
    SaslStep::Check(Credentials {
        name: name.to_owned(),
        password: password.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(name: &str, password: &str) -> SaslStep {
        SaslStep::Check(Credentials {
            name: name.to_owned(),
            password: password.to_owned(),
        })
    }

    fn base64(text: &str) -> String {
        BASE64_STANDARD.encode(text)
    }

    #[test]
    fn plain_is_one_answer() {
        let cancelled = || SaslStep::Refuse(Reply::AUTHENTICATION_CANCELLED);
        let malformed = || SaslStep::Refuse(Reply::AUTHENTICATION_MALFORMED);
        let failed = || SaslStep::Refuse(Reply::AUTHENTICATION_FAILED);
        for (line, expected) in [
            (
                base64("\0robot\0open sesame"),
                credentials("robot", "open sesame"),
            ),
            (base64("robot\0robot\0x"), credentials("robot", "x")),
            (base64("Robot\0robot\0x"), credentials("robot", "x")),
            (
                base64("\0robot\0pässword"),
                credentials("robot", "pässword"),
            ),
            (base64("\0robot\0"), credentials("robot", "")),
            (base64("boss\0robot\0x"), failed()),
            (BASE64_STANDARD.encode(b"\0robot\0p\xe4ssword"), failed()),
            (base64("robot\0x"), malformed()),
            (base64("\0robot\0x\0"), malformed()),
            (base64("robot"), malformed()),
            (String::new(), malformed()),
            ("=".to_owned(), malformed()),
            ("AGEAYg=".to_owned(), malformed()),
            ("AGEA Yg==".to_owned(), malformed()),
            ("*".to_owned(), cancelled()),
        ] {
            let begun = Mechanism::Plain.begin(None);
            let SaslStep::Ask(exchange) = begun else {
                panic!("without an initial response PLAIN asks: {begun:?}");
            };
            assert_eq!(exchange.answer(line.as_bytes()), expected, "{line}");
            // The same with the command, save that a response of its own may be neither empty nor `*`.
            if !["", "=", "*"].contains(&line.as_str()) {
                assert_eq!(Mechanism::Plain.begin(Some(&line)), expected, "{line}");
            }
        }
        assert_eq!(Mechanism::Plain.begin(Some("=")), malformed());
    }

    #[test]
    fn login_is_two_answers() {
        let asks_for_password = || {
            SaslStep::Ask(SaslExchange::LoginPassword {
                name: "robot".to_owned(),
            })
        };
        let asks_for_name = Mechanism::Login.begin(None);
        assert_eq!(asks_for_name, SaslStep::Ask(SaslExchange::LoginName));
        assert_eq!(
            Mechanism::Login.begin(Some(&base64("robot"))),
            asks_for_password()
        );
        assert_eq!(
            SaslExchange::LoginName.answer(base64("robot").as_bytes()),
            asks_for_password()
        );
        for (line, expected) in [
            (base64("open sesame"), credentials("robot", "open sesame")),
            (String::new(), credentials("robot", "")),
            (
                "*".to_owned(),
                SaslStep::Refuse(Reply::AUTHENTICATION_CANCELLED),
            ),
            (
                "?".to_owned(),
                SaslStep::Refuse(Reply::AUTHENTICATION_MALFORMED),
            ),
        ] {
            let SaslStep::Ask(exchange) = asks_for_password() else {
                unreachable!("it asks");
            };
            assert_eq!(exchange.answer(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn questions_are_base64() {
        for (exchange, expected) in [
            (SaslExchange::Plain, "334 \r\n"),
            (SaslExchange::LoginName, "334 VXNlcm5hbWU6\r\n"),
            (
                SaslExchange::LoginPassword {
                    name: String::new(),
                },
                "334 UGFzc3dvcmQ6\r\n",
            ),
        ] {
            let mut wire = Vec::new();
            exchange.question().write(&mut wire);
            assert_eq!(String::from_utf8(wire).unwrap(), expected);
        }
    }

    #[test]
    fn mechanisms_have_names_and_passwords_are_not_shown() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::from_name(mechanism.name()), Some(mechanism));
        }
        assert_eq!(Mechanism::from_name("CRAM-MD5"), None);
        let shown = format!("{:?}", credentials("robot", "open sesame"));
        assert!(!shown.contains("sesame"), "{shown}");
    }
}
