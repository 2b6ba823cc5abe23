//! Replies.
use bytes::BufMut;
use std::{borrow::Cow, fmt};
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enhanced {
    pub class: u8,
    pub subject: u16,
    pub detail: u16,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub enhanced: Option<Enhanced>,
    pub text: Cow<'static, str>,
}
impl Enhanced {
    pub const fn new(class: u8, subject: u16, detail: u16) -> Enhanced {
        Enhanced {
            class,
            subject,
            detail,
        }
    }
}
impl Reply {
    /// `Reply::new(550, (5, 1, 1), "no such user")`
    pub fn new(code: u16, enhanced: (u8, u16, u16), text: impl Into<Cow<'static, str>>) -> Reply {
        Reply {
            code,
            enhanced: Some(Enhanced::new(enhanced.0, enhanced.1, enhanced.2)),
            text: text.into(),
        }
    }
    /// Without an enhanced code: 220, 354, 334, EHLO.
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Reply {
        Reply {
            code,
            enhanced: None,
            text: text.into(),
        }
    }
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }
    pub fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
    /// Vec<u8> or BytesMut.
    pub fn write(&self, _out: &mut impl BufMut) {
        unimplemented!()
    }
    /// One printable line of at most PASSED_WORDS_BYTES.
    pub fn passed_words(&self) -> String {
        unimplemented!()
    }
    /// A next hop's reply made fit for a client: passed words, 421 becomes 451, an enhanced code always.
    pub fn passed_on(&self) -> Reply {
        unimplemented!()
    }
}
impl fmt::Display for Reply {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!()
    }
}
macro_rules! stub { ($($name:ident),*) => { impl Reply { $(pub fn $name() -> Reply { unimplemented!() })* } } }
stub!(
    ok,
    start_data,
    closing,
    bad_sequence,
    service_closing,
    shutting_down,
    too_many_errors,
    command_timeout,
    too_many_connections,
    too_many_recipients,
    insufficient_storage,
    local_error,
    message_too_big,
    relay_denied,
    loop_detected,
    cannot_verify,
    not_implemented,
    authentication_required,
    authentication_failed,
    authentication_succeeded,
    encryption_required,
    start_tls,
    tls_not_available,
    stray_line_ends,
    line_too_long,
    bytes_before_tls
);
