//! XCLIENT, by which a trusted proxy names the client of a session that it passes on: the attributes behind the command.
//!
//! It is an extension of Postfix, and its XCLIENT_README is the specification; where that says nothing,
//! the code of Postfix's smtpd decides ("smtpd" in the comments here).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::command::client_name;
use super::xtext;
use crate::limits::{self, DOMAIN_BYTES};

/// The line of the EHLO reply, with the attributes that [`parse`] knows. README, "Command syntax"; the
/// REVERSE_NAME that smtpd also offers is not part of it.
pub const CAPABILITY: &str = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";

/// As many has 65535.
const PORT_DIGITS: usize = 5;

/// What one XCLIENT says about a session.
///
/// None: not mentioned. Then the name, the addresses and the ports stay as they were, while HELO, PROTO
/// and LOGIN become what they are in a new session (README, "Server response": all is reset but what
/// came with the last XCLIENT).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// NAME: the client's host name, as found by its address. ASCII letters, digits, `-`, `_` and `.`.
    pub name: Option<AttributeValue<String>>,
    /// ADDR: the client's address. IPv4 addresses that are written as IPv6 are given as they were sent.
    pub address: Option<AttributeValue<IpAddr>>,
    /// PORT: the client's port.
    pub port: Option<AttributeValue<u16>>,
    /// PROTO: how the client has greeted. It is always known.
    pub protocol: Option<GreetedProtocol>,
    /// HELO: what the client calls itself, as our own EHLO notes it.
    pub helo: Option<AttributeValue<String>>,
    /// LOGIN: the login of the client. Not empty, no control characters, otherwise any text.
    pub login: Option<AttributeValue<String>>,
    /// DESTADDR: the address that the client has connected to.
    pub destination_address: Option<AttributeValue<IpAddr>>,
    /// DESTPORT: the port that the client has connected to.
    pub destination_port: Option<AttributeValue<u16>>,
}

/// An attribute that was mentioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttributeValue<T> {
    /// With a value.
    Value(T),
    /// As one that the proxy does not know either. For NAME this may be for the moment only.
    Unavailable,
}

/// How a client has greeted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GreetedProtocol {
    /// HELO.
    Smtp,
    /// EHLO.
    Esmtp,
}

#[derive(Clone, Copy)]
enum Attribute {
    Name,
    Address,
    Port,
    GreetedProtocol,
    Helo,
    Login,
    DestinationAddress,
    DestinationPort,
}

const ATTRIBUTES: [(&str, Attribute); 8] = [
    ("NAME", Attribute::Name),
    ("ADDR", Attribute::Address),
    ("PORT", Attribute::Port),
    ("PROTO", Attribute::GreetedProtocol),
    ("HELO", Attribute::Helo),
    ("LOGIN", Attribute::Login),
    ("DESTADDR", Attribute::DestinationAddress),
    ("DESTPORT", Attribute::DestinationPort),
];

/// Reads what follows `XCLIENT `. All of it is good, or none of it counts; smtpd keeps what comes
/// before an error.
pub fn parse(arguments: &str) -> Result<Attributes, XclientError> {
    let mut attributes = Attributes::default();
    let mut seen = [false; ATTRIBUTES.len()];
    let mut words = arguments.split_ascii_whitespace().peekable();
    if words.peek().is_none() {
        return Err(XclientError::NoAttributes);
    }
    for word in words {
        // An empty value is none: smtpd.
        let (name, value) = word
            .split_once('=')
            .filter(|(_, value)| !value.is_empty())
            .ok_or_else(|| XclientError::NoValue(named(word)))?;
        let (name, attribute) = ATTRIBUTES
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .ok_or_else(|| XclientError::Unknown(named(name)))?;
        // In smtpd the last of two counts. No client sends two, and one that gets a second one into the
        // line by way of a name in the DNS is not to be believed.
        if std::mem::replace(&mut seen[attribute as usize], true) {
            return Err(XclientError::Repeated(name));
        }
        let value = decode(value);
        attributes
            .set(attribute, &value)
            .ok_or(XclientError::BadValue(name))?;
    }
    Ok(attributes)
}

/// What of a word may be repeated to the client.
fn named(word: &str) -> String {
    let name = word.split('=').next().unwrap_or(word);
    name.chars()
        .filter(|letter| !letter.is_control())
        .take(limits::NAMED_CHARACTERS)
        .collect()
}

/// The meaning of a value. README, note 3: old clients do not encode their values, so what is no xtext
/// is taken as it is, as smtpd does. nginx is such a client: it sent
/// `LOGIN=user+tag@example.org` before 1.29.2.
fn decode(value: &str) -> Vec<u8> {
    xtext::decode_bytes(value).unwrap_or_else(|| value.as_bytes().to_vec())
}

