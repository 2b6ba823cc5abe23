use super::*;
use crate::alerts::AlertKind;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

/// Facts without anything to be said about them, so many seconds after 1970.
fn calm(second: u64) -> AlertFacts {
    AlertFacts {
        at: Timestamp::from_second(i64::try_from(second).expect("small")).expect("a time"),
        queue: Some(QueueFacts::default()),
        suspended: Vec::new(),
        disk: Some(DiskSpace {
            free_bytes: 50 << 30,
            total_bytes: 100 << 30,
        }),
        reserve: DiskReserve::default(),
        trail_problem: None,
        trail_kept_as: None,
        memory_used_bytes: 0,
        memory_budget_bytes: 1_000,
        delivered: 0,
        accepted: 0,
        open_to: OpenTo::default(),
    }
}

/// Judges the facts one after the other, and says after each what changed: `+kind` or `-kind`.
fn check(rules: &SettingsDocument, looks: Vec<(AlertFacts, &str)>) {
    let mut state = AlertState::default();
    for (facts, expected) in looks {
        let at = facts.at;
        let judgement = judge(&facts, rules, state);
        let changes: Vec<String> = judgement.changes.iter().map(word).collect();
        assert_eq!(changes.join(" "), expected, "at {at}");
        state = judgement.state;
    }
}

fn word(change: &AlertChange) -> String {
    match change {
        AlertChange::Begin(alert) => format!("+{}", alert.kind().as_str()),
        AlertChange::End(alert, EndReason::Calm) => format!("-{}", alert.kind().as_str()),
        AlertChange::End(alert, EndReason::NotWatched) => format!("off {}", alert.kind().as_str()),
    }
}

fn defaults() -> SettingsDocument {
    SettingsDocument::default()
}

/// All rules are switched off that can be.
fn no_rules() -> SettingsDocument {
    SettingsDocument {
        alert_queue_recipients: None,
        alert_queue_age_seconds: None,
        alert_breaker_seconds: None,
        alert_disk_free_percent: None,
        alert_disk_free_bytes: None,
        alert_memory_percent: None,
        alert_no_delivery_seconds: None,
        ..SettingsDocument::default()
    }
}

/// Networks that hold everybody.
fn open(second: u64, networks: &[&str]) -> AlertFacts {
    AlertFacts {
        open_to: OpenTo {
            networks: networks.iter().map(ToString::to_string).collect(),
            ..OpenTo::default()
        },
        ..calm(second)
    }
}

#[test]
fn damaged_mail_is_an_alert_until_it_is_gone() {
    let with = |second, damaged| AlertFacts {
        queue: Some(QueueFacts {
            damaged,
            ..QueueFacts::default()
        }),
        ..calm(second)
    };
    check(
        &no_rules(),
        vec![
            (with(0, 0), ""),
            (with(5, 1), "+queue_damaged"),
            (
                AlertFacts {
                    queue: None,
                    ..calm(10)
                },
                "",
            ),
            (with(15, 2), ""),
            (with(20, 0), "-queue_damaged"),
        ],
    );
}

#[test]
fn an_open_relay_is_an_alert_for_as_long_as_it_is_one() {
    let looks = || {
        vec![
            (calm(0), ""),
            (open(5, &["0.0.0.0/0"]), "+open_relay"),
            (open(10, &["0.0.0.0/0", "::/0"]), ""),
            (open(86_400, &["::/0"]), ""),
            (calm(86_405), "-open_relay"),
            (open(86_410, &["::/0"]), "+open_relay"),
        ]
    };
    check(&defaults(), looks());
    // No bound was set for it, so none can be taken away.
    check(&no_rules(), looks());
}

