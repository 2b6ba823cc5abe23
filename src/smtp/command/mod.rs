//! Commands: one line of a client becomes one value, or the error that says what to reply.

mod parameters;

use std::fmt;

use super::address::{ForwardPath, PathError, ReversePath};
use super::path_lexer::BLANKS;
use super::reply::Reply;
use crate::limits::{self, DOMAIN_BYTES};

/// How the commands with arguments are written, for the 501.
const MAIL: &str = "MAIL FROM:<address> [parameters]";
const RCPT: &str = "RCPT TO:<address> [parameters]";
const BDAT: &str = "BDAT size [LAST]";
const AUTH: &str = "AUTH mechanism [initial-response]";
/// `size-value` of RFC 1870 §5 and `chunk-size` of RFC 3030 §2 have no more digits than this.
const SIZE_DIGITS: usize = 20;
/// A client that does not say what it is called.
const NAMELESS: &str = "unknown";

/// One command of a client.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// RFC 5321 §4.1.1.1, with what the client calls itself, see [`client_name`].
    Helo(String),
    /// RFC 5321 §4.1.1.1, with the same.
    Ehlo(String),
    /// RFC 2033 §4.1, with the same.
    Lhlo(String),
    /// RFC 5321 §4.1.1.2.
    Mail(MailCommand),
    /// RFC 5321 §4.1.1.3.
    Rcpt(RcptCommand),
    /// RFC 5321 §4.1.1.4.
    Data,
    /// RFC 3030 §2.
    Bdat {
        /// Bytes that follow the line.
        size: u64,
        /// No chunk follows this one.
        last: bool,
    },
    /// RFC 5321 §4.1.1.5.
    Rset,
    /// RFC 5321 §4.1.1.9.
    Noop,
    /// RFC 5321 §4.1.1.10.
    Quit,
    /// RFC 3207 §4.
    StartTls,
    /// RFC 4954 §4.
    Auth {
        /// In upper case.
        mechanism: String,
        /// Base64 as sent, or `=` for an empty response.
        initial: Option<String>,
    },
    /// XCLIENT of Postfix: what a proxy says of its client, not read yet.
    Xclient(String),
    /// RFC 5321 §4.1.1.6; its argument is of no use to us.
    Vrfy,
    /// RFC 5321 §4.1.1.7.
    Expn,
    /// RFC 5321 §4.1.1.8.
    Help,
}

/// MAIL with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailCommand {
    /// The sender.
    pub from: ReversePath,
    /// SIZE: bytes the client means to send, RFC 1870.
    pub size: Option<u64>,
    /// BODY, RFC 6152.
    pub body: Option<BodyType>,
    /// SMTPUTF8, RFC 6531.
    pub smtputf8: bool,
    /// RET, RFC 3461 §4.3.
    pub ret: Option<Return>,
    /// ENVID, RFC 3461 §4.4: xtext as sent, valid.
    pub envelope_id: Option<String>,
    /// AUTH, RFC 4954 §5: xtext as sent, valid.
    pub auth: Option<String>,
    /// PRDR, draft-hall-prdr: a reply for each recipient is asked for.
    pub prdr: bool,
}

impl MailCommand {
    /// The parameter of DSN that it has, if it has one.
    pub fn dsn_parameter(&self) -> Option<&'static str> {
        let ret = self.ret.map(|_| "RET");
        ret.or_else(|| self.envelope_id.as_ref().map(|_| "ENVID"))
    }
}

/// RCPT with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcptCommand {
    /// The recipient.
    pub to: ForwardPath,
    /// NOTIFY, RFC 3461 §4.1.
    pub notify: Option<Notify>,
    /// ORCPT, RFC 3461 §4.2: `type;xtext` as sent, valid.
    pub original_recipient: Option<String>,
}

impl RcptCommand {
    /// The parameter of DSN that it has, if it has one.
    pub fn dsn_parameter(&self) -> Option<&'static str> {
        let notify = self.notify.map(|_| "NOTIFY");
        notify.or_else(|| self.original_recipient.as_ref().map(|_| "ORCPT"))
    }
}

/// What the client says about the bytes of the body. BINARYMIME is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyType {
    /// ASCII only.
    SevenBit,
    /// Any bytes, in lines.
    EightBitMime,
}

/// How much of the message a report of failure brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Return {
    /// All of it.
    Full,
    /// The header only.
    Headers,
}

/// Which reports the sender wants about one recipient. `never` excludes the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Notify {
    /// No report of any kind.
    pub never: bool,
    /// A report of delivery.
    pub success: bool,
    /// A report of failure.
    pub failure: bool,
    /// A report of delay.
    pub delay: bool,
}

