//! Headers of both versions, whole and cut.

use proptest::prelude::*;

use super::*;

const V2: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

fn check(input: &[u8], expected: Result<Option<(ProxyHeader, usize)>, Malformed>) {
    assert_eq!(read(input), expected, "{}", input.escape_ascii());
}

/// A header whole, with something behind it, and cut at every byte.
fn check_header(input: &[u8], header: ProxyHeader) {
    for cut in 0..input.len() {
        check(&input[..cut], Ok(None));
    }
    check(input, Ok(Some((header, input.len()))));
    let mut followed = input.to_vec();
    for byte in *b"\r\nEHLO \xFF\0" {
        followed.push(byte);
        check(&followed, Ok(Some((header, input.len()))));
    }
    followed.resize(2 * limits::PROXY_HEADER_BYTES, b'\n');
    check(&followed, Ok(Some((header, input.len()))));
}

/// The last byte makes it certain that this is no header, and no byte before does.
fn check_malformed(input: &[u8], malformed: Malformed) {
    for cut in 0..input.len() {
        check(&input[..cut], Ok(None));
    }
    check(input, Err(malformed));
    let mut followed = input.to_vec();
    followed.extend_from_slice(b"\r\n");
    check(&followed, Err(malformed));
}

fn proxied(source: &str, destination: &str) -> ProxyHeader {
    ProxyHeader::Proxied {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    }
}

fn binary(version_and_command: u8, family_and_transport: u8, block: &[u8]) -> Vec<u8> {
    let mut header = V2.to_vec();
    header.extend([version_and_command, family_and_transport]);
    header.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    header.extend(block);
    header
}

/// What a proxy writes, version 1.
fn write_line(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let protocol = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!(
        "PROXY {protocol} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    )
    .into_bytes()
}

/// What a proxy writes, version 2.
fn write_binary(source: SocketAddr, destination: SocketAddr, additions: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for endpoint in [source, destination] {
        match endpoint.ip() {
            IpAddr::V4(address) => block.extend(address.octets()),
            IpAddr::V6(address) => block.extend(address.octets()),
        }
    }
    block.extend(source.port().to_be_bytes());
    block.extend(destination.port().to_be_bytes());
    block.extend(additions);
    binary(0x21, if source.is_ipv4() { 0x11 } else { 0x21 }, &block)
}

#[test]
fn lines() {
    for (line, header) in [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n",
            proxied("192.0.2.1:56324", "198.51.100.2:25"),
        ),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            proxied("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        (
            "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n",
            proxied("0.0.0.0:0", "0.0.0.0:0"),
        ),
        (
            "PROXY TCP6 2001:DB8::1 2001:db8:0000:0:0:0:0:2 1 2\r\n",
            proxied("[2001:db8::1]:1", "[2001:db8::2]:2"),
        ),
        (
            "PROXY TCP6 ::ffff:192.0.2.1 :: 1 2\r\n",
            proxied("[::ffff:192.0.2.1]:1", "[::]:2"),
        ),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
             ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            proxied(
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
        ),
        ("PROXY UNKNOWN\r\n", ProxyHeader::Unknown),
        ("PROXY UNKNOWN \r\n", ProxyHeader::Unknown),
        (
            "PROXY UNKNOWN what \n \r ever\0\r\r\n",
            ProxyHeader::Unknown,
        ),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
             ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            ProxyHeader::Unknown,
        ),
    ] {
        check_header(line.as_bytes(), header);
    }
}

#[test]
fn what_is_no_line_shows_at_its_first_wrong_byte() {
    for (input, malformed) in [
        ("p", Malformed::NoHeader),
        ("PR ", Malformed::NoHeader),
        ("PROXYT", Malformed::NoHeader),
        ("PROXY  ", Malformed::Protocol),
        ("PROXY t", Malformed::Protocol),
        ("PROXY TCP5", Malformed::Protocol),
        ("PROXY TCP4\r", Malformed::Protocol),
        ("PROXY TCP46", Malformed::Protocol),
        ("PROXY UNKNOWNS", Malformed::Protocol),
        ("PROXY UNKNOWN\n", Malformed::Protocol),
        ("PROXY UNKNOWN\r\r", Malformed::Protocol),
        ("PROXY TCP4 192.0.2.1\t", Malformed::Address),
        ("PROXY TCP4 +", Malformed::Address),
        ("PROXY TCP6 fe80::1%", Malformed::Address),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", Malformed::LineEnd),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r ", Malformed::LineEnd),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r", Malformed::LineEnd),
    ] {
        check_malformed(input.as_bytes(), malformed);
    }
}

