//! Lines and what becomes of them.

use super::*;
use proptest::prelude::*;

fn parse(line: &str) -> Result<Command, CommandError> {
    Command::parse(line.as_bytes(), false)
}

fn check(line: &str, expected: Command) {
    assert_eq!(parse(line), Ok(expected), "{line}");
}

/// The line is refused with this code and enhanced code.
fn refused(line: &str, expected: &str) {
    let reply = parse(line).expect_err(line).reply();
    let enhanced = reply.enhanced.map(|enhanced| enhanced.to_string());
    assert_eq!(
        format!("{} {}", reply.code, enhanced.unwrap_or_default()),
        expected,
        "{line}: {reply}"
    );
}

fn mail_command(from: &str) -> MailCommand {
    MailCommand {
        from: ReversePath::parse(from).unwrap(),
        size: None,
        body: None,
        smtputf8: false,
        ret: None,
        envelope_id: None,
        auth: None,
        prdr: false,
    }
}

fn rcpt_command(to: &str) -> RcptCommand {
    RcptCommand {
        to: ForwardPath::parse(to).unwrap(),
        notify: None,
        original_recipient: None,
    }
}

#[test]
fn plain_commands() {
    check("DATA", Command::Data);
    check("data  ", Command::Data);
    check("Rset", Command::Rset);
    check("QUIT", Command::Quit);
    check("StartTLS", Command::StartTls);
    check("NOOP", Command::Noop);
    check("NOOP anything <at> all", Command::Noop);
    check("HELP me", Command::Help);
    check("VRFY user", Command::Vrfy);
    check("EXPN list", Command::Expn);
    for line in [
        "DATA now",
        "DATA\tx",
        "RSET x",
        "QUIT x",
        "STARTTLS x",
        "VRFY",
        "EXPN",
    ] {
        refused(line, "501 5.5.4");
    }
    for line in [
        "",
        " ",
        " NOOP",
        "XYZZY",
        "LELO x",
        "MAILFROM:<a@b>",
        "STARTTLSX",
    ] {
        refused(line, "500 5.5.2");
    }
}

#[test]
fn greetings() {
    check("EHLO host.example", Command::Ehlo("host.example".into()));
    check("helo [192.0.2.1]", Command::Helo("[192.0.2.1]".into()));
    check("EHLO my_pc ", Command::Ehlo("my_pc".into()));
    let long = format!("EHLO {}", "h".repeat(256));
    let cut = "h".repeat(255);
    // Whatever they call themselves, they have mail.
    let said: [(&[u8], &str); 12] = [
        (b"EHLO", "unknown"),
        (b"EHLO \t", "unknown"),
        (b"EHLO  a", "a"),
        (b"EHLO\ta", "a"),
        (b"EHLO Front Desk", "Front?Desk"),
        (b"EHLO nas.(none)", "nas.?none?"),
        (b"EHLO <camera>", "?camera?"),
        (b"EHLO \"scanner\"", "?scanner?"),
        (b"EHLO a\x01\x00", "a??"),
        (b"EHLO M\xdcLLER-PC", "M?LLER-PC"),
        ("EHLO MÜLLER-PC".as_bytes(), "M?LLER-PC"),
        (long.as_bytes(), &cut),
    ];
    for (line, host) in said {
        let host = host.to_owned();
        assert_eq!(Command::parse(line, false), Ok(Command::Ehlo(host)));
    }
    check("HELO ", Command::Helo("unknown".into()));
}

/// Spellings that other servers take, and what they stand for.
#[test]
fn blanks_and_brackets_are_where_clients_put_them() {
    for line in [
        "MAIL FROM: <a@b> SIZE=1",
        "MAIL FROM:  <a@b> SIZE=1",
        "MAIL FROM:\t<a@b>\tSIZE=1",
        "MAIL  FROM:<a@b>  SIZE=1 ",
        "MAIL\tFROM:<a@b> SIZE=1\t",
        "MAIL FROM : <a@b> SIZE=1",
        "MAIL FROM:< a@b > SIZE=1",
        "MAIL FROM:a@b SIZE=1",
        "MAIL FROM: a@b\tSIZE=1",
    ] {
        let expected = MailCommand {
            size: Some(1),
            ..mail_command("a@b")
        };
        check(line, Command::Mail(expected));
    }
    check("MAIL FROM:< >", Command::Mail(mail_command("")));
    for line in [
        "RCPT  TO:<a@b>",
        "RCPT TO:  <a@b>",
        "RCPT TO :\t<a@b> ",
        "RCPT\tTO:a@b",
    ] {
        check(line, Command::Rcpt(rcpt_command("a@b")));
    }
    let chunk = Command::Bdat {
        size: 1,
        last: true,
    };
    check("BDAT  1 \tLAST", chunk);
    let login = Command::Auth {
        mechanism: "PLAIN".into(),
        initial: Some("AGEAYg==".into()),
    };
    check("AUTH  PLAIN  AGEAYg==", login);
}

