//! Figures as they stand in an alert's sentence: plain text, for logs and for whoever the webhook tells.

use crate::settings::networks::in_a_row;

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

/// Who may send through us, though nobody in particular: trusted networks, domains of one label, and
/// networks of proxies that may say of anybody who they are.
pub(super) fn open_to(networks: &[String], domains: &[String], proxies: &[String]) -> String {
    let several = |names: &[String]| if names.len() == 1 { "" } else { "s" };
    let mut sentences = Vec::new();
    if !networks.is_empty() {
        sentences.push(format!(
            "Everybody who reaches this appliance may send through it to anywhere, because of the trusted \
             network{} {}.",
            several(networks),
            in_a_row(networks)
        ));
    }
    if !domains.is_empty() {
        sentences.push(format!(
            "Everybody may send through this appliance to all of {}.",
            in_a_row(domains)
        ));
    }
    if !proxies.is_empty() {
        sentences.push(format!(
            "Nearly everybody is believed to speak for others, because of the proxy network{} {}.",
            several(proxies),
            in_a_row(proxies)
        ));
    }
    match sentences.as_slice() {
        [] => "No trusted network holds everybody.".to_owned(),
        sentences => sentences.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_relay_is_explained() {
        for (networks, domains, proxies, expected) in [
            (
                &[][..],
                &[][..],
                &[][..],
                "No trusted network holds everybody.",
            ),
            (
                &["0.0.0.0/0", "::/0"],
                &[],
                &[],
                "Everybody who reaches this appliance may send through it to anywhere, because of the \
                 trusted networks 0.0.0.0/0 and ::/0.",
            ),
            (
                &[],
                &[".com"],
                &["1.0.0.0/8", "3.0.0.0/8"],
                "Everybody may send through this appliance to all of .com. Nearly everybody is believed \
                 to speak for others, because of the proxy networks 1.0.0.0/8 and 3.0.0.0/8.",
            ),
        ] {
            let [networks, domains, proxies] = [networks, domains, proxies]
                .map(|names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(open_to(&networks, &domains, &proxies), expected);
        }
    }

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
