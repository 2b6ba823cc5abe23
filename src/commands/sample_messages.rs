//! The demo's mail: many small messages, some large ones, and now and then one for a special recipient.

use std::fmt::Write as _;

use rand::{Rng, RngExt};

use crate::message::date::HeaderDate;

/// The domain that reports come back to.
pub(super) const SENDER_DOMAIN: &str = "sender.example";
const NAMES: [&str; 8] = [
    "anna", "bruno", "chiara", "david", "elif", "farid", "greta", "hugo",
];
const DOMAINS: [&str; 3] = ["example.net", "example.org", "example.com"];
const LINE: &str = "The quick brown fox delivers the letter before it says that it is done.\r\n";

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SampleMessage {
    pub(super) sender: String,
    pub(super) recipients: Vec<String>,
    /// Header and body, canonical, without dot stuffing.
    pub(super) content: String,
}

impl SampleMessage {
    /// The letter `number`, of this date.
    pub(super) fn write(number: u64, date: HeaderDate, random: &mut impl Rng) -> Self {
        // A sender of its own for each letter, so that the sink counts deferrals by letter.
        let sender = format!("letter-{number}@{SENDER_DOMAIN}");
        let recipients = recipients(random);
        let size = size_bytes(random);
        let mut content = String::with_capacity(size + 512);
        let _ = write!(
            content,
            "From: <{sender}>\r\nTo: <{}>\r\nSubject: Sample message {number} of the demo\r\nDate: {date}\r\n\
             Message-ID: <{number}.{:016x}@{SENDER_DOMAIN}>\r\n\r\n",
            recipients.join(">, <"),
            random.random::<u64>(),
        );
        while content.len() < size {
            content.push_str(LINE);
        }
        Self {
            sender,
            recipients,
            content,
        }
    }
}

/// Three in four up to 8 KiB; one in fifty beyond 100 KiB.
fn size_bytes(random: &mut impl Rng) -> usize {
    const KIBIBYTE: usize = 1_024;
    let (least, most) = match random.random_range(0..100) {
        0..75 => (1, 8),
        75..90 => (8, 32),
        90..98 => (32, 100),
        _ => (100, 200),
    };
    random.random_range(least * KIBIBYTE..most * KIBIBYTE)
}

/// Mostly one friendly recipient.
fn recipients(random: &mut impl Rng) -> Vec<String> {
    let domain = DOMAINS[random.random_range(0..DOMAINS.len())];
    let name = NAMES[random.random_range(0..NAMES.len())];
    let friendly = format!("{name}@{domain}");
    match random.random_range(0..200) {
        0..6 => vec![format!("later@{domain}")],
        6..9 => vec![format!("refuse@{domain}")],
        // Delivered for one, refused for the other: the sender gets a report.
        9..12 => vec![friendly, format!("refuse@{domain}")],
        12 => vec![format!("slow@{domain}")],
        13..25 => vec![friendly, format!("ida@{domain}")],
        _ => vec![friendly],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_canonical_and_mostly_small() {
        let mut random = rand::rng();
        let mut small = 0;
        let at = HeaderDate(jiff::Timestamp::UNIX_EPOCH);
        for number in 0..500 {
            let letter = SampleMessage::write(number, at, &mut random);
            let header = format!(
                "Subject: Sample message {number} of the demo\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
            );
            assert!(letter.content.contains(&header), "{number}");
            assert!(letter.content.len() < 210 * 1_024);
            assert!(letter.content.ends_with("\r\n"));
            assert_eq!(
                letter.content.matches('\n').count(),
                letter.content.matches("\r\n").count()
            );
            small += usize::from(letter.content.len() <= 32_768);
        }
        assert!(small > 400, "{small}");
    }
}