#[test]
fn senders() {
    check("MAIL FROM:<>", Command::Mail(mail_command("")));
    check(
        "mail from:<a@b.example>",
        Command::Mail(mail_command("a@b.example")),
    );
    check("MAIL FROM: <a@b>", Command::Mail(mail_command("a@b")));
    check(
        r#"MAIL FROM:<"a> SIZE=1"@b>"#,
        Command::Mail(mail_command(r#""a> SIZE=1"@b"#)),
    );
    refused("MAIL", "501 5.5.4");
    refused("MAIL FROM", "501 5.5.4");
    refused("MAIL TO:<a@b>", "501 5.5.4");
    refused("MAIL FROM:<a@b>SIZE=1", "501 5.5.4");
    refused("MAIL FROM:", "501 5.1.7");
    refused("MAIL FROM:a", "501 5.1.7");
    refused("MAIL FROM:a@b>", "501 5.5.4");
    refused("MAIL FROM:<a@b", "501 5.1.7");
    refused("MAIL FROM:<a>", "501 5.1.7");
    refused("MAIL FROM:<@x:a@b>", "553 5.1.7");
    refused("MAIL FROM:<ä@b>", "553 5.6.7");
    refused(&format!("MAIL FROM:<{}@b>", "a".repeat(260)), "501 5.1.7");
}

#[test]
fn recipients() {
    check("RCPT TO:<a@b>", Command::Rcpt(rcpt_command("a@b")));
    check("RCPT TO: <a@b>", Command::Rcpt(rcpt_command("a@b")));
    check(
        "rcpt to:<POSTMASTER>",
        Command::Rcpt(rcpt_command("postmaster")),
    );
    refused("RCPT TO:<>", "501 5.1.3");
    refused("RCPT TO:<a>", "501 5.1.3");
    refused("RCPT TO:<@x,@y:a@b>", "553 5.1.3");
    refused("RCPT TO:<ä@b>", "553 5.6.7");
    refused("RCPT FROM:<a@b>", "501 5.5.4");
    let line = "RCPT TO:<ä@b>".as_bytes();
    assert_eq!(
        Command::parse(line, true),
        Ok(Command::Rcpt(rcpt_command("ä@b")))
    );
    let latin = Command::parse(b"RCPT TO:<\xE4@b>", true).unwrap_err();
    assert_eq!(latin.reply().code, 553);
}

#[test]
fn parameters_of_mail() {
    let expected = MailCommand {
        size: Some(1_234_567),
        body: Some(BodyType::EightBitMime),
        smtputf8: true,
        ret: Some(Return::Headers),
        envelope_id: Some("QQ+2B1".into()),
        auth: Some("<>".into()),
        prdr: false,
        ..mail_command("ä@b")
    };
    check(
        "MAIL FROM:<ä@b> SIZE=1234567 body=8bitmime SMTPUTF8 RET=HDRS ENVID=QQ+2B1 AUTH=<>",
        Command::Mail(expected),
    );
    let expected = MailCommand {
        size: Some(0),
        body: Some(BodyType::SevenBit),
        ret: Some(Return::Full),
        ..mail_command("")
    };
    check(
        "MAIL FROM:<>  size=0  BODY=7BIT RET=full ",
        Command::Mail(expected),
    );
}

#[test]
fn bad_parameters_of_mail() {
    for parameters in [
        "SIZE",
        "SIZE=",
        "SIZE=x",
        "SIZE=-1",
        "SIZE=1x",
        "SIZE=1;2",
        "SIZE=99999999999999999999",
        "SIZE=000000000000000000001",
        "SIZE=1 SIZE=1",
        "size=1 SIZE=2",
        "BODY=",
        "BODY",
        "BODY=9BIT",
        "BODY=7BIT BODY=8BITMIME",
        "SMTPUTF8=1",
        "SMTPUTF8=",
        "SMTPUTF8 SMTPUTF8",
        "RET=ALL",
        "RET=FULLX",
        "RET=FULL RET=HDRS",
        "ENVID=",
        "ENVID=+",
        "ENVID=a=b",
        "ENVID=ü",
        "AUTH=",
        "AUTH=a\u{1}b",
    ] {
        refused(&format!("MAIL FROM:<a@b> {parameters}"), "501 5.5.4");
    }
    refused(
        &format!("MAIL FROM:<a@b> ENVID={}", "x".repeat(101)),
        "501 5.5.4",
    );
    for parameters in [
        "BODY=BINARYMIME",
        "X=1",
        "HOLDFOR=5",
        "REQUIRETLS",
        ">",
        "=",
        "NOTIFY=NEVER",
    ] {
        refused(&format!("MAIL FROM:<a@b> {parameters}"), "555 5.5.4");
    }
}

#[test]
fn parameters_of_rcpt() {
    let expected = RcptCommand {
        notify: Some(Notify {
            success: true,
            delay: true,
            ..Notify::default()
        }),
        original_recipient: Some("rfc822;a+2Bb@c".into()),
        ..rcpt_command("a@b")
    };
    check(
        "RCPT TO:<a@b> NOTIFY=success,DELAY ORCPT=rfc822;a+2Bb@c",
        Command::Rcpt(expected),
    );
    let expected = RcptCommand {
        notify: Some(Notify {
            never: true,
            ..Notify::default()
        }),
        ..rcpt_command("a@b")
    };
    check("RCPT TO:<a@b> notify=never", Command::Rcpt(expected));
    for parameters in [
        "NOTIFY",
        "NOTIFY=",
        "NOTIFY=NEVER,SUCCESS",
        "NOTIFY=SUCCESS,NEVER",
        "NOTIFY=SUCCESS,",
        "NOTIFY=SOON",
        "NOTIFY=DELAY NOTIFY=DELAY",
        "ORCPT",
        "ORCPT=a@b",
        "ORCPT=;a@b",
        "ORCPT=rfc822;",
        "ORCPT=rfc822;a+b@c",
        "ORCPT=rfc822;ü@c",
        "ORCPT=utf-8;ü@c",
        "ORCPT=r/c;a@b",
    ] {
        refused(&format!("RCPT TO:<a@b> {parameters}"), "501 5.5.4");
    }
    refused(
        &format!("RCPT TO:<a@b> ORCPT=rfc822;{}", "x".repeat(500)),
        "501 5.5.4",
    );
    refused("RCPT TO:<a@b> SIZE=1", "555 5.5.4");
}

#[test]
fn original_recipients_in_other_letters() {
    for (line, smtputf8, accepted) in [
        ("RCPT TO:<a@b> ORCPT=utf-8;ü@c", true, true),
        (r"RCPT TO:<a@b> ORCPT=UTF-8;\x{FC}@c", false, true),
        ("RCPT TO:<a@b> ORCPT=utf-8;a+b@c", true, false),
        ("RCPT TO:<a@b> ORCPT=rfc822;ü@c", true, false),
    ] {
        assert_eq!(
            Command::parse(line.as_bytes(), smtputf8).is_ok(),
            accepted,
            "{line}"
        );
    }
}

#[test]
fn chunks() {
    check(
        "BDAT 0",
        Command::Bdat {
            size: 0,
            last: false,
        },
    );
    check(
        "bdat 86400 last",
        Command::Bdat {
            size: 86_400,
            last: true,
        },
    );
    check(
        "BDAT 18446744073709551615 LAST",
        Command::Bdat {
            size: u64::MAX,
            last: true,
        },
    );
    for line in [
        "BDAT",
        "BDAT x",
        "BDAT +1",
        "BDAT -1",
        "BDAT 1 FIRST",
        "BDAT LAST",
        "BDAT 18446744073709551616",
        "BDAT 999999999999999999999",
    ] {
        refused(line, "501 5.5.4");
    }
}

#[test]
fn authentication() {
    check(
        "AUTH plain AGEAYg==",
        Command::Auth {
            mechanism: "PLAIN".into(),
            initial: Some("AGEAYg==".into()),
        },
    );
    check(
        "AUTH LOGIN",
        Command::Auth {
            mechanism: "LOGIN".into(),
            initial: None,
        },
    );
    check(
        "AUTH EXTERNAL =",
        Command::Auth {
            mechanism: "EXTERNAL".into(),
            initial: Some("=".into()),
        },
    );
    for line in [
        "AUTH",
        "AUTH PLAIN a b",
        "AUTH PLAIN *",
        "AUTH PL@IN",
        "AUTH ABCDEFGHIJKLMNOPQRSTU",
    ] {
        refused(line, "501 5.5.4");
    }
    let shown = format!("{:?}", parse("AUTH PLAIN c2VjcmV0").unwrap());
    assert!(!shown.contains("c2VjcmV0"), "{shown}");
}

#[test]
fn an_unknown_parameter_is_named_in_part() {
    let reply = parse(&format!("MAIL FROM:<a@b> {}", "X".repeat(900)))
        .unwrap_err()
        .reply();
    assert!(reply.text.len() < 80, "{reply}");
    assert!(reply.text.starts_with("Unknown parameter XXX"), "{reply}");
}

proptest! {
    #[test]
    fn any_line_is_survived(line in proptest::collection::vec(any::<u8>(), 0..100), smtputf8: bool) {
        if let Err(error) = Command::parse(&line, smtputf8) {
            prop_assert!(error.reply().is_permanent());
        }
    }

    #[test]
    fn nearly_right_lines_are_survived(
        line in r#"(MAIL FROM:|RCPT TO:)<["a\\@.>]{0,8}>? (SIZE=[0-9]{0,30}|BODY=[78A-Z]{0,9}|NOTIFY=[A-Z,]{0,20}|ORCPT=[a-z;+0-9]{0,9}){0,3}"#
    ) {
        if let Err(error) = parse(&line) {
            prop_assert!(error.reply().is_permanent());
        }
    }
}
