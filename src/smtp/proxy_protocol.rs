//! The header by which a load balancer names the client of a connection that it passes on: HAProxy's PROXY protocol.
//!
//! The sections are those of its specification, `doc/proxy-protocol.txt` of HAProxy. A header is not
//! looked for (§2: the receiver must not guess): the caller of [`read`] is configured to expect one, and
//! from which proxy, and says nothing to the client before it has come.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::limits;

/// What a line of version 1 begins with, §2.1.
const LINE_START: &[u8] = b"PROXY ";
/// What a header of version 2 begins with, §2.2. No client of SMTP begins like that.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2 up to its length, §2.2: signature, version and command, family and transport, length.
const FIXED_BYTES: usize = 16;

/// The client of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyHeader {
    /// Someone else's, passed on. IPv4 addresses that are written as IPv6 are given as they were sent.
    Proxied {
        /// The client.
        source: SocketAddr,
        /// Where the client has connected to.
        destination: SocketAddr,
    },
    /// The sender's own, as for its health checks: the connection's addresses count.
    Local,
    /// Someone else's without a known address. The specification lets the connection's addresses
    /// count here as well (§2.1, §2.2), but those are the proxy's, which may be trusted.
    Unknown,
}

/// Reads the header that `input` begins with, and says how many bytes it takes.
///
/// None: `input` is the beginning of a header, and more bytes are needed. What cannot become a header
/// is refused at its first wrong byte; only the words of a line wait for its CRLF (§2.1).
pub fn read(input: &[u8]) -> Result<Option<(ProxyHeader, usize)>, Malformed> {
    match input.first() {
        None => Ok(None),
        Some(b'P') => read_line(input),
        Some(_) => read_binary(input),
    }
}

/// Whether `input` begins with `expected`, as far as it has come.
fn agrees(input: &[u8], expected: &[u8]) -> bool {
    input
        .iter()
        .zip(expected)
        .all(|(here, there)| here == there)
}

// ---- Version 1 ------------------------------------------------------------------------------------

/// Finds the text between the protocol of a line and its CRLF. None: that is yet to come.
type FindText = fn(&[u8]) -> Result<Option<&[u8]>, Malformed>;
/// Reads that text.
type ReadText = fn(&[u8]) -> Result<ProxyHeader, Malformed>;

/// The words behind `PROXY `, each with what has to follow it.
const LINE_PROTOCOLS: [(&[u8], FindText, ReadText); 3] = [
    (b"TCP4 ", address_text, line_endpoints::<Ipv4Addr>),
    (b"TCP6 ", address_text, line_endpoints::<Ipv6Addr>),
    (b"UNKNOWN", unknown_text, |_| Ok(ProxyHeader::Unknown)),
];

fn read_line(input: &[u8]) -> Result<Option<(ProxyHeader, usize)>, Malformed> {
    if !agrees(input, LINE_START) {
        return Err(Malformed::NoHeader);
    }
    // What follows the line is the client's, so nothing behind the longest line is looked at.
    let window = input.get(..limits::PROXY_LINE_BYTES).unwrap_or(input);
    let Some(behind_start) = window.strip_prefix(LINE_START) else {
        return Ok(None);
    };
    let mut protocols = LINE_PROTOCOLS.into_iter();
    let Some((word, find, read)) = protocols.find(|(word, ..)| behind_start.starts_with(word))
    else {
        // It may yet become one.
        let may_be = |(word, ..): &(&[u8], FindText, ReadText)| agrees(behind_start, word);
        let is_begun = LINE_PROTOCOLS.iter().any(may_be);
        return is_begun.then_some(None).ok_or(Malformed::Protocol);
    };
    let rest = &behind_start[word.len()..];
    let Some(text) = find(rest)? else {
        // §2.1: without a CRLF in so many bytes the line is invalid.
        return if window.len() < limits::PROXY_LINE_BYTES {
            Ok(None)
        } else {
            Err(Malformed::TooLong)
        };
    };
    let before_text = window.len() - rest.len();
    let header_bytes = before_text + text.len() + b"\r\n".len();
    Ok(Some((read(text)?, header_bytes)))
}

