//! Figures as people read them.

use std::time::Duration;

use jiff::Timestamp;

use crate::accounts::Scope;
pub(super) use crate::settings::quantity::write_count as count;

/// A share of 0 to 1 in percent with one decimal; a dash when there is none. Never "100.0 %" for
/// less than all, nor "0.0 %" for more than nothing.
pub(super) fn percent(share: Option<f64>) -> String {
    let Some(share) = share else {
        return "—".to_owned();
    };
    let rounded = (share * 1_000.0).round() / 10.0;
    let shown = if share < 1.0 && rounded >= 100.0 {
        99.9
    } else if share > 0.0 && rounded <= 0.0 {
        0.1
    } else {
        rounded
    };
    format!("{shown:.1} %")
}

/// A count with its noun: “0 alerts”, “1 alert”, “2 alerts”.
pub(super) fn counted(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

/// A count of recipients.
pub(super) fn recipients(number: u64) -> String {
    counted(number, "recipient")
}

/// How many of these recipients are held, as words behind their number; none when none is.
pub(super) fn held_of(held: u64, all: u64) -> Option<String> {
    match (held, all) {
        (0, _) => None,
        (_, 0 | 1) => Some("held".to_owned()),
        (held, all) if held >= all => Some("all of them held".to_owned()),
        (held, _) => Some(format!("{} of them held", count(held))),
    }
}

/// Bytes in powers of 1,024.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1_024 {
        return format!("{} B", count(number));
    }
    let mut value = number as f64 / 1_024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if value < 1_000.0 {
            break;
        }
        value /= 1_024.0;
        unit = larger;
    }
    if value < 10.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// A short time in seconds; a dash when there is none.
pub(super) fn latency(seconds: Option<f64>) -> String {
    match seconds {
        None => "—".to_owned(),
        Some(seconds) if seconds < 0.001 => format!("{:.0} µs", seconds * 1e6),
        Some(seconds) if seconds < 0.01 => format!("{:.1} ms", seconds * 1e3),
        Some(seconds) if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        Some(seconds) => format!("{seconds:.1} s"),
    }
}

/// How long something took.
pub(super) fn took(time: Option<Duration>) -> String {
    latency(time.map(|time| time.as_secs_f64()))
}

/// A rate, without its unit.
pub(super) fn rate(number: f64) -> String {
    match number {
        number if number <= 0.0 => "0".to_owned(),
        number if number < 0.01 => "< 0.01".to_owned(),
        number if number < 1.0 => format!("{number:.2}"),
        number if number < 10.0 => format!("{number:.1}"),
        number => count(number.round() as u64),
    }
}

/// An age or a wait in its two largest units.
pub(super) fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A word of the API as people read it: `over_threshold` is “over threshold”.
pub(super) fn word(word: &str) -> String {
    word.replace('_', " ")
}

/// With a capital letter at its beginning.
pub(super) fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// The words of an error as a sentence.
pub(super) fn sentence(words: &str) -> String {
    let is_complete = words.is_empty() || words.ends_with(['.', '?', '!']);
    let end = if is_complete { "" } else { "." };
    format!("{}{end}", capitalised(words))
}

/// A reverse path: the null path is `<>`.
pub(super) fn sender(address: &str) -> &str {
    if address.is_empty() { "<>" } else { address }
}

/// A moment in UTC, to the second.
pub(super) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The same with the zone behind it.
pub(super) fn moment_utc(time: Timestamp) -> String {
    format!("{} UTC", moment(time))
}

/// The time from one moment to a later one; nothing when it is not later, as after a clock was set back.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// How long ago that was.
pub(super) fn since(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", age(between(then, now)))
}

/// When that will be.
pub(super) fn until(then: Timestamp, now: Timestamp) -> String {
    match between(now, then) {
        Duration::ZERO => "now".to_owned(),
        wait => format!("in {}", age(wait)),
    }
}

/// The day of a time.
pub(super) fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// What a token of this scope may do.
pub(super) const fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::ReadOnly => "reads",
        Scope::Operate => "reads, and works on the queue",
        Scope::ReadWrite => "reads and changes everything, accounts too",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_do_not_promise_too_much() {
        for (share, expected) in [
            (None, "—"),
            (Some(0.0), "0.0 %"),
            (Some(0.000_01), "0.1 %"),
            (Some(0.987), "98.7 %"),
            (Some(0.999_99), "99.9 %"),
            (Some(1.0), "100.0 %"),
        ] {
            assert_eq!(percent(share), expected);
        }
    }

    #[test]
    fn errors_are_told_in_sentences() {
        for (words, expected) in [
            ("", ""),
            ("there is nothing here", "There is nothing here."),
            ("pause, or resume?", "Pause, or resume?"),
            ("“x” is unknown here", "“x” is unknown here."),
        ] {
            assert_eq!(sentence(words), expected);
        }
    }

    #[test]
    fn one_is_singular() {
        for (number, expected) in [
            (0, "0 recipients"),
            (1, "1 recipient"),
            (2, "2 recipients"),
            (12_345_678, "12,345,678 recipients"),
        ] {
            assert_eq!(recipients(number), expected);
        }
    }

    #[test]
    fn those_that_are_held_are_told_apart() {
        for (held, all, expected) in [
            (0, 5, None),
            (1, 1, Some("held")),
            (2, 2, Some("all of them held")),
            (98_000, 99_055, Some("98,000 of them held")),
        ] {
            assert_eq!(held_of(held, all).as_deref(), expected);
        }
    }

    #[test]
    fn bytes_have_units() {
        for (number, expected) in [
            (0, "0 B"),
            (1_023, "1,023 B"),
            (1_024, "1.0 KiB"),
            (32_768, "32 KiB"),
            (1_048_576, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(bytes(number), expected);
        }
    }

    #[test]
    fn rates_have_as_many_digits_as_they_are_worth() {
        for (number, expected) in [
            (0.0, "0"),
            (0.001, "< 0.01"),
            (0.1, "0.10"),
            (3.04, "3.0"),
            (1_234.5, "1,235"),
        ] {
            assert_eq!(rate(number), expected);
        }
    }

    #[test]
    fn times_have_units() {
        for (seconds, expected) in [
            (0.000_25, "250 µs"),
            (0.002_51, "2.5 ms"),
            (0.25, "250 ms"),
            (12.04, "12.0 s"),
        ] {
            assert_eq!(latency(Some(seconds)), expected);
        }
        for (seconds, expected) in [
            (5, "5 s"),
            (61, "1 min 1 s"),
            (7_260, "2 h 1 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), expected);
        }
    }
}