#[test]
fn calm_is_no_alert() {
    check(&defaults(), vec![(calm(0), ""), (calm(90_000), "")]);
    let nothing = no_rules();
    let mut bad = calm(0);
    bad.queue = Some(QueueFacts {
        recipients: 1 << 40,
        waiting: 1 << 40,
        oldest_age: Some(Duration::from_secs(1 << 40)),
        damaged: 0,
    });
    bad.suspended = vec!["mx.example.net".into()];
    bad.memory_used_bytes = 1_000;
    bad.disk = Some(DiskSpace {
        free_bytes: 0,
        total_bytes: 1,
    });
    check(&nothing, vec![(bad, "")]);
}

#[test]
fn a_large_queue() {
    let with = |second, recipients| {
        let mut facts = calm(second);
        facts.queue = Some(QueueFacts {
            recipients,
            ..QueueFacts::default()
        });
        facts
    };
    let unknown = |second| AlertFacts {
        queue: None,
        ..calm(second)
    };
    check(
        &defaults(),
        vec![
            (with(0, 10_000), ""),
            (with(5, 10_001), "+queue_large"),
            // At the bound it stays, and what cannot be read is no calm.
            (with(10, 9_999), ""),
            (with(30, 10_001), ""),
            (unknown(100), ""),
            (with(105, 10_001), ""),
            (with(110, 9_500), ""),
            (with(164, 9_500), ""),
            // A minute of it is calm enough.
            (with(165, 9_500), "-queue_large"),
            (with(170, 10_001), "+queue_large"),
            // A tenth below is clear at once.
            (with(175, 8_999), "-queue_large"),
            (unknown(180), ""),
        ],
    );
}

#[test]
fn an_old_message() {
    let with = |second, age: Option<u64>| {
        let mut facts = calm(second);
        facts.queue = Some(QueueFacts {
            recipients: 1,
            waiting: 1,
            oldest_age: age.map(Duration::from_secs),
            damaged: 0,
        });
        facts
    };
    check(
        &defaults(),
        vec![
            (with(0, Some(4 * HOUR)), ""),
            (with(5, Some(4 * HOUR + 1)), "+queue_old"),
            (with(10, Some(4 * HOUR - 1)), ""),
            (with(15, None), "-queue_old"),
        ],
    );
}

#[test]
fn a_suspended_next_hop() {
    let with = |second, names: &[&str]| AlertFacts {
        suspended: names.iter().map(|name| Arc::from(*name)).collect(),
        ..calm(second)
    };
    check(
        &defaults(),
        vec![
            (with(0, &["a"]), ""),
            (with(100, &["a", "b"]), ""),
            // It has recovered in time: its clock begins anew.
            (with(200, &["b"]), ""),
            (with(205, &["a", "b"]), ""),
            (with(399, &["a", "b"]), ""),
            (with(400, &["a", "b"]), "+breaker_open"),
            (with(505, &["a", "b"]), "+breaker_open"),
            // Closed for a moment only.
            (with(510, &["a"]), ""),
            (with(564, &["a", "b"]), ""),
            (with(600, &["a"]), ""),
            (with(624, &["a"]), "-breaker_open"),
            (with(625, &[]), ""),
            (with(683, &[]), ""),
            (with(684, &[]), "-breaker_open"),
        ],
    );
}

#[test]
fn more_suspended_next_hops_than_anybody_reads() {
    let names: Vec<Arc<str>> = (0..limits::ALERT_NEXT_HOPS + 7)
        .map(|number| format!("mx{number:03}.example.net").into())
        .collect();
    let with = |second, names: &[Arc<str>]| AlertFacts {
        suspended: names.to_vec(),
        ..calm(second)
    };
    let rules = defaults();
    let first = judge(&with(0, &names), &rules, AlertState::default());
    assert_eq!(first.state.present(), ActiveAlerts::default());
    let second = judge(&with(300, &names), &rules, first.state);
    assert_eq!(second.changes.len(), limits::ALERT_NEXT_HOPS);
    let present = second.state.present();
    assert_eq!(present.alerts.len(), limits::ALERT_NEXT_HOPS);
    assert_eq!(present.next_hops_left_out, 7);
    // The first one recovers, and its place is taken.
    let third = judge(&with(301, &names[1..]), &rules, second.state);
    assert_eq!(third.changes, []);
    let fourth = judge(&with(361, &names[1..]), &rules, third.state);
    assert!(matches!(fourth.changes[..], [AlertChange::End(..)]));
    let fifth = judge(&with(362, &names[1..]), &rules, fourth.state);
    assert!(matches!(fifth.changes[..], [AlertChange::Begin(_)]));
    assert_eq!(fifth.state.present().next_hops_left_out, 6);
}

