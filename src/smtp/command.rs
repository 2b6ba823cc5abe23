//! Commands.
use super::{
    address::{ForwardPath, PathError, ReversePath},
    reply::Reply,
};
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    Helo {
        host: String,
    },
    Ehlo {
        host: String,
    },
    Mail(MailCommand),
    Rcpt(RcptCommand),
    Data,
    Bdat {
        size: u64,
        last: bool,
    },
    Rset,
    Noop,
    Quit,
    StartTls,
    Auth {
        mechanism: String,
        initial: Option<String>,
    },
    Vrfy,
    Expn,
    Help,
}
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailCommand {
    pub from: ReversePath,
    pub size: Option<u64>,
    pub body: Option<BodyType>,
    pub smtputf8: bool,
    pub ret: Option<Return>,
    pub envelope_id: Option<String>,
    pub auth: Option<String>,
}
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RcptCommand {
    pub to: ForwardPath,
    pub notify: Option<Notify>,
    pub original_recipient: Option<String>,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum BodyType {
    SevenBit,
    EightBitMime,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Return {
    Full,
    Headers,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub struct Notify {
    pub never: bool,
    pub success: bool,
    pub failure: bool,
    pub delay: bool,
}
impl Command {
    /// `smtputf8`: the MAIL of the present transaction had SMTPUTF8 (matters for RCPT only).
    pub fn parse(_line: &[u8], _smtputf8: bool) -> Result<Command, CommandError> {
        unimplemented!()
    }
    pub fn verb(&self) -> &'static str {
        unimplemented!()
    }
}
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandError {
    #[error("unknown command")]
    Unknown,
    #[error("usage: {0}")]
    Syntax(&'static str),
    #[error("sender: {0}")]
    Sender(PathError),
    #[error("recipient: {0}")]
    Recipient(PathError),
    #[error("unknown parameter {0}")]
    UnknownParameter(String),
    #[error("bad parameter {0}")]
    BadParameter(&'static str),
    #[error("repeated parameter {0}")]
    RepeatedParameter(&'static str),
}
impl CommandError {
    pub fn reply(&self) -> Reply {
        unimplemented!()
    }
}
