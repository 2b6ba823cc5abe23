//! What was typed, read or refused at its field.

use super::*;

fn search(name: &str, value: &str) -> MessageSearch {
    serde_json::from_value(serde_json::json!({ name: value })).expect("a search")
}

#[test]
fn what_cannot_be_meant_is_said_at_its_field() {
    for (name, value, expected) in [
        (
            "sender",
            "*@example.org",
            Some("A * can stand at the end only"),
        ),
        ("sender", " anna@* ", None),
        ("recipient", "<script>alert(1)</script>", None),
        ("recipient", "a*b*", Some("A * can stand at the end only")),
        ("message_id", "x", Some("13 letters and digits")),
        ("message_id", "0000000000011", None),
        ("client_address", "example.org", Some("not an IP address")),
        ("client_address", "2001:DB8::1", None),
        ("outcome", "delivered", None),
        ("outcome", "held", None),
        ("outcome", "asleep", Some("“asleep” is none of these")),
        ("path", "scenic", Some("none of these")),
        ("storage", "split", None),
        ("storage", "paper", Some("none of these")),
        ("reason", "condition:antivirus", None),
        ("reason", "condition:*", None),
        ("reason", "rain", Some("none of these")),
        ("since", "2027-01-15T08:00", None),
        ("since", "2027-01-15T08:00:01", None),
        ("since", "2027-01-15T09:00:00+01:00", None),
        ("since", "yesterday", Some("not a date")),
        ("since", "", None),
    ] {
        let read = search(name, value).read();
        let problem = read
            .as_ref()
            .err()
            .map(|problems| problems.0[name].as_str());
        match (problem, expected) {
            (None, None) => {}
            (Some(problem), Some(part)) => assert!(problem.contains(part), "{problem}"),
            _ => panic!("{name}={value}: {read:?}"),
        }
    }
}

#[test]
fn texts_become_what_the_trail_holds() {
    let search = MessageSearch {
        client_address: "2001:DB8:0::1".into(),
        since: "2027-01-15T08:00".into(),
        until: "2027-01-15T10:00:00+01:00".into(),
        before: "0000000000011".into(),
        ..MessageSearch::default()
    };
    let (filter, before) = search.read().expect("a filter");
    assert_eq!(filter.client_address.as_deref(), Some("2001:db8::1"));
    let since: Timestamp = "2027-01-15T08:00:00Z".parse().expect("a time");
    assert_eq!(filter.since, Some(since));
    let until: Timestamp = "2027-01-15T09:00:00Z".parse().expect("a time");
    assert_eq!(filter.until, Some(until));
    assert_eq!(before, Some(MessageId::from_i64(33)));
    let backwards = MessageSearch {
        until: "2027-01-15T08:00".into(),
        ..search.clone()
    };
    let problems = backwards.read().expect_err("no time is left");
    assert!(problems.0.contains_key("until"));
    assert_eq!(search.time("until"), "2027-01-15T09:00:00");
}

#[test]
fn urls_hold_the_search() {
    let search = search("recipient", "a&b=\"ö\"*");
    let next = search.url(Some(MessageId::from_i64(33)));
    let expected = "/messages?recipient=a%26b%3D%22%C3%B6%22%2A&before=0000000000011";
    assert_eq!(next, expected);
    assert_eq!(MessageSearch::default().url(None), "/messages");
    assert!(!MessageSearch::default().is_searching() && search.is_searching());
}