impl Attributes {
    /// None: it is no value of that attribute.
    fn set(&mut self, attribute: Attribute, value: &[u8]) -> Option<()> {
        let text = || std::str::from_utf8(value).ok();
        match attribute {
            Attribute::Name => self.name = Some(name(text()?)?),
            Attribute::Address => self.address = Some(given(text()?, address)?),
            Attribute::Port => self.port = Some(given(text()?, port)?),
            Attribute::GreetedProtocol => self.protocol = Some(protocol(text()?)?),
            // What the client said to the proxy is noted as if it had said it to us.
            Attribute::Helo => {
                let said = String::from_utf8_lossy(value);
                self.helo = Some(given(&said, |_| Some(client_name(value)))?);
            }
            Attribute::Login => self.login = Some(given(text()?, login)?),
            Attribute::DestinationAddress => {
                self.destination_address = Some(given(text()?, address)?);
            }
            Attribute::DestinationPort => self.destination_port = Some(given(text()?, port)?),
        }
        Some(())
    }
}

/// A value, or `[UNAVAILABLE]` in letters of any case (README, note 2).
///
/// `[TEMPUNAVAIL]` belongs to NAME alone; elsewhere it is a bad value, above all as a login.
fn given<T>(value: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<AttributeValue<T>> {
    if value.eq_ignore_ascii_case("[UNAVAILABLE]") {
        Some(AttributeValue::Unavailable)
    } else if value.eq_ignore_ascii_case("[TEMPUNAVAIL]") {
        None
    } else {
        read(value).map(AttributeValue::Value)
    }
}

/// README: a host name; `[UNAVAILABLE]` after a permanent error, `[TEMPUNAVAIL]` after a transient one.
fn name(value: &str) -> Option<AttributeValue<String>> {
    if value.eq_ignore_ascii_case("[TEMPUNAVAIL]") {
        return Some(AttributeValue::Unavailable);
    }
    given(value, |value| is_host_name(value).then(|| value.to_owned()))
}

/// As smtpd checks it: with underscores, which are in use, and not of digits alone, which would be an
/// address.
fn is_host_name(value: &str) -> bool {
    let is_label_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| {
        (1..=limits::LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(is_label_byte)
    };
    let is_numeric = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    value.len() <= DOMAIN_BYTES && value.split('.').all(is_label) && !value.bytes().all(is_numeric)
}

/// README: an IPv4 address, or an IPv6 address behind `IPV6:` in letters of any case (note 2); without
/// brackets.
fn address(value: &str) -> Option<IpAddr> {
    const PREFIX: &str = "IPV6:";
    match value.split_at_checked(PREFIX.len()) {
        Some((prefix, address)) if prefix.eq_ignore_ascii_case(PREFIX) => {
            address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        }
        _ => value.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// README: a decimal number. `parse` alone would take a sign.
fn port(value: &str) -> Option<u16> {
    let valid = value.len() <= PORT_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| valid)
}

/// README: SMTP or ESMTP. smtpd does not mind the case.
fn protocol(value: &str) -> Option<GreetedProtocol> {
    if value.eq_ignore_ascii_case("SMTP") {
        Some(GreetedProtocol::Smtp)
    } else if value.eq_ignore_ascii_case("ESMTP") {
        Some(GreetedProtocol::Esmtp)
    } else {
        None
    }
}

/// README: a login name, which is a matter of the proxy's directory. It may be logged, so it is of
/// one line.
fn login(value: &str) -> Option<String> {
    let valid = (1..=limits::XCLIENT_LOGIN_BYTES).contains(&value.len())
        && !value.contains(char::is_control);
    valid.then(|| value.to_owned())
}

/// Why XCLIENT is not followed. All of it is a 501 (README, "Reply codes").
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XclientError {
    /// Nothing follows the command.
    #[error("syntax: XCLIENT attribute=value...")]
    NoAttributes,
    /// A word without `=`, or with nothing behind it.
    #[error("attribute {0} has no value")]
    NoValue(String),
    /// An attribute that we did not offer.
    #[error("unknown attribute {0}")]
    Unknown(String),
    /// An attribute that is given twice.
    #[error("attribute {0} is repeated")]
    Repeated(&'static str),
    /// An attribute with a value that it cannot have.
    #[error("bad value of attribute {0}")]
    BadValue(&'static str),
}

#[cfg(test)]
#[path = "xclient_tests.rs"]
mod tests;
