//! The packets of the milter protocol, pure: a length of four bytes in network order, which counts the
//! command and the data; the command, one byte; the data.

use bytes::{Buf, Bytes, BytesMut};

use crate::limits;

const LENGTH_BYTES: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) command: u8,
    pub(super) data: Bytes,
}

impl Packet {
    /// Takes the packet that `buffer` begins with; none while it is not whole.
    ///
    /// # Errors
    /// When it is no packet: empty, or larger than [`limits::MILTER_PACKET_BYTES`].
    pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Self>, String> {
        let Some(length) = buffer.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if !(1..=limits::MILTER_PACKET_BYTES).contains(&length) {
            return Err(format!("it sends a packet of {length} bytes"));
        }
        if buffer.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        buffer.advance(LENGTH_BYTES);
        let command = buffer.get_u8();
        let data = buffer.split_to(length - 1).freeze();
        Ok(Some(Self { command, data }))
    }
}

pub(super) fn put_packet(out: &mut Vec<u8>, command: u8, data: &[u8]) {
    // Header fields are the longest that is sent, and they are bounded by the header.
    let length = u32::try_from(data.len() + 1).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.push(command);
    out.extend_from_slice(data);
}

/// Writes a string of a packet's data; it ends with a NUL and so can hold none.
pub(super) fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    out.extend(string.iter().map(|byte| match byte {
        0 => b' ',
        other => *other,
    }));
    out.push(0);
}

/// Reads `N` strings, which must be all of the data.
pub(super) fn strings<const N: usize>(data: &[u8]) -> Option<[&[u8]; N]> {
    let mut strings = data.strip_suffix(b"\0")?.split(|byte| *byte == 0);
    let mut found = [&data[..0]; N];
    for place in &mut found {
        *place = strings.next()?;
    }
    strings.next().is_none().then_some(found)
}

/// Reads a number of four bytes in network order; gives what follows it.
pub(super) fn number(data: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = data.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(bytes: &[u8], expected: Result<Option<(u8, &[u8])>, &str>, left: usize) {
        let mut buffer = BytesMut::from(bytes);
        let packet = Packet::take(&mut buffer);
        let found = match &packet {
            Ok(packet) => Ok(packet
                .as_ref()
                .map(|packet| (packet.command, &packet.data[..]))),
            Err(problem) => Err(problem.as_str()),
        };
        assert_eq!(found, expected, "{}", bytes.escape_ascii());
        assert_eq!(buffer.len(), left, "{}", bytes.escape_ascii());
    }

    #[test]
    fn packets_are_taken() {
        check(b"", Ok(None), 0);
        check(b"\0\0\0", Ok(None), 3);
        check(b"\0\0\0\x03ya", Ok(None), 6);
        check(b"\0\0\0\x01c", Ok(Some((b'c', b""))), 0);
        check(b"\0\0\0\x03yab\0\0", Ok(Some((b'y', b"ab"))), 2);
        check(b"\0\0\0\0c", Err("it sends a packet of 0 bytes"), 5);
        let large = Err("it sends a packet of 1048577 bytes");
        check(b"\0\x10\0\x01c", large, 5);
        check(b"HTTP", Err("it sends a packet of 1213486160 bytes"), 4);
    }

    #[test]
    fn strings_are_read_to_the_end() {
        assert_eq!(strings::<1>(b"a\0"), Some([&b"a"[..]]));
        assert_eq!(strings::<1>(b"\0"), Some([&b""[..]]));
        assert_eq!(strings::<2>(b"a\0\0"), Some([&b"a"[..], b""]));
        for data in [&b""[..], b"a", b"a\0b", b"a\0b\0c\0"] {
            assert_eq!(strings::<2>(data), None, "{}", data.escape_ascii());
        }
        assert_eq!(number(b"\0\0\x01\x02x"), Some((258, &b"x"[..])));
        assert_eq!(number(b"\0\0\x01"), None);
    }

    proptest! {
        #[test]
        fn packets_survive_the_wire(packets in prop::collection::vec((any::<u8>(), any::<Vec<u8>>()), 0..4)) {
            let mut out = Vec::new();
            for (command, data) in &packets {
                put_packet(&mut out, *command, data);
            }
            let mut buffer = BytesMut::from(&out[..]);
            for (command, data) in packets {
                let packet = Packet::take(&mut buffer).expect("sound").expect("whole");
                prop_assert_eq!(packet, Packet { command, data: data.into() });
            }
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn strings_survive_their_data(one in "[^\0]{0,9}", other in "[^\0]{0,9}") {
            let mut data = Vec::new();
            put_string(&mut data, one.as_bytes());
            put_string(&mut data, other.as_bytes());
            prop_assert_eq!(strings(&data), Some([one.as_bytes(), other.as_bytes()]));
        }

        #[test]
        fn hostile_bytes_are_harmless(bytes in any::<Vec<u8>>()) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(packet)) = Packet::take(&mut buffer) {
                prop_assert!(packet.data.len() < limits::MILTER_PACKET_BYTES);
            }
            let _ = strings::<2>(&bytes);
        }
    }
}
