//! The parameters of MAIL and RCPT.
//!
//! The words are split, known and counted here; what a word of a closed set means (SIZE, BODY,
//! SMTPUTF8, RET, NOTIFY) is asked of smtp-proto, a word at a time. Not its whole list at once, since
//! it takes a parameter twice, accepts extensions that we do not offer and starts again behind the
//! twentieth digit of a size. ENVID, AUTH and ORCPT are read here altogether: it decodes them, while
//! they have to be passed on as they were sent, and it does not know `utf-8;` of RFC 6533.

use std::borrow::Cow;

use smtp_proto::request::parser::Rfc5321Parser;
use smtp_proto::{
    MAIL_BODY_8BITMIME, MAIL_BODY_BINARYMIME, MAIL_RET_FULL, RCPT_NOTIFY_DELAY,
    RCPT_NOTIFY_FAILURE, RCPT_NOTIFY_NEVER, RCPT_NOTIFY_SUCCESS,
};

use super::{
    BLANKS, BodyType, CommandError, MailCommand, Notify, RcptCommand, Return, SIZE_DIGITS,
};
use crate::limits::{self, ENVELOPE_ID_BYTES, ORIGINAL_RECIPIENT_BYTES, PATH_BYTES};
use crate::smtp::address::{ForwardPath, ReversePath};
use crate::smtp::xtext;

/// The parameters of MAIL that we offer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MailParameter {
    Size,
    Body,
    SmtpUtf8,
    Ret,
    EnvelopeId,
    Auth,
    Prdr,
}

const MAIL_PARAMETERS: [(&str, MailParameter); 7] = [
    ("SIZE", MailParameter::Size),
    ("BODY", MailParameter::Body),
    ("SMTPUTF8", MailParameter::SmtpUtf8),
    ("RET", MailParameter::Ret),
    ("ENVID", MailParameter::EnvelopeId),
    ("AUTH", MailParameter::Auth),
    ("PRDR", MailParameter::Prdr),
];

/// The parameters of RCPT that we offer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RcptParameter {
    Notify,
    OriginalRecipient,
}

const RCPT_PARAMETERS: [(&str, RcptParameter); 2] = [
    ("NOTIFY", RcptParameter::Notify),
    ("ORCPT", RcptParameter::OriginalRecipient),
];

/// Reads the parameters that follow the path of MAIL.
pub(super) fn mail(from: ReversePath, text: &str) -> Result<MailCommand, CommandError> {
    let mut command = MailCommand {
        from,
        size: None,
        body: None,
        smtputf8: false,
        ret: None,
        envelope_id: None,
        auth: None,
        prdr: false,
    };
    for word in words(text, &MAIL_PARAMETERS) {
        let word = word?;
        match word.parameter {
            MailParameter::Size if word.value.len() > SIZE_DIGITS => return Err(word.bad()),
            MailParameter::Size => command.size = Some(word.as_mail()?.0 as u64),
            MailParameter::Body => command.body = Some(body(&word)?),
            MailParameter::SmtpUtf8 => {
                word.as_mail()?;
                command.smtputf8 = true;
            }
            MailParameter::Ret => {
                let (_, flags) = word.as_mail()?;
                let full = flags & MAIL_RET_FULL != 0;
                command.ret = Some(if full { Return::Full } else { Return::Headers });
            }
            MailParameter::EnvelopeId => {
                command.envelope_id = Some(word.xtext(ENVELOPE_ID_BYTES)?);
            }
            // Not known to the parser; it has no value.
            MailParameter::Prdr if word.value.is_empty() => command.prdr = true,
            MailParameter::Prdr => return Err(word.bad()),
            // Encoded, every byte of a path may take three.
            MailParameter::Auth => command.auth = Some(word.xtext(3 * PATH_BYTES)?),
        }
    }
    Ok(command)
}

/// Reads the parameters that follow the path of RCPT.
pub(super) fn rcpt(
    to: ForwardPath,
    text: &str,
    smtputf8: bool,
) -> Result<RcptCommand, CommandError> {
    let mut command = RcptCommand {
        to,
        notify: None,
        original_recipient: None,
    };
    for word in words(text, &RCPT_PARAMETERS) {
        let word = word?;
        match word.parameter {
            RcptParameter::Notify => command.notify = Some(notify(&word)?),
            RcptParameter::OriginalRecipient => {
                if !is_original_recipient(word.value, smtputf8) {
                    return Err(word.bad());
                }
                command.original_recipient = Some(word.value.to_owned());
            }
        }
    }
    Ok(command)
}

