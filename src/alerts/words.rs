//! The sentences of alerts: plain text, for logs, pages and the webhook. Each is as true at an alert's end as at
//! its beginning.

use crate::settings::networks::in_a_row;
use crate::settings::quantity::write_count as count;

pub(super) fn queue_large(recipients: u64, bound: u64) -> String {
    // Some of them may be held, and do not wait.
    let verb = if recipients == 1 { "is" } else { "are" };
    let (recipients, bound) = (self::recipients(recipients), count(bound));
    format!("{recipients} {verb} in the retry queue; the bound is {bound}.")
}

pub(super) fn queue_old(oldest: Option<u64>, bound: u64) -> String {
    let Some(oldest) = oldest.map(age) else {
        return "Nobody waits in the retry queue.".to_owned();
    };
    let bound = age(bound);
    format!("The oldest message in the retry queue has waited {oldest}; the bound is {bound}.")
}

pub(super) fn queue_damaged(damaged: u64) -> String {
    if damaged == 0 {
        return "Nothing in the retry queue is damaged.".to_owned();
    }
    format!(
        "What is stored for {} in the retry queue is damaged or gone and cannot be sent: the disk may be \
         failing. Unless it is repaired and tried again, the senders are told when its time is over.",
        recipients(damaged)
    )
}

pub(super) fn breaker_open(next_hop: &str, suspended: Option<u64>, bound: u64) -> String {
    let Some(suspended) = suspended.map(age) else {
        return format!("The next hop {next_hop} is not suspended any more.");
    };
    let bound = age(bound);
    format!(
        "The next hop {next_hop} has been suspended for {suspended}, and its mail waits; the bound is {bound}."
    )
}

pub(super) fn disk_low(free: u64, total: u64, size: Option<u64>, percent: Option<u64>) -> String {
    let percent = percent.map(|percent| format!("{percent} %"));
    let bounds: Vec<String> = size.map(bytes).into_iter().chain(percent).collect();
    format!(
        "{} of {} ({}) are free where the data directory is; the bound is {}.",
        bytes(free),
        bytes(total),
        share(free, total),
        bounds.join(" or ")
    )
}

pub(super) fn disk_full(free: u64, reserve: u64) -> String {
    let (free, reserve) = (bytes(free), bytes(reserve));
    format!(
        "{free} are free where the data directory is; {reserve} are kept free, and mail that would have to be \
         stored there is not taken (452). What is delivered at once passes."
    )
}

pub(super) fn trail_stopped(problem: Option<&str>) -> String {
    match problem {
        Some(problem) => format!("What becomes of messages is not written down: {problem}."),
        None => "What becomes of messages is written down.".to_owned(),
    }
}

pub(super) fn trail_begun_anew(kept_as: Option<&str>) -> String {
    match kept_as {
        Some(kept_as) => format!(
            "What became of messages before the last start, and the figures of that time, were damaged: they are \
             kept as {kept_as}, and were begun anew. The disk may be failing."
        ),
        None => "What became of messages was whole at the last start.".to_owned(),
    }
}

pub(super) fn memory_low(used: u64, budget: u64, percent: u64) -> String {
    let (share, used, budget) = (share(used, budget), bytes(used), bytes(budget));
    format!(
        "Messages hold {used} of {budget} ({share}) of the memory that mail of strangers may fill; the bound is \
         {percent} %."
    )
}

pub(super) fn no_delivery(silent: u64, waiting: u64, bound: u64) -> String {
    if silent == 0 {
        return "Mail is being delivered.".to_owned();
    }
    let verb = if waiting == 1 { "waits" } else { "wait" };
    let (silent, bound, waiting) = (age(silent), age(bound), recipients(waiting));
    format!(
        "Nothing was delivered for {silent}; the bound is {bound}. {waiting} {verb} to be tried again."
    )
}

/// Which settings let every client send: trusted networks, domains of one label, and networks of proxies whose
/// word on their clients is taken.
pub(super) fn open_relay(networks: &[String], domains: &[String], proxies: &[String]) -> String {
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

fn recipients(number: u64) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} recipient{plural}", count(number))
}

/// Bytes in powers of 1,024.
fn bytes(number: u64) -> String {
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
fn age(seconds: u64) -> String {
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
fn share(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
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
            assert_eq!(open_relay(&networks, &domains, &proxies), expected);
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
