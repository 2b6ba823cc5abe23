use serde_json::json;

use super::*;
use SettingKind as Kind;

const ANY: ValueBounds = ValueBounds::ANY;

const COLOURS: &[ChoiceValue] = &[value("green", "Green", ""), value("true", "Yes", "")];

const HOW_LONG: &Switchable = &switchable("for at least", Kind::Time(ANY), "", "1 h");

#[test]
fn values_are_written_and_read_back() {
    for (kind, value, text) in [
        (Kind::Size(ANY), json!(49_152), "48 KiB"),
        (Kind::SizeOrBlank(ANY), json!(0), ""),
        (Kind::SizeOrBlank(ANY), json!(1_048_576), "1 MiB"),
        (Kind::Time(ANY), json!(432_000), "5 days"),
        (Kind::Times(ANY, 10), json!([60, 300]), "1 min, 5 min"),
        (Kind::Number(ValueBounds::new(0, 10)), json!(7), "7"),
        (
            Kind::Number(ValueBounds::new(0, 10_000)),
            json!(10_000),
            "10,000",
        ),
        (Kind::Choice(COLOURS), json!("green"), "green"),
        (Kind::Choice(COLOURS), json!(true), "true"),
        (Kind::Text(TextKind::Server), Value::Null, ""),
        (
            Kind::Text(TextKind::Server),
            json!("smtp://mail.example.net:26"),
            "smtp://mail.example.net:26",
        ),
        (Kind::OrOff(HOW_LONG), Value::Null, "off"),
        (Kind::OrOff(HOW_LONG), json!(90), "1 min 30 s"),
        (Kind::Score, json!(7.5), "7.5"),
        (Kind::Lines(TextKind::Domain, 10), json!([]), ""),
        (
            Kind::Lines(TextKind::Domain, 10),
            json!(["a.example", ".b.example"]),
            "a.example\n.b.example",
        ),
    ] {
        assert_eq!(kind.write(&value), text);
        assert_eq!(kind.read(text), Ok(value), "{text}");
    }
}

#[test]
fn what_people_leave_out_is_completed() {
    for (kind, typed, expected) in [
        (
            Kind::Text(TextKind::Server),
            "Mail.example.net",
            json!("smtp://mail.example.net:25"),
        ),
        (
            Kind::Text(TextKind::Server),
            "[::1]:26",
            json!("smtp://[::1]:26"),
        ),
        (
            Kind::Lines(TextKind::DnsServer, 10),
            "192.0.2.53 ::1,192.0.2.54:5353",
            json!(["192.0.2.53:53", "[::1]:53", "192.0.2.54:5353"]),
        ),
        (
            Kind::Lines(TextKind::Network, 10),
            "10.0.0.0/8\r\n192.0.2.7\r\n\r\n2001:db8::1",
            json!(["10.0.0.0/8", "192.0.2.7/32", "2001:db8::1/128"]),
        ),
        (
            Kind::Lines(TextKind::Domain, 10),
            "Example.NET.",
            json!(["example.net"]),
        ),
    ] {
        assert_eq!(kind.read(typed), Ok(expected), "{typed}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (kind, typed, part) in [
        (Kind::Size(ANY), "much", "“much” is not a size"),
        (Kind::Times(ANY, 10), "1m 5m", "commas"),
        (Kind::Number(ValueBounds::new(1, 10)), "11", "from 1 to 10"),
        (Kind::Number(ValueBounds::new(1, 10)), "x", "from 1 to 10"),
        (Kind::Choice(COLOURS), "blue", "choose one"),
        (Kind::OrOff(HOW_LONG), "", "not a time"),
        (Kind::Score, "7,5", "like 7.5"),
        (Kind::Text(TextKind::Server), "a b", "not a server"),
        (
            Kind::Text(TextKind::Server),
            "0.0.0.0",
            "no server’s address",
        ),
        (
            Kind::Text(TextKind::Server),
            "-x",
            "not the name of a server",
        ),
        (
            Kind::Text(TextKind::Domain),
            "127.0.0.1",
            "an address, not a domain",
        ),
        (
            Kind::Lines(TextKind::Network, 10),
            "10.1.2.3/8",
            "10.0.0.0/8 is the whole",
        ),
        (
            Kind::Lines(TextKind::DnsServer, 10),
            "0.0.0.0",
            "no server’s address",
        ),
        (Kind::Text(TextKind::File), "tls/key.pem", "whole path"),
        (
            Kind::Lines(TextKind::Network, 10),
            "::1\n10.0.0.0/33",
            "“10.0.0.0/33”",
        ),
        (
            Kind::Lines(TextKind::DnsServer, 10),
            "ns.example.net",
            "not an address",
        ),
    ] {
        let problem = kind.read(typed).expect_err(typed);
        assert!(problem.contains(part), "{typed}: {problem}");
    }
}

#[test]
fn milters_are_typed_one_a_line_in_any_spelling() {
    let typed = "inet:8891@127.0.0.1\r\n/run/opendkim.sock\r\nmilter.example.net:8893";
    let expected = json!([
        "127.0.0.1:8891",
        "unix:/run/opendkim.sock",
        "milter.example.net:8893"
    ]);
    assert_eq!(Kind::Lines(TextKind::Milter, 10).read(typed), Ok(expected));
    let problem = Kind::Lines(TextKind::Milter, 10)
        .read("opendkim")
        .expect_err("no place");
    assert!(problem.starts_with("“opendkim”: "), "{problem}");
}