/// §2.1: addresses are decoded when the CRLF has come, and not before.
#[test]
fn lines_with_wrong_words() {
    for (words, malformed) in [
        ("TCP4 ", Malformed::Address),
        ("TCP4 192.0.2.1", Malformed::Address),
        ("TCP4  192.0.2.1 192.0.2.2 1 2", Malformed::Address),
        ("TCP4 192.0.2.1  192.0.2.2 1 2", Malformed::Address),
        ("TCP4 192.0.2.01 192.0.2.2 1 2", Malformed::Address),
        ("TCP4 192.0.2.256 192.0.2.2 1 2", Malformed::Address),
        ("TCP4 192.0.2 192.0.2.2 1 2", Malformed::Address),
        ("TCP4 ::1 ::2 1 2", Malformed::Address),
        ("TCP4 192.0.2.1 ::2 1 2", Malformed::Address),
        ("TCP6 192.0.2.1 192.0.2.2 1 2", Malformed::Address),
        ("TCP6 1::2::3 ::2 1 2", Malformed::Address),
        ("TCP6 ::12345 ::2 1 2", Malformed::Address),
        ("TCP6 1:2:3:4:5:6:7 ::2 1 2", Malformed::Address),
        ("TCP6 1:2:3:4:5:6:7:8:9 ::2 1 2", Malformed::Address),
        ("TCP4 192.0.2.1 192.0.2.2", Malformed::Port),
        ("TCP4 192.0.2.1 192.0.2.2 1", Malformed::Port),
        ("TCP4 192.0.2.1 192.0.2.2 1 ", Malformed::Port),
        ("TCP4 192.0.2.1 192.0.2.2  1 2", Malformed::Port),
        ("TCP4 192.0.2.1 192.0.2.2 1 2 ", Malformed::Port),
        ("TCP4 192.0.2.1 192.0.2.2 1 2 3", Malformed::Port),
        ("TCP4 192.0.2.1 192.0.2.2 01 2", Malformed::Port),
        ("TCP4 192.0.2.1 192.0.2.2 1 00", Malformed::Port),
        ("TCP4 192.0.2.1 192.0.2.2 65536 2", Malformed::Port),
        ("TCP4 192.0.2.1 192.0.2.2 a 2", Malformed::Port),
    ] {
        check_malformed(format!("PROXY {words}\r\n").as_bytes(), malformed);
    }
}

#[test]
fn a_line_without_end() {
    for start in ["PROXY UNKNOWN ", "PROXY TCP6 "] {
        let mut line = start.as_bytes().to_vec();
        line.resize(limits::PROXY_LINE_BYTES, b'1');
        check_malformed(&line, Malformed::TooLong);
        // The CRLF has to be within the limit with both its bytes.
        line.truncate(limits::PROXY_LINE_BYTES - 1);
        line.push(b'\r');
        check_malformed(&line, Malformed::TooLong);
    }
    let mut line = b"PROXY UNKNOWN ".to_vec();
    line.resize(limits::PROXY_LINE_BYTES - 2, b'x');
    line.extend(b"\r\n");
    check_header(&line, ProxyHeader::Unknown);
}

#[test]
fn addresses_of_version_2() {
    let ipv4 = [192, 0, 2, 1, 198, 51, 100, 2, 0xDC, 0x04, 0, 25];
    let header = proxied("192.0.2.1:56324", "198.51.100.2:25");
    check_header(&binary(0x21, 0x11, &ipv4), header);
    // The additions are skipped, whether or not they are well formed: a checksum that does not fit,
    // and half of an addition.
    for additions in [&[3, 0, 4, 1, 2, 3, 4][..], &[4], &[0; 255]] {
        check_header(&binary(0x21, 0x11, &[&ipv4, additions].concat()), header);
    }

    let source = "[::ffff:192.0.2.1]:256".parse().unwrap();
    let destination = "[2001:db8::2]:1".parse().unwrap();
    check_header(
        &write_binary(source, destination, b""),
        ProxyHeader::Proxied {
            source,
            destination,
        },
    );
}