fn body(word: &ParameterWord<'_, MailParameter>) -> Result<BodyType, CommandError> {
    let (_, flags) = word.as_mail()?;
    if flags & MAIL_BODY_BINARYMIME != 0 {
        return Err(CommandError::UnknownParameter(word.text.to_owned()));
    }
    Ok(match flags & MAIL_BODY_8BITMIME {
        0 => BodyType::SevenBit,
        _ => BodyType::EightBitMime,
    })
}

fn notify(word: &ParameterWord<'_, RcptParameter>) -> Result<Notify, CommandError> {
    let flags = word.read(|parser| Ok(parser.rcpt_to_parameters(Cow::Borrowed(""))?.flags))?;
    let notify = Notify {
        never: flags & RCPT_NOTIFY_NEVER != 0,
        success: flags & RCPT_NOTIFY_SUCCESS != 0,
        failure: flags & RCPT_NOTIFY_FAILURE != 0,
        delay: flags & RCPT_NOTIFY_DELAY != 0,
    };
    if notify.never && (notify.success || notify.failure || notify.delay) {
        return Err(word.bad());
    }
    Ok(notify)
}

/// `addr-type ";" xtext`, RFC 3461 §4.2; with the type `utf-8` also the letters of RFC 6533 §3.
fn is_original_recipient(value: &str, smtputf8: bool) -> bool {
    let Some((kind, address)) = value.split_once(';') else {
        return false;
    };
    let atom = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if value.len() > ORIGINAL_RECIPIENT_BYTES
        || kind.is_empty()
        || !kind.bytes().all(atom)
        || address.is_empty()
    {
        return false;
    }
    if kind.eq_ignore_ascii_case("utf-8") {
        let plain = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '+' | '=');
        let foreign = |letter: char| smtputf8 && !letter.is_ascii();
        address
            .chars()
            .all(|letter| plain(letter) || foreign(letter))
    } else {
        xtext::is_valid(address)
    }
}

/// One parameter as it was sent.
struct ParameterWord<'a, P> {
    parameter: P,
    name: &'static str,
    /// `name=value`, or the name alone.
    text: &'a str,
    /// Empty when there is none.
    value: &'a str,
}

impl<P> ParameterWord<'_, P> {
    fn bad(&self) -> CommandError {
        CommandError::BadParameter(self.name)
    }

    /// A value of xtext, as sent.
    fn xtext(&self, bytes_max: usize) -> Result<String, CommandError> {
        match (1..=bytes_max).contains(&self.value.len()) && xtext::is_valid(self.value) {
            true => Ok(self.value.to_owned()),
            false => Err(self.bad()),
        }
    }

    /// The word's size and flags, as smtp-proto reads it among the parameters of MAIL.
    fn as_mail(&self) -> Result<(usize, u64), CommandError> {
        self.read(|parser| {
            let read = parser.mail_from_parameters(Cow::Borrowed(""))?;
            Ok((read.size, read.flags))
        })
    }

    fn read<R>(
        &self,
        read: impl FnOnce(&mut Rfc5321Parser<'_, '_>) -> Result<R, smtp_proto::Error>,
    ) -> Result<R, CommandError> {
        let line = format!("{}\n", self.text);
        let mut bytes = line.as_bytes().iter();
        let mut parser = Rfc5321Parser::new(&mut bytes);
        parser.stop_char = b' ';
        read(&mut parser).map_err(|_| self.bad())
    }
}

/// Splits parameters at blanks and finds each among the known ones; none may be given twice.
fn words<'a, P: Copy + PartialEq>(
    text: &'a str,
    known: &'static [(&'static str, P)],
) -> impl Iterator<Item = Result<ParameterWord<'a, P>, CommandError>> {
    let mut seen: Vec<P> = Vec::new();
    text.split(BLANKS)
        .filter(|word| !word.is_empty())
        .map(move |text| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            let Some(&(name, parameter)) = known
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
            else {
                let named = name.chars().take(limits::NAMED_CHARACTERS).collect();
                return Err(CommandError::UnknownParameter(named));
            };
            if seen.contains(&parameter) {
                return Err(CommandError::RepeatedParameter(name));
            }
            seen.push(parameter);
            // Only these may be in a value (esmtp-value, RFC 5321 §4.1.2); letters outside ASCII
            // where a parameter allows them.
            if text.contains(|letter: char| letter.is_control() || letter.is_whitespace()) {
                return Err(CommandError::BadParameter(name));
            }
            Ok(ParameterWord {
                parameter,
                name,
                text,
                value,
            })
        })
}