impl Command {
    /// Reads one line without its CRLF.
    ///
    /// `smtputf8`: the MAIL of the present transaction had that parameter, so that RCPT may hold letters
    /// outside ASCII. For MAIL the parameter on the line itself decides.
    pub fn parse(line: &[u8], smtputf8: bool) -> Result<Command, CommandError> {
        let line = line.trim_ascii_end();
        let name_bytes = memchr::memchr2(b' ', b'\t', line).unwrap_or(line.len());
        let mut upper = [0; 8];
        let name = upper.get_mut(..name_bytes).ok_or(CommandError::Unknown)?;
        name.copy_from_slice(&line[..name_bytes]);
        name.make_ascii_uppercase();
        let argument = line[name_bytes..].trim_ascii_start();
        let host = || client_name(argument);
        match &*name {
            b"LHLO" => return Ok(Command::Lhlo(host())),
            b"EHLO" => return Ok(Command::Ehlo(host())),
            b"HELO" => return Ok(Command::Helo(host())),
            _ => {}
        }
        let argument = std::str::from_utf8(argument).map_err(|_| CommandError::NotText)?;
        match &*name {
            b"MAIL" => mail(argument).map(Command::Mail),
            b"RCPT" => rcpt(argument, smtputf8).map(Command::Rcpt),
            b"DATA" => alone(argument, Command::Data),
            b"BDAT" => bdat(argument),
            b"RSET" => alone(argument, Command::Rset),
            b"QUIT" => alone(argument, Command::Quit),
            b"STARTTLS" => alone(argument, Command::StartTls),
            b"AUTH" => auth(argument),
            b"XCLIENT" => Ok(Command::Xclient(argument.to_owned())),
            b"NOOP" => Ok(Command::Noop),
            b"HELP" => Ok(Command::Help),
            b"VRFY" | b"EXPN" if argument.is_empty() => {
                Err(CommandError::Syntax("VRFY or EXPN string"))
            }
            b"VRFY" => Ok(Command::Vrfy),
            b"EXPN" => Ok(Command::Expn),
            _ => Err(CommandError::Unknown),
        }
    }

    /// The command's name in upper case, for logs and counters.
    pub fn verb(&self) -> &'static str {
        match self {
            Command::Helo(_) => "HELO",
            Command::Ehlo(_) => "EHLO",
            Command::Lhlo(_) => "LHLO",
            Command::Xclient(_) => "XCLIENT",
            Command::Mail(_) => "MAIL",
            Command::Rcpt(_) => "RCPT",
            Command::Data => "DATA",
            Command::Bdat { .. } => "BDAT",
            Command::Rset => "RSET",
            Command::Noop => "NOOP",
            Command::Quit => "QUIT",
            Command::StartTls => "STARTTLS",
            Command::Auth { .. } => "AUTH",
            Command::Vrfy => "VRFY",
            Command::Expn => "EXPN",
            Command::Help => "HELP",
        }
    }
}

/// By hand, because the initial response of AUTH is a password and Debug goes to logs.
impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Mail(mail) => mail.fmt(formatter),
            Command::Rcpt(rcpt) => rcpt.fmt(formatter),
            Command::Helo(host) | Command::Ehlo(host) | Command::Lhlo(host) => {
                write!(formatter, "{} {host}", self.verb())
            }
            Command::Bdat { size, last } => write!(formatter, "BDAT {size} last={last}"),
            Command::Auth { mechanism, .. } => write!(formatter, "AUTH {mechanism} …"),
            _ => formatter.write_str(self.verb()),
        }
    }
}

fn alone(argument: &str, command: Command) -> Result<Command, CommandError> {
    match argument {
        "" => Ok(command),
        _ => Err(CommandError::Syntax("no argument is allowed")),
    }
}

fn mail(argument: &str) -> Result<MailCommand, CommandError> {
    let path = behind_keyword(argument, "FROM").ok_or(CommandError::Syntax(MAIL))?;
    let (from, rest) = ReversePath::lex(path).map_err(CommandError::Sender)?;
    let command = parameters::mail(from, parameters_of(rest, MAIL)?)?;
    if !command.smtputf8 && !command.from.is_ascii() {
        return Err(CommandError::Sender(PathError::NonAscii));
    }
    Ok(command)
}

fn rcpt(argument: &str, smtputf8: bool) -> Result<RcptCommand, CommandError> {
    let path = behind_keyword(argument, "TO").ok_or(CommandError::Syntax(RCPT))?;
    let (to, rest) = ForwardPath::lex(path).map_err(CommandError::Recipient)?;
    if !smtputf8 && !to.is_ascii() {
        return Err(CommandError::Recipient(PathError::NonAscii));
    }
    parameters::rcpt(to, parameters_of(rest, RCPT)?, smtputf8)
}

/// The path behind `FROM:` or `TO:`. Blanks around the colon are forbidden by RFC 5321 §3.3 and sent by so many
/// clients that every server takes them.
fn behind_keyword<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let (word, path) = argument.split_once(':')?;
    let word = word.trim_end_matches(BLANKS);
    word.eq_ignore_ascii_case(keyword)
        .then(|| path.trim_start_matches(BLANKS))
}

