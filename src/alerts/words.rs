//! Figures as they stand in an alert's sentence: plain text, for logs and for whoever the webhook tells.

/// Bytes in powers of 1,024.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1_000.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    if unit > 0 && value < 10.0 {
        format!("{value:.1} {}", UNITS[unit])
    } else {
        format!("{value:.0} {}", UNITS[unit])
    }
}

/// A time in its two largest units; the second one is left out when it is nothing.
pub(super) fn age(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let ((first, unit), (second, smaller)) = match (days, hours, minutes) {
        (0, 0, 0) => return format!("{seconds} s"),
        (0, 0, minutes) => ((minutes, "min"), (seconds % 60, "s")),
        (0, hours, minutes) => ((hours, "h"), (minutes, "min")),
        (days, hours, _) => ((days, "d"), (hours, "h")),
    };
    if second == 0 {
        format!("{first} {unit}")
    } else {
        format!("{first} {unit} {second} {smaller}")
    }
}

/// `part` of `whole` in percent with one decimal; 0 of 0 is nothing.
pub(super) fn share(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_units() {
        for (number, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 KiB"),
            (1 << 30, "1.0 GiB"),
            (20 << 30, "20 GiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(bytes(number), expected);
        }
        for (seconds, expected) in [
            (0, "0 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (14_400, "4 h"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(age(seconds), expected);
        }
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(0, 0), "0.0 %");
    }
}