#[test]
fn a_full_disk() {
    let with = |second, free_bytes, total_bytes| AlertFacts {
        disk: Some(DiskSpace {
            free_bytes,
            total_bytes,
        }),
        ..calm(second)
    };
    const GIB: u64 = 1 << 30;
    check(
        &defaults(),
        vec![
            (with(0, 10 * GIB, 100 * GIB), ""),
            (with(5, 10 * GIB - 1, 100 * GIB), "+disk_low"),
            (with(10, 10 * GIB, 100 * GIB), ""),
            (with(15, 11 * GIB, 100 * GIB), "-disk_low"),
            // Half of a small disk is not enough either.
            (with(20, GIB - 1, 2 * GIB), "+disk_low"),
            (with(25, GIB, 2 * GIB), ""),
            (
                AlertFacts {
                    disk: None,
                    ..calm(900)
                },
                "",
            ),
            (with(905, GIB * 11 / 10 + 1, 2 * GIB), "-disk_low"),
        ],
    );
    let only_percent = SettingsDocument {
        alert_disk_free_percent: Some(50),
        ..no_rules()
    };
    check(
        &only_percent,
        vec![
            (with(0, 49, 100), "+disk_low"),
            (with(5, 55, 100), "-disk_low"),
        ],
    );
}

#[test]
fn a_disk_that_is_left_to_what_is_owed() {
    let with = |second, free_bytes, turned_away| AlertFacts {
        reserve: DiskReserve {
            free_bytes,
            reserve_bytes: 100,
            turned_away,
        },
        ..calm(second)
    };
    check(
        &no_rules(),
        vec![
            (with(0, 100, false), ""),
            (with(5, 99, false), "+disk_full"),
            (with(10, 105, false), ""),
            (with(15, 110, false), "-disk_full"),
            (with(20, 500, true), "+disk_full"),
            (with(25, 500, false), "-disk_full"),
        ],
    );
}

#[test]
fn a_trail_that_is_not_written() {
    let with = |second, problem: Option<&str>| AlertFacts {
        trail_problem: problem.map(str::to_owned),
        ..calm(second)
    };
    check(
        &no_rules(),
        vec![
            (with(0, Some("the disk is full")), "+trail_stopped"),
            (with(5, Some("it is damaged")), ""),
            (with(10, None), "-trail_stopped"),
        ],
    );
}

#[test]
fn a_trail_that_was_begun_anew() {
    let damaged = AlertFacts {
        trail_kept_as: Some("/data/history.db.damaged".to_owned()),
        ..calm(0)
    };
    check(&no_rules(), vec![(damaged, "+trail_begun_anew")]);
}

#[test]
fn a_full_budget() {
    let with = |second, memory_used_bytes| AlertFacts {
        memory_used_bytes,
        ..calm(second)
    };
    check(
        &defaults(),
        vec![
            (with(0, 901), ""),
            (with(55, 901), ""),
            // A single look at less, and the minute begins anew.
            (with(58, 900), ""),
            (with(60, 901), ""),
            (with(119, 1_000), ""),
            (with(120, 901), "+memory_low"),
            (with(125, 0), ""),
            (with(179, 0), ""),
            (with(180, 0), "-memory_low"),
        ],
    );
}

/// So many deliveries, accepted messages and waiting recipients.
fn traffic(second: u64, delivered: u64, accepted: u64, waiting: u64) -> AlertFacts {
    AlertFacts {
        delivered,
        accepted,
        queue: Some(QueueFacts {
            recipients: waiting,
            waiting,
            ..QueueFacts::default()
        }),
        ..calm(second)
    }
}

