//! What proxies write behind XCLIENT, and what they should not.

use proptest::prelude::*;

use super::*;
use crate::smtp::fuzzing::xtext_of;

fn check(arguments: &str, expected: &Attributes) {
    assert_eq!(parse(arguments).as_ref(), Ok(expected), "{arguments}");
}

fn check_error(arguments: &str, expected: &str) {
    let error = parse(arguments).expect_err(arguments);
    assert_eq!(error.to_string(), expected, "{arguments}");
}

fn text(value: &str) -> Option<AttributeValue<String>> {
    Some(AttributeValue::Value(value.to_owned()))
}

#[test]
fn all_attributes() {
    let mut attributes = Attributes {
        name: text("spike.porcupine.org"),
        address: Some(AttributeValue::Value(
            Ipv4Addr::new(168, 100, 189, 2).into(),
        )),
        port: Some(AttributeValue::Value(56_324)),
        protocol: Some(GreetedProtocol::Esmtp),
        helo: text("[192.0.2.1]"),
        login: text("user+tag@example.org"),
        destination_address: Some(AttributeValue::Value("2001:db8::2".parse().unwrap())),
        destination_port: Some(AttributeValue::Value(25)),
    };
    check(
        "NAME=spike.porcupine.org ADDR=168.100.189.2 PORT=56324 PROTO=ESMTP HELO=[192.0.2.1] \
         LOGIN=user+2Btag@example.org DESTADDR=IPV6:2001:db8::2 DESTPORT=25",
        &attributes,
    );
    attributes.protocol = Some(GreetedProtocol::Smtp);
    check(
        "  destport=25 DestAddr=ipv6:2001:DB8:0::2 login=user+tag@example.org helo=[192.0.2.1]  \
         proto=smtp port=56324 addr=168.100.189.2 name=spike.porcupine.org ",
        &attributes,
    );
}

#[test]
fn what_is_not_available() {
    let attributes = Attributes {
        name: Some(AttributeValue::Unavailable),
        address: Some(AttributeValue::Unavailable),
        port: Some(AttributeValue::Unavailable),
        protocol: None,
        helo: Some(AttributeValue::Unavailable),
        login: Some(AttributeValue::Unavailable),
        destination_address: Some(AttributeValue::Unavailable),
        destination_port: Some(AttributeValue::Unavailable),
    };
    for unavailable in ["[UNAVAILABLE]", "[unavailable]", "+5BUnavailable+5d"] {
        check(
            &"NAME=* ADDR=* PORT=* HELO=* LOGIN=* DESTADDR=* DESTPORT=*".replace('*', unavailable),
            &attributes,
        );
    }
    for arguments in ["NAME=[TEMPUNAVAIL]", "NAME=[TempUnavail]"] {
        let name = Some(AttributeValue::Unavailable);
        check(
            arguments,
            &Attributes {
                name,
                ..Attributes::default()
            },
        );
    }
}

#[test]
fn nothing_is_said_twice() {
    for arguments in [
        "LOGIN=a LOGIN=b",
        "LOGIN=a login=[UNAVAILABLE]",
        "ADDR=192.0.2.1 NAME=a ADDR=192.0.2.2",
    ] {
        let name = if arguments.starts_with("ADDR") {
            "ADDR"
        } else {
            "LOGIN"
        };
        assert_eq!(
            parse(arguments),
            Err(XclientError::Repeated(name)),
            "{arguments}"
        );
    }
}

#[test]
fn values_that_are_good() {
    let long_name = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(63));
    let long_login = "ü".repeat(127);
    for (arguments, expected) in [
        ("NAME=localhost", "localhost"),
        ("NAME=a_b.1-2.example", "a_b.1-2.example"),
        (&format!("NAME={long_name}"), &long_name),
        ("HELO=host+3F", "host?"),
        ("HELO=a+b=c", "a+b=c"),
        ("HELO=1.2.3.4", "1.2.3.4"),
        ("HELO=Front+20Desk", "Front?Desk"),
        ("HELO=<a+00b>", "?a?b?"),
        ("HELO=M+FCLLER-PC", "M?LLER-PC"),
        ("LOGIN=user+20name", "user name"),
        ("LOGIN=ü", "ü"),
        ("LOGIN=+C3+BC", "ü"),
        ("LOGIN=a=b", "a=b"),
        ("LOGIN=+", "+"),
        (&format!("LOGIN={}", xtext_of(&long_login)), &long_login),
    ] {
        let attributes = parse(arguments).expect(arguments);
        let given = [attributes.name, attributes.helo, attributes.login];
        let given: Vec<_> = given.into_iter().flatten().collect();
        assert_eq!(
            given,
            [AttributeValue::Value(expected.to_owned())],
            "{arguments}"
        );
    }
    for (value, expected) in [("0", 0), ("00025", 25), ("65535", 65_535)] {
        let attributes = parse(&format!("PORT={value}")).expect(value);
        assert_eq!(
            attributes.port,
            Some(AttributeValue::Value(expected)),
            "{value}"
        );
    }
    let mapped = parse("ADDR=IPv6:::ffff:192.0.2.1").expect("good");
    let address = "::ffff:192.0.2.1".parse().unwrap();
    assert_eq!(mapped.address, Some(AttributeValue::Value(address)));
}

