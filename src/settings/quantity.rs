//! Sizes and times as people write them: “48 KiB”, “1 h 30 min”, “1m, 5m, 15m”. Pure.
//!
//! What is written can be read back and means the same. K, M and G are powers of 1,024 in all their
//! spellings; a number without a unit counts bytes or seconds.

/// A unit as it is written, its names in lower case, and what one of it is worth.
type Unit = (&'static str, &'static [&'static str], u64);

const SIZES: &[Unit] = &[
    ("PiB", &["p", "pb", "pib"], 1 << 50),
    ("TiB", &["t", "tb", "tib"], 1 << 40),
    ("GiB", &["g", "gb", "gib"], 1 << 30),
    ("MiB", &["m", "mb", "mib"], 1 << 20),
    ("KiB", &["k", "kb", "kib"], 1 << 10),
    ("B", &["", "b", "byte", "bytes"], 1),
];

const TIMES: &[Unit] = &[
    ("w", &["w", "week", "weeks"], 604_800),
    ("d", &["d", "day", "days"], 86_400),
    ("h", &["h", "hr", "hour", "hours"], 3_600),
    ("min", &["m", "min", "minute", "minutes"], 60),
    ("s", &["", "s", "sec", "second", "seconds"], 1),
];

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It does not look like one.
    Shape,
    /// It is not a whole number of bytes or seconds.
    Fraction,
    /// It is beyond all bounds.
    TooLarge,
}

impl Fault {
    /// In a sentence about a text that is to be `what`, a whole number of `units`.
    fn of(self, text: &str, what: &str, units: &str) -> String {
        let text = shortened(text);
        match self {
            Self::Shape => format!("“{text}” is not {what}"),
            Self::Fraction => format!("“{text}” is not a whole number of {units}"),
            Self::TooLarge => format!("“{text}” is too large"),
        }
    }
}

/// Writes a count with commas between groups of three digits: the same in pages, messages, logs and
/// in what the webhook sends, where a blank would be taken for the end of the number.
#[must_use]
pub fn write_count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Reads a count, however its digits are grouped.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn read_count(text: &str) -> Result<u64, String> {
    let digits: String = text
        .chars()
        .filter(|c| *c != ',' && !c.is_whitespace())
        .collect();
    if !is_number(&digits) {
        return Err(format!("“{}” is not a whole number", shortened(text)));
    }
    digits
        .parse()
        .map_err(|_| format!("“{}” is too large", shortened(text)))
}

/// Reads a size in bytes.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn read_size(text: &str) -> Result<u64, String> {
    const SHAPE: &str = "a size: write it like 48 KiB, 25 MiB or 49152";
    let size = term(text.trim(), SIZES).and_then(|(bytes, _, rest)| match rest {
        "" => Ok(bytes),
        _ => Err(Fault::Shape),
    });
    size.map_err(|fault| fault.of(text, SHAPE, "bytes"))
}

/// Writes a size exactly, in the largest unit that has no remainder.
#[must_use]
pub fn write_size(bytes: u64) -> String {
    let unit = SIZES
        .iter()
        .find(|(.., worth)| bytes.is_multiple_of(*worth));
    match unit {
        Some((name, _, worth)) if bytes > 0 => format!("{} {name}", bytes / worth),
        _ => "0".to_owned(),
    }
}

/// Reads a time in seconds; several units may follow each other, the larger first.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn read_time(text: &str) -> Result<u64, String> {
    const SHAPE: &str = "a time: write it like 90 s, 15 min, 1 h 30 min or 5 days";
    time(text).map_err(|fault| fault.of(text, SHAPE, "seconds"))
}

fn time(text: &str) -> Result<u64, Fault> {
    let mut rest = text.trim();
    let mut sum: u64 = 0;
    // Descending, so that "1m 5m", which lacks a comma, is not taken for six minutes.
    let mut last = u64::MAX;
    loop {
        let (seconds, worth, after) = term(rest, TIMES)?;
        if worth >= last {
            return Err(Fault::Shape);
        }
        sum = sum.checked_add(seconds).ok_or(Fault::TooLarge)?;
        if after.is_empty() {
            return Ok(sum);
        }
        (rest, last) = (after, worth);
    }
}