fn silence_of(seconds: u64, when_idle: bool) -> SettingsDocument {
    SettingsDocument {
        alert_no_delivery_seconds: Some(seconds),
        alert_no_delivery_when_idle: when_idle,
        ..no_rules()
    }
}

#[test]
fn nothing_delivered_although_mail_is_there() {
    check(
        &silence_of(HOUR, false),
        vec![
            (traffic(0, 0, 0, 0), ""),
            (traffic(10, 5, 5, 0), ""),
            // A quiet night.
            (traffic(8 * HOUR, 5, 5, 0), ""),
            // A message is put off: the night does not count.
            (traffic(8 * HOUR + 5, 5, 6, 1), ""),
            (traffic(9 * HOUR, 5, 6, 1), ""),
            (traffic(9 * HOUR + 5, 5, 6, 1), "+no_delivery"),
            (traffic(9 * HOUR + 10, 6, 6, 0), "-no_delivery"),
        ],
    );
    // What is accepted and goes nowhere is enough; the queue may be empty.
    check(
        &silence_of(10 * MINUTE, false),
        vec![
            (traffic(0, 0, 0, 0), ""),
            (traffic(60, 0, 1, 0), ""),
            (traffic(360, 0, 2, 0), ""),
            (traffic(660, 0, 2, 0), "+no_delivery"),
            // Ten minutes without any mail: nothing is owed any more, and a minute later it is over.
            (traffic(959, 0, 2, 0), ""),
            (traffic(960, 0, 2, 0), ""),
            (traffic(1_019, 0, 2, 0), "-no_delivery"),
        ],
    );
}

#[test]
fn a_quiet_night_counts_when_the_administrator_asks() {
    check(
        &silence_of(HOUR, true),
        vec![
            (traffic(0, 0, 0, 0), ""),
            (traffic(HOUR - 1, 0, 0, 0), ""),
            (traffic(HOUR, 0, 0, 0), "+no_delivery"),
            (traffic(HOUR + 5, 1, 1, 0), "-no_delivery"),
        ],
    );
}

#[test]
fn held_recipients_are_not_owed() {
    let mut held = traffic(0, 0, 0, 0);
    held.queue = Some(QueueFacts {
        recipients: 9,
        waiting: 0,
        ..QueueFacts::default()
    });
    let later = AlertFacts {
        at: calm(9 * HOUR).at,
        ..held.clone()
    };
    check(&silence_of(HOUR, false), vec![(held, ""), (later, "")]);
}

#[test]
fn a_rule_that_is_switched_off_ends_its_alert() {
    let mut facts = calm(0);
    facts.queue = Some(QueueFacts {
        recipients: 20_000,
        ..QueueFacts::default()
    });
    let begun = judge(&facts, &defaults(), AlertState::default());
    let off = SettingsDocument {
        alert_queue_recipients: None,
        ..defaults()
    };
    let judgement = judge(&facts, &off, begun.state);
    let words: Vec<String> = judgement.changes.iter().map(word).collect();
    assert_eq!(words, ["off queue_large"]);
    assert_eq!(judgement.state.present(), ActiveAlerts::default());
}

#[test]
fn an_alert_says_since_when() {
    let mut facts = calm(1_000);
    facts.suspended = vec!["mx.example.net".into()];
    let first = judge(&facts, &defaults(), AlertState::default());
    facts.at = calm(1_400).at;
    let second = judge(&facts, &defaults(), first.state);
    let present = second.state.present();
    assert_eq!(present.alerts.len(), 1);
    assert_eq!(present.alerts[0].kind(), AlertKind::BreakerOpen);
    assert_eq!(present.alerts[0].since, calm(1_000).at);
    let text = present.alerts[0].figures.to_string();
    assert!(text.contains("for 6 min 40 s"), "{text}");
}