#[test]
fn version_2_without_addresses() {
    for block in [&[][..], &[0; 12], &[0xFF; 216]] {
        // LOCAL, where the family does not matter.
        for family in [0x00, 0x11, 0x21, 0x99, 0xFF] {
            check_header(&binary(0x20, family, block), ProxyHeader::Local);
        }
        // Unspecified, UNIX, datagrams.
        for family in [0x00, 0x01, 0x02, 0x10, 0x12, 0x20, 0x22, 0x30, 0x31, 0x32] {
            check_header(&binary(0x21, family, block), ProxyHeader::Unknown);
        }
    }
}

#[test]
fn what_is_no_version_2() {
    for position in 1..V2.len() {
        let mut input = V2[..=position].to_vec();
        input[position] ^= 0x20;
        check_malformed(&input, Malformed::NoHeader);
    }
    for byte in (0..=u8::MAX).filter(|byte| *byte != b'P' && *byte != b'\r') {
        check_malformed(&[byte], Malformed::NoHeader);
    }
    for (fields, malformed) in [
        (&[0x11][..], Malformed::Version),
        (&[0x31], Malformed::Version),
        (&[0x01], Malformed::Version),
        (&[0x22], Malformed::Command),
        (&[0x2F], Malformed::Command),
        (&[0x21, 0x41], Malformed::Family),
        (&[0x21, 0xF0], Malformed::Family),
        (&[0x21, 0x13], Malformed::Transport),
        (&[0x21, 0x0F], Malformed::Transport),
        (&[0x21, 0x11, 0, 0], Malformed::TooShort),
        (&[0x21, 0x11, 0, 11], Malformed::TooShort),
        (&[0x21, 0x21, 0, 12], Malformed::TooShort),
        (&[0x21, 0x21, 0, 35], Malformed::TooShort),
        (&[0x21, 0x11, 0x0F, 0xF1], Malformed::TooLong),
        (&[0x21, 0x00, 0xFF, 0xFF], Malformed::TooLong),
        (&[0x20, 0x00, 0xFF, 0xFF], Malformed::TooLong),
    ] {
        check_malformed(&[&V2, fields].concat(), malformed);
    }
}

#[test]
fn the_longest_header() {
    let longest = binary(0x20, 0, &vec![0; limits::PROXY_HEADER_BYTES - FIXED_BYTES]);
    assert_eq!(longest.len(), limits::PROXY_HEADER_BYTES);
    check(&longest[..limits::PROXY_HEADER_BYTES - 1], Ok(None));
    check(
        &longest,
        Ok(Some((ProxyHeader::Local, limits::PROXY_HEADER_BYTES))),
    );
}

/// Two addresses of one family.
fn endpoints() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let ipv4 = any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b)));
    let ipv6 = any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b)));
    (prop_oneof![ipv4, ipv6], any::<(u16, u16)>()).prop_map(|(addresses, ports)| {
        (
            SocketAddr::new(addresses.0, ports.0),
            SocketAddr::new(addresses.1, ports.1),
        )
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        (source, destination) in endpoints(),
        additions in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let header = ProxyHeader::Proxied { source, destination };
        check_header(&write_line(source, destination), header);
        check_header(&write_binary(source, destination, &additions), header);
    }

    /// Nothing panics, and what was decided stays so when more bytes come.
    #[test]
    fn any_bytes(
        start in prop::sample::select(vec![
            &b""[..], b"P", b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN", &V2,
        ]),
        tail in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[0-9a-f:. \r\n]{0,120}".prop_map(String::into_bytes),
            "([0-9]{1,3}\\.){3}[0-9]{1,3} ([0-9]{1,3}\\.){3}[0-9]{1,3} [0-9]{1,6} [0-9]{1,6}\r\n"
                .prop_map(String::into_bytes),
        ],
    ) {
        let input = [start, &tail].concat();
        let mut decided = None;
        for cut in 0..=input.len() {
            let result = read(&input[..cut]);
            if let Some(decided) = decided {
                prop_assert_eq!(result, decided);
            } else if result != Ok(None) {
                decided = Some(result);
            }
            if let Ok(Some((_, consumed))) = result {
                prop_assert!(consumed <= cut);
            }
        }
    }
}