/// Writes a time exactly, in days, hours, minutes and seconds.
#[must_use]
pub fn write_time(seconds: u64) -> String {
    let days = seconds / 86_400;
    let parts = [
        (days, if days == 1 { "day" } else { "days" }),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let parts = parts.into_iter().filter(|(amount, _)| *amount > 0);
    let parts: Vec<String> = parts
        .map(|(amount, unit)| format!("{amount} {unit}"))
        .collect();
    if parts.is_empty() {
        return "0 s".to_owned();
    }
    parts.join(" ")
}

/// Reads times with commas between them; blank is none.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn read_times(text: &str) -> Result<Vec<u64>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    text.trim()
        .trim_end_matches(',')
        .split(',')
        .map(|one| {
            read_time(one).map_err(|problem| {
                let has_gaps = one.split_whitespace().count() > 1;
                let advice = if has_gaps { "; put commas between" } else { "" };
                format!("{problem}{advice}")
            })
        })
        .collect()
}

/// Writes times with commas between them.
#[must_use]
pub fn write_times(times: &[u64]) -> String {
    let times: Vec<String> = times.iter().map(|time| write_time(*time)).collect();
    times.join(", ")
}

/// A number and its unit from the front of `text`: their value, the unit's worth, and what follows.
fn term<'a>(text: &'a str, units: &[Unit]) -> Result<(u64, u64, &'a str), Fault> {
    let number_end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(number_end);
    let rest = rest.trim_start();
    let name_end = rest
        .find(|c: char| !c.is_alphabetic())
        .unwrap_or(rest.len());
    let (name, rest) = rest.split_at(name_end);
    let name = name.to_lowercase();
    let (.., worth) = units
        .iter()
        .find(|(_, names, _)| names.contains(&name.as_str()))
        .ok_or(Fault::Shape)?;
    Ok((value(number, *worth)?, *worth, rest.trim_start()))
}

/// A decimal number times `worth`, when that is whole.
fn value(number: &str, worth: u64) -> Result<u64, Fault> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if !is_number(whole) || !is_number(fraction) {
        return Err(Fault::Shape);
    }
    let fraction = fraction.trim_end_matches('0');
    let scale = u32::try_from(fraction.len())
        .ok()
        .and_then(|digits| 10_u128.checked_pow(digits))
        .ok_or(Fault::Fraction)?;
    let digits = format!("{whole}{fraction}").parse::<u128>();
    let digits = digits.map_err(|_| Fault::TooLarge)?;
    let scaled = digits.checked_mul(worth.into()).ok_or(Fault::TooLarge)?;
    if !scaled.is_multiple_of(scale) {
        return Err(Fault::Fraction);
    }
    u64::try_from(scaled / scale).map_err(|_| Fault::TooLarge)
}

