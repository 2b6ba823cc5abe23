//! Message contents: making them, putting them on the wire, and finding them again in what a
//! destination received.

/// A message of exactly `bytes` bytes in lines of at most 78, with this subject.
pub(crate) fn of_size(subject: &str, bytes: usize) -> Vec<u8> {
    let mut content =
        format!("From: a@example.org\r\nTo: b@example.net\r\nSubject: {subject}\r\n\r\n")
            .into_bytes();
    assert!(
        content.len() + 2 <= bytes,
        "{bytes} bytes are too few for the header"
    );
    while content.len() < bytes {
        // The last line takes what is left; a rest of one byte has no room for its CRLF, so the
        // line before it leaves more.
        let rest = bytes - content.len();
        let line = if rest <= 78 {
            rest
        } else if rest - 78 < 2 {
            76
        } else {
            78
        };
        content.extend(std::iter::repeat_n(b'x', line - 2));
        content.extend_from_slice(b"\r\n");
    }
    assert_eq!(content.len(), bytes);
    content
}

/// A small message with this subject.
pub(crate) fn small(subject: &str) -> Vec<u8> {
    of_size(subject, 512)
}

/// What DATA carries for this content: dots stuffed, the final dot behind it (RFC 5321 §4.5.2).
///
/// The content is canonical: lines end with CRLF, and so does the last one unless it is empty.
pub(crate) fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(content.len() + 64);
    let mut at_line_start = true;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if at_line_start && line.first() == Some(&b'.') {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
        at_line_start = line.ends_with(b"\n");
    }
    assert!(
        at_line_start,
        "content that goes through DATA ends with CRLF"
    );
    wire.extend_from_slice(b".\r\n");
    wire
}

/// Undoes [`stuffed`]: `wire` is everything between 354 and the reply, with its final dot.
pub(crate) fn unstuffed(wire: &[u8]) -> Vec<u8> {
    let body = wire
        .strip_suffix(b".\r\n")
        .expect("data ends with a dot on a line of its own");
    let mut content = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    content
}

/// Checks that `arrived` is one Received field of the appliance and then exactly `sent`.
pub(crate) fn assert_unchanged(arrived: &[u8], sent: &[u8]) {
    let Some(prefix) = arrived.strip_suffix(sent) else {
        let shared = shared_end(arrived, sent);
        panic!(
            "content changed: {} bytes sent, {} arrived, the last {shared} agree\n sent    …{}\n arrived …{}",
            sent.len(),
            arrived.len(),
            before(sent, shared),
            before(arrived, shared),
        );
    };
    let prefix = std::str::from_utf8(prefix).expect("our Received field is text");
    assert!(
        prefix.starts_with("Received: "),
        "in front of the content stands {prefix:?}"
    );
    let lines: Vec<&str> = prefix.split_inclusive("\r\n").collect();
    assert!(
        lines.iter().all(|line| line.ends_with("\r\n")),
        "unfinished line: {prefix:?}"
    );
    let folded = |line: &&str| line.starts_with([' ', '\t']) && !line.trim().is_empty();
    assert!(
        lines[1..].iter().all(folded),
        "more than one field was prepended: {prefix:?}"
    );
}

fn shared_end(left: &[u8], right: &[u8]) -> usize {
    left.iter()
        .rev()
        .zip(right.iter().rev())
        .take_while(|(left, right)| left == right)
        .count()
}

/// The 40 bytes in front of the last `shared` ones, escaped.
fn before(bytes: &[u8], shared: usize) -> String {
    let end = bytes.len() - shared;
    bytes[end.saturating_sub(40)..end]
        .escape_ascii()
        .to_string()
}

/// The value of a header field of `content`, unfolded.
pub(crate) fn header(content: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(content);
    let header = text
        .split("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .replace("\r\n ", " ")
        .replace("\r\n\t", " ");
    header.split("\r\n").find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}