#[test]
fn values_that_are_bad() {
    for (name, values) in [
        (
            "NAME",
            "a..b .a a. -a.b a-.b a/b 1 1.2.3.4 [1.2.3.4] ü a+20b a+0D+0Ab +FF",
        ),
        (
            "ADDR",
            "1.2.3 1.2.3.256 1.2.3.04 ::1 2001:db8::1 [1.2.3.4] IPV6: IPV6:1.2.3.4 IPV6:::: \
             IPV6:::1%1 IPv4:1.2.3.4 ü:::1 IPV6ü [TEMPUNAVAIL] unknown",
        ),
        ("PORT", "65536 000025 +25 -1 1.0 0x19 [TEMPUNAVAIL]"),
        ("PROTO", "LMTP ESMTPS [UNAVAILABLE] [TEMPUNAVAIL]"),
        ("HELO", "[TEMPUNAVAIL]"),
        (
            "LOGIN",
            "a+0D+0Ab +00 +7F +C2+85 +FF [TEMPUNAVAIL] +5Btempunavail+5D",
        ),
        ("DESTADDR", "::1 1.2 [TEMPUNAVAIL]"),
        ("DESTPORT", "65536 a [TEMPUNAVAIL]"),
    ] {
        for value in values.split(' ') {
            check_error(
                &format!("{name}={value}"),
                &format!("bad value of attribute {name}"),
            );
        }
    }
    for (name, value) in [
        ("NAME", "a".repeat(64)),
        ("NAME", ["a"; 129].join(".")),
        ("LOGIN", "a".repeat(256)),
        ("LOGIN", "+C3+BC".repeat(128)),
    ] {
        check_error(
            &format!("{name}={value}"),
            &format!("bad value of attribute {name}"),
        );
    }
}

#[test]
fn words_that_are_none() {
    check_error("", "syntax: XCLIENT attribute=value...");
    check_error("  ", "syntax: XCLIENT attribute=value...");
    check_error("NAME", "attribute NAME has no value");
    check_error("NAME=", "attribute NAME has no value");
    check_error("NAME= a", "attribute NAME has no value");
    check_error("what", "attribute what has no value");
    check_error("=a", "unknown attribute ");
    check_error("IDENT=a", "unknown attribute IDENT");
    check_error("REVERSE_NAME=a", "unknown attribute REVERSE_NAME");
    check_error("\u{7}W\0=a", "unknown attribute W");
    let long = "x".repeat(1_000);
    let cut = &long[..limits::NAMED_CHARACTERS];
    check_error(&format!("{long}=a"), &format!("unknown attribute {cut}"));
    check_error(&long, &format!("attribute {cut} has no value"));
}

#[test]
fn what_is_offered_is_what_is_known() {
    let mut offered = String::from("XCLIENT");
    for (name, _) in ATTRIBUTES {
        offered.push(' ');
        offered.push_str(name);
    }
    assert_eq!(CAPABILITY, offered);
}

proptest! {
    /// Nothing panics, and what is given keeps to its bounds.
    #[test]
    fn any_text(arguments in prop_oneof![
        any::<String>(),
        "((NAME|ADDR|PORT|PROTO|HELO|LOGIN|DESTADDR|DESTPORT)=[ -~ü]{0,12}(\\+[0-9A-F]{2}){0,3} ?){0,4}",
    ]) {
        match parse(&arguments) {
            Ok(attributes) => {
                for given in [attributes.name, attributes.helo, attributes.login] {
                    if let Some(AttributeValue::Value(value)) = given {
                        prop_assert!((1..=255).contains(&value.len()));
                        prop_assert!(!value.contains(char::is_control));
                    }
                }
            }
            Err(error) => {
                let words = error.to_string();
                prop_assert!(words.chars().count() < 100);
                prop_assert!(!words.contains(char::is_control));
            }
        }
    }

    #[test]
    fn what_is_written_is_read(
        login in "[^\\p{Cc}]{1,60}",
        helo in "[a-z0-9.:+=?\\[\\]-]{1,255}",
        ip in any::<IpAddr>(),
        port in any::<u16>(),
    ) {
        let special = |text: &str| ["[unavailable]", "[tempunavail]"].contains(&text);
        prop_assume!(!special(&login.to_lowercase()) && !special(&helo));
        let prefix = if ip.is_ipv6() { "IPV6:" } else { "" };
        let arguments = format!(
            "LOGIN={} ADDR={prefix}{ip} HELO={} PORT={port}",
            xtext_of(&login),
            xtext_of(&helo),
        );
        let expected = Attributes {
            login: Some(AttributeValue::Value(login)),
            helo: Some(AttributeValue::Value(helo)),
            address: Some(AttributeValue::Value(ip)),
            port: Some(AttributeValue::Value(port)),
            ..Attributes::default()
        };
        prop_assert_eq!(parse(&arguments), Ok(expected));
    }
}