/// The text between `UNKNOWN` and the CRLF: nothing, or a blank and anything, §2.1.
fn unknown_text(rest: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    if !agrees(rest, b"\r\n") && !agrees(rest, b" ") {
        return Err(Malformed::Protocol);
    }
    let end = rest.windows(2).position(|pair| pair == b"\r\n");
    Ok(end.and_then(|end| rest.get(..end)))
}

/// The text between `TCP4 ` or `TCP6 ` and the CRLF. None: the CRLF is yet to come.
fn address_text(rest: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let is_address_byte = |byte: &u8| byte.is_ascii_hexdigit() || b" .:".contains(byte);
    let end = rest.iter().position(|byte| !is_address_byte(byte));
    match end.and_then(|end| rest.split_at_checked(end)) {
        None => Ok(None),
        Some((text, [b'\r', b'\n', ..])) => Ok(Some(text)),
        Some((_, [b'\r'])) => Ok(None),
        // §2.1: a CR or an LF alone ends no line.
        Some((_, [b'\r' | b'\n', ..])) => Err(Malformed::LineEnd),
        Some(_) => Err(Malformed::Address),
    }
}

/// Two addresses and two ports with exactly one blank between them, §2.1.
///
/// The standard library reads IPv4 addresses as §2.1 wants them, without leading zeros, and IPv6
/// addresses also with an IPv4 address at the end. §2.1 has no such form, but inet_ntop writes IPv4
/// addresses in IPv6 like that, and with it HAProxy.
fn line_endpoints<A: FromStr + Into<IpAddr>>(text: &[u8]) -> Result<ProxyHeader, Malformed> {
    let text = std::str::from_utf8(text).map_err(|_| Malformed::Address)?;
    let mut words = text.split(' ');
    let mut address = || {
        let address = words.next().and_then(|word| word.parse::<A>().ok());
        address.map(A::into).ok_or(Malformed::Address)
    };
    let (source, destination) = (address()?, address()?);
    let mut port = || words.next().and_then(port).ok_or(Malformed::Port);
    let (source_port, destination_port) = (port()?, port()?);
    if words.next().is_some() {
        return Err(Malformed::Port);
    }
    Ok(ProxyHeader::Proxied {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

/// §2.1: decimal, without leading zeros. `parse` alone would take them, and a sign.
fn port(word: &str) -> Option<u16> {
    let leading = word.starts_with('0') && word != "0";
    let valid = !leading && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|_| valid)
}

// ---- Version 2 ------------------------------------------------------------------------------------

/// What the block of addresses holds for us.
#[derive(Clone, Copy)]
enum Block {
    /// Nothing.
    Ignored,
    Ipv4,
    Ipv6,
}

impl Block {
    /// §2.2: two addresses and two ports.
    fn address_bytes(self) -> usize {
        match self {
            Block::Ignored => 0,
            Block::Ipv4 => 2 * 4 + 2 * 2,
            Block::Ipv6 => 2 * 16 + 2 * 2,
        }
    }
}

fn read_binary(input: &[u8]) -> Result<Option<(ProxyHeader, usize)>, Malformed> {
    if !agrees(input, SIGNATURE) {
        return Err(Malformed::NoHeader);
    }
    let Some(rest) = input.strip_prefix(SIGNATURE) else {
        return Ok(None);
    };
    let mut rest = rest.iter();
    let Some(&version_and_command) = rest.next() else {
        return Ok(None);
    };
    let proxied = is_proxied(version_and_command)?;
    let Some(&family_and_transport) = rest.next() else {
        return Ok(None);
    };
    // §2.2: with LOCAL the block is discarded, including the family.
    let block = if proxied {
        block(family_and_transport)?
    } else {
        Block::Ignored
    };
    let Some((length, bytes)) = rest.as_slice().split_first_chunk() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length > limits::PROXY_HEADER_BYTES - FIXED_BYTES {
        return Err(Malformed::TooLong);
    }
    if length < block.address_bytes() {
        return Err(Malformed::TooShort);
    }
    // §2.2: the length counts, whatever the family. What it has beyond the addresses are additions
    // (TLV) that may be skipped, and we skip them all. A checksum (§2.2.3) would have to be verified
    // only by receivers that support it; TCP has its own, so we do not.
    let Some(bytes) = bytes.get(..length) else {
        return Ok(None);
    };
    let header = match block {
        Block::Ignored if proxied => Some(ProxyHeader::Unknown),
        Block::Ignored => Some(ProxyHeader::Local),
        Block::Ipv4 => binary_endpoints::<4, Ipv4Addr>(bytes),
        Block::Ipv6 => binary_endpoints::<16, Ipv6Addr>(bytes),
    };
    let header = header.ok_or(Malformed::TooShort)?;
    Ok(Some((header, FIXED_BYTES + length)))
}

/// Whether the 13th byte says that the connection is someone else's. §2.2: only version 2, and of
/// commands only LOCAL and PROXY may be accepted.
fn is_proxied(version_and_command: u8) -> Result<bool, Malformed> {
    match (version_and_command >> 4, version_and_command & 15) {
        (2, 0) => Ok(false),
        (2, 1) => Ok(true),
        (2, _) => Err(Malformed::Command),
        _ => Err(Malformed::Version),
    }
}

/// What the 14th byte announces, §2.2. Families and transports without a number must be refused.
fn block(family_and_transport: u8) -> Result<Block, Malformed> {
    match (family_and_transport >> 4, family_and_transport & 15) {
        (4.., _) => Err(Malformed::Family),
        (_, 3..) => Err(Malformed::Transport),
        (1, 1) => Ok(Block::Ipv4),
        (2, 1) => Ok(Block::Ipv6),
        // Unspecified, UNIX sockets, datagrams. §2.2: a receiver that does not implement a valid
        // combination treats it as unspecified, where the connection's own addresses count.
        _ => Ok(Block::Ignored),
    }
}

/// §2.2: source address, destination address, source port, destination port, in network order.
/// None: `bytes` is too short.
fn binary_endpoints<const N: usize, A: From<[u8; N]> + Into<IpAddr>>(
    bytes: &[u8],
) -> Option<ProxyHeader> {
    let (source, bytes) = bytes.split_first_chunk::<N>()?;
    let (destination, bytes) = bytes.split_first_chunk::<N>()?;
    let (source_port, bytes) = bytes.split_first_chunk()?;
    let destination_port = bytes.first_chunk()?;
    let endpoint = |address: &[u8; N], port: &[u8; 2]| {
        SocketAddr::new(A::from(*address).into(), u16::from_be_bytes(*port))
    };
    Some(ProxyHeader::Proxied {
        source: endpoint(source, source_port),
        destination: endpoint(destination, destination_port),
    })
}

/// Why bytes are no header. §2.1: the connection should be closed at once, so that its sender notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// They begin like neither version.
    #[error("no PROXY protocol header")]
    NoHeader,
    /// Version 1: neither TCP4 nor TCP6 nor UNKNOWN.
    #[error("unknown protocol in the PROXY line")]
    Protocol,
    /// Version 1: not two addresses of the family that was announced.
    #[error("bad address in the PROXY line")]
    Address,
    /// Version 1: not two ports, or something behind them.
    #[error("bad port in the PROXY line")]
    Port,
    /// Version 1: a CR or an LF alone.
    #[error("the PROXY line does not end with CRLF")]
    LineEnd,
    /// Version 2: its signature with another version.
    #[error("unknown version of the PROXY protocol")]
    Version,
    /// Version 2: neither LOCAL nor PROXY.
    #[error("unknown command in the PROXY header")]
    Command,
    /// Version 2: no address family of the specification.
    #[error("unknown address family in the PROXY header")]
    Family,
    /// Version 2: no transport protocol of the specification.
    #[error("unknown transport in the PROXY header")]
    Transport,
    /// Version 2: no room for the addresses that were announced.
    #[error("the PROXY header is too short for its addresses")]
    TooShort,
    /// Either version.
    #[error("the PROXY header is too long")]
    TooLong,
}

#[cfg(test)]
#[path = "proxy_protocol_tests.rs"]
mod tests;