/// What follows a path: nothing, or a blank and parameters.
fn parameters_of<'a>(rest: &'a str, usage: &'static str) -> Result<&'a str, CommandError> {
    let is_apart = rest.is_empty() || rest.starts_with(BLANKS);
    is_apart.then_some(rest).ok_or(CommandError::Syntax(usage))
}

/// The name of a client as it is noted, fit for a Received field and for a log. Machines call
/// themselves by all sorts of names, or by none, and are not kept out for it (RFC 5321 §4.1.4): what is no
/// graphic ASCII, or would mean something in a Received field, becomes `?`, as in Postfix.
pub fn client_name(said: &[u8]) -> String {
    let is_harmless = |letter: char| letter.is_ascii_graphic() && !"()<>\"\\,;".contains(letter);
    // Of no letters that are UTF-8 each byte is one: names in the code page of a machine.
    let letters: Box<dyn Iterator<Item = char>> = match std::str::from_utf8(said) {
        Ok(text) => Box::new(text.chars()),
        Err(_) => Box::new(said.iter().map(|&byte| char::from(byte))),
    };
    let noted = letters.map(|letter| match is_harmless(letter) {
        true => letter,
        false => '?',
    });
    let name: String = noted.take(DOMAIN_BYTES).collect();
    match name.is_empty() {
        true => NAMELESS.to_owned(),
        false => name,
    }
}

/// The first word, and what stands behind the blanks that follow it.
fn first_word(argument: &str) -> (&str, Option<&str>) {
    match argument.split_once(BLANKS) {
        None => (argument, None),
        Some((word, rest)) => (word, Some(rest.trim_start_matches(BLANKS))),
    }
}

fn bdat(argument: &str) -> Result<Command, CommandError> {
    let (digits, last) = first_word(argument);
    // `parse` alone would take a sign.
    let valid = digits.len() <= SIZE_DIGITS
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && last.is_none_or(|word| word.eq_ignore_ascii_case("LAST"));
    let last = last.is_some();
    match digits.parse() {
        Ok(size) if valid => Ok(Command::Bdat { size, last }),
        _ => Err(CommandError::Syntax(BDAT)),
    }
}

fn auth(argument: &str) -> Result<Command, CommandError> {
    let (mechanism, initial) = first_word(argument);
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let valid = (1..=limits::MECHANISM_BYTES).contains(&mechanism.len())
        && mechanism.bytes().all(name)
        && initial.is_none_or(|initial| !initial.is_empty() && initial.bytes().all(base64));
    if !valid {
        return Err(CommandError::Syntax(AUTH));
    }
    Ok(Command::Auth {
        mechanism: mechanism.to_ascii_uppercase(),
        initial: initial.map(str::to_owned),
    })
}

/// Why a line is no command we can follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such command.
    #[error("unknown command")]
    Unknown,
    /// The line is not UTF-8.
    #[error("the line is not UTF-8")]
    NotText,
    /// The command is known, its form is wrong; holds the right one.
    #[error("syntax: {0}")]
    Syntax(&'static str),
    /// The path of MAIL.
    #[error("bad sender address: {0}")]
    Sender(PathError),
    /// The path of RCPT.
    #[error("bad recipient address: {0}")]
    Recipient(PathError),
    /// A parameter that we did not offer.
    #[error("unknown parameter {0}")]
    UnknownParameter(String),
    /// A parameter with a value that it cannot have.
    #[error("bad value of parameter {0}")]
    BadParameter(&'static str),
    /// A parameter that is given twice.
    #[error("parameter {0} is repeated")]
    RepeatedParameter(&'static str),
}

impl CommandError {
    /// The reply to the client.
    pub fn reply(&self) -> Reply {
        let (code, enhanced) = match self {
            CommandError::Unknown => return Reply::UNKNOWN_COMMAND,
            CommandError::Syntax(usage) => return Reply::syntax_error(usage),
            // RFC 6531 §3.5.
            CommandError::Sender(PathError::NonAscii)
            | CommandError::Recipient(PathError::NonAscii)
            | CommandError::NotText => (553, (5, 6, 7)),
            // RFC 5321 §4.2.3: 553, mailbox syntax that is not allowed here.
            CommandError::Sender(PathError::SourceRoute) => (553, (5, 1, 7)),
            CommandError::Recipient(PathError::SourceRoute) => (553, (5, 1, 3)),
            CommandError::Sender(_) => (501, (5, 1, 7)),
            CommandError::Recipient(_) => (501, (5, 1, 3)),
            // RFC 5321 §4.1.1.11.
            CommandError::UnknownParameter(_) => (555, (5, 5, 4)),
            CommandError::BadParameter(_) | CommandError::RepeatedParameter(_) => (501, (5, 5, 4)),
        };
        let mut words = self.to_string();
        words[..1].make_ascii_uppercase();
        Reply::new(code, enhanced, words)
    }
}

#[cfg(test)]
mod tests;