fn is_number(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// A text as it is quoted in a message.
fn shortened(text: &str) -> String {
    const CHARACTERS: usize = 40;
    let text = text.trim();
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(write_count(number), text);
            assert_eq!(read_count(text), Ok(number));
        }
        for (text, expected) in [
            ("10000", Some(10_000)),
            ("10 000", Some(10_000)),
            ("10\u{202f}000", Some(10_000)),
            ("", None),
            (",", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(read_count(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("49152", Ok(49_152)),
            ("48 KiB", Ok(49_152)),
            ("48K", Ok(49_152)),
            (" 48kb ", Ok(49_152)),
            ("48\u{a0}KiB", Ok(49_152)),
            ("1.5 MiB", Ok(1_572_864)),
            ("1.50 M", Ok(1_572_864)),
            ("25 MB", Ok(26_214_400)),
            ("2 GiB", Ok(2 << 30)),
            ("1 byte", Ok(1)),
            ("7 B", Ok(7)),
            ("", Err("not a size")),
            ("K", Err("not a size")),
            ("-1", Err("not a size")),
            ("48 KiBs", Err("not a size")),
            ("48 KiB 3", Err("not a size")),
            ("1.2.3 K", Err("not a size")),
            (".5 K", Err("not a size")),
            ("49,152", Err("not a size")),
            ("0.3 B", Err("whole number of bytes")),
            ("0.3 K", Err("whole number of bytes")),
            ("16384 PiB", Err("too large")),
            (
                "999999999999999999999999999999999999999999",
                Err("too large"),
            ),
        ] {
            match (read_size(text), expected) {
                (Ok(bytes), Ok(expected)) => assert_eq!(bytes, expected, "{text}"),
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{text}: {problem}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn sizes_are_written() {
        for (bytes, expected) in [
            (0, "0"),
            (1, "1 B"),
            (1_000, "1000 B"),
            (1_024, "1 KiB"),
            (49_152, "48 KiB"),
            (1_572_864, "1536 KiB"),
            (25 << 20, "25 MiB"),
            (1 << 50, "1 PiB"),
        ] {
            assert_eq!(write_size(bytes), expected);
        }
    }

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("90", Ok(90)),
            ("10 s", Ok(10)),
            ("1m", Ok(60)),
            ("15 Min", Ok(900)),
            ("1.5 h", Ok(5_400)),
            ("1 h 30 min", Ok(5_400)),
            ("1h30m", Ok(5_400)),
            ("5 days", Ok(432_000)),
            ("1 week", Ok(604_800)),
            ("0", Ok(0)),
            ("", Err("not a time")),
            ("soon", Err("not a time")),
            ("1m 5m", Err("not a time")),
            ("5 min 1 h", Err("not a time")),
            ("1 fortnight", Err("not a time")),
            ("0.5 s", Err("whole number of seconds")),
            ("99999999999999999999 days", Err("too large")),
        ] {
            match (read_time(text), expected) {
                (Ok(seconds), Ok(expected)) => assert_eq!(seconds, expected, "{text}"),
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{text}: {problem}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn times_are_written() {
        for (seconds, expected) in [
            (0, "0 s"),
            (10, "10 s"),
            (60, "1 min"),
            (5_400, "1 h 30 min"),
            (86_400, "1 day"),
            (432_000, "5 days"),
            (129_601, "1 day 12 h 1 s"),
        ] {
            assert_eq!(write_time(seconds), expected);
        }
    }

    #[test]
    fn schedules() {
        let schedule = vec![60, 300, 900, 1_800, 3_600, 7_200, 14_400];
        for text in [
            "1m, 5m, 15m, 30m, 1h, 2h, 4h",
            "60,300,900,1800,3600,7200,14400,",
            "1 min, 5 min, 15 min, 30 min, 1 h, 2 h, 4 h",
        ] {
            assert_eq!(read_times(text), Ok(schedule.clone()), "{text}");
        }
        assert_eq!(
            write_times(&schedule),
            "1 min, 5 min, 15 min, 30 min, 1 h, 2 h, 4 h"
        );
        assert_eq!(read_times(" "), Ok(Vec::new()));
        let problem = read_times("1m 5m, 15m").expect_err("a comma lacks");
        assert!(problem.contains("commas"), "{problem}");
        assert!(read_times("1m,,5m").is_err());
    }

    #[test]
    fn what_is_quoted_is_short() {
        let problem = read_size(&"é".repeat(5_000)).expect_err("no size");
        assert!(problem.len() < 200, "{problem}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(number in any::<u64>(), times in prop::collection::vec(any::<u64>(), 1..5)) {
            prop_assert_eq!(read_size(&write_size(number)), Ok(number));
            prop_assert_eq!(read_time(&write_time(number)), Ok(number));
            prop_assert_eq!(read_times(&write_times(&times)), Ok(times));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,60}") {
            let _ = (read_size(&text), read_times(&text));
        }
    }
}
