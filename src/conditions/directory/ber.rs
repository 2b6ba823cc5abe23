//! BER as LDAP writes it (RFC 4511 §5.1): one byte of tag, a definite length.
//!
//! ldap3's reader goes down one call for each element that stands in another, and takes a message of any
//! length; a server that talks nonsense could end the process. This one goes from element to element of
//! a message whose length is bounded, and only as deep as an answer is.

// The tags that are spoken here.
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// What is no BER, or not what should stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonsense;

/// Elements one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    pub(super) fn are_over(&self) -> bool {
        self.0.is_empty()
    }

    /// The next one: its tag and its content.
    pub(super) fn next(&mut self) -> Result<(u8, &'a [u8]), Nonsense> {
        let (&tag, rest) = self.0.split_first().ok_or(Nonsense)?;
        let (&first, rest) = rest.split_first().ok_or(Nonsense)?;
        let bytes = bytes_of_length(first)?;
        let (written, rest) = rest.split_at_checked(bytes).ok_or(Nonsense)?;
        let length = length(first, written);
        let (content, rest) = rest.split_at_checked(length).ok_or(Nonsense)?;
        self.0 = rest;
        Ok((tag, content))
    }

    /// The content of the next one, which has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Nonsense> {
        match self.next()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Nonsense),
        }
    }

    /// The next one, which is a number with this tag: not negative, at most four bytes.
    pub(super) fn number(&mut self, tag: u8) -> Result<u32, Nonsense> {
        let bytes = self.expect(tag)?;
        match bytes {
            [first, ..] if *first < 0x80 && bytes.len() <= 4 => Ok(number(bytes)),
            _ => Err(Nonsense),
        }
    }

    /// The next one, which is a text; bytes that are no UTF-8 are replaced.
    pub(super) fn text(&mut self) -> Result<String, Nonsense> {
        let bytes = self.expect(OCTET_STRING)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// How many further bytes say the length, by its first byte.
pub(super) fn bytes_of_length(first: u8) -> Result<usize, Nonsense> {
    match first {
        0..=0x7f => Ok(0),
        0x81..=0x84 => Ok(usize::from(first - 0x80)),
        // Without an end, or longer than any message.
        _ => Err(Nonsense),
    }
}

/// The length that is written so.
pub(super) fn length(first: u8, written: &[u8]) -> usize {
    if written.is_empty() {
        return usize::from(first);
    }
    number(written) as usize
}

fn number(bytes: &[u8]) -> u32 {
    let bytes = bytes.iter();
    bytes.fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// An element with its content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    let length = content.len();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => element.push(short),
        _ => {
            element.push(0x84);
            // Requests are bounded by the settings; four bytes hold what is far beyond them.
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            element.extend_from_slice(&length.to_be_bytes());
        }
    }
    element.extend_from_slice(content);
    element
}

pub(super) fn numbered(tag: u8, number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    // The shortest form whose first bit is not taken for a sign.
    let zeros = bytes.iter().take(3).take_while(|byte| **byte == 0).count();
    let shortest = &bytes[zeros..];
    if shortest[0] >= 0x80 {
        return element(tag, &[&[0], shortest].concat());
    }
    element(tag, shortest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn elements_are_taken_apart() {
        for (bytes, expected) in [
            (&b"\x04\x02hi"[..], Ok((4, &b"hi"[..]))),
            (b"\x04\x81\x02hi", Ok((4, b"hi"))),
            (b"\x04\x84\0\0\0\x02hi!", Ok((4, b"hi"))),
            (b"\x04\0", Ok((4, b""))),
            (b"", Err(Nonsense)),
            (b"\x04", Err(Nonsense)),
            (b"\x04\x03hi", Err(Nonsense)),
            (b"\x04\x80hi\0\0", Err(Nonsense)),
            (b"\x04\x85\0\0\0\0\x02hi", Err(Nonsense)),
            (b"\x04\x84\xff\xff\xff\xffhi", Err(Nonsense)),
        ] {
            assert_eq!(Elements(bytes).next(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn numbers_survive() {
        for number in [0, 1, 127, 128, 255, 256, 65_535, 8_388_608, 0x7fff_ffff] {
            let written = numbered(INTEGER, number);
            assert_eq!(Elements(&written).number(INTEGER), Ok(number));
        }
        assert_eq!(Elements(b"\x02\x01\x80").number(INTEGER), Err(Nonsense));
        assert_eq!(Elements(b"\x02\0").number(INTEGER), Err(Nonsense));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in any::<Vec<u8>>()) {
            let mut elements = Elements(&bytes);
            while elements.next().is_ok() {}
            prop_assert!(elements.0.len() <= bytes.len());
        }

        #[test]
        fn elements_survive(content in proptest::collection::vec(any::<u8>(), 0..300)) {
            let written = element(OCTET_STRING, &content);
            let mut elements = Elements(&written);
            prop_assert_eq!(elements.next(), Ok((OCTET_STRING, &content[..])));
            prop_assert!(elements.are_over());
        }
    }
}
