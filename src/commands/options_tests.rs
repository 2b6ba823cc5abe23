use super::*;
use crate::commands::Exit;

fn serve() -> ServeArgs {
    ServeArgs {
        hostname: Some("relay.example.net".to_owned()),
        ..ServeArgs::default()
    }
}

#[test]
fn defaults() {
    let checked = serve().check(&Environment::default()).expect("it holds");
    assert_eq!(
        checked.boot.data_directory,
        PathBuf::from("./fastpath-data")
    );
    assert_eq!(
        checked.boot.smtp_listen,
        [SocketAddr::from(([127, 0, 0, 1], 2525))]
    );
    assert_eq!(
        checked.boot.web_listen,
        SocketAddr::from(([127, 0, 0, 1], 8025))
    );
    assert_eq!(checked.boot.hostname.as_ref(), "relay.example.net");
    assert_eq!(checked.first_start, FirstStart::default());
    assert_eq!(checked.log.format, LogFormat::Text);
    assert_eq!(checked.log.filter, "info");
}

#[test]
fn the_environment_stands_behind_the_command_line() {
    let environment = Environment::from([
        ("FASTPATH_DATA_DIR", "/data"),
        ("FASTPATH_SMTP_LISTEN", "0.0.0.0:25, [::1]:587"),
        ("FASTPATH_WEB_LISTEN", "0.0.0.0:80"),
        ("FASTPATH_HOSTNAME", "other.example.net"),
        ("FASTPATH_LOG_FORMAT", "JSON"),
        ("FASTPATH_LOG", "warn,fastpath::session=debug"),
        ("FASTPATH_NEXT_HOP", "smtp://127.0.0.1:2600"),
        ("FASTPATH_TRUSTED_NETWORKS", "10.0.0.0/8,192.0.2.1"),
        ("FASTPATH_RELAY_DOMAINS", "Example.net,.example.org"),
        ("FASTPATH_API_TOKEN", "a token of twenty and more"),
        ("FASTPATH_CONTAINER", "yes"),
    ]);
    let written = ServeArgs {
        web_listen: Some("127.0.0.1:0".to_owned()),
        ..serve()
    };
    let ServeOptions {
        boot,
        first_start,
        log,
        in_container,
    } = written.check(&environment).expect("it holds");
    assert!(in_container);
    assert_eq!(boot.data_directory, PathBuf::from("/data"));
    let listen: Vec<String> = boot.smtp_listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["0.0.0.0:25", "[::1]:587"]);
    assert_eq!(boot.web_listen.to_string(), "127.0.0.1:0");
    assert_eq!(boot.hostname.as_ref(), "relay.example.net");
    assert_eq!((log.format, log.is_chosen), (LogFormat::Json, true));
    let networks = first_start.trusted_networks.expect("given");
    assert_eq!(
        networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.0/8", "192.0.2.1/32"]
    );
    assert_eq!(
        first_start.relay_domains.expect("given"),
        ["example.net", ".example.org"]
    );
    assert!(first_start.next_hop.is_some());
    assert_eq!(
        first_start.api_token,
        Some(boot::Secret::new("a token of twenty and more".into()))
    );
}

#[test]
fn bad_options_are_named() {
    let check = |written: ServeArgs, expected: &str| {
        let failure = written
            .check(&Environment::default())
            .expect_err("a bad option");
        assert_eq!(failure.to_string(), expected);
        assert_eq!(failure.exit, Exit::Usage);
    };
    check(
        ServeArgs {
            smtp_listen: vec!["127.0.0.1:2525".into(), "localhost:25".into()],
            ..serve()
        },
        "--smtp-listen: “localhost:25” is not an address and a port, such as 127.0.0.1:2525",
    );
    check(
        ServeArgs {
            smtp_listen: vec!["127.0.0.1:2525".into(), "127.0.0.1:2525".into()],
            ..serve()
        },
        "--smtp-listen: 127.0.0.1:2525 stands twice",
    );
    check(
        ServeArgs {
            web_listen: Some("8025".into()),
            ..serve()
        },
        "--web-listen: “8025” is not an address and a port, such as 127.0.0.1:2525",
    );
    check(
        ServeArgs {
            hostname: Some("my relay".into()),
            ..serve()
        },
        "--hostname: “my relay” is not a host name, such as relay.example.net",
    );
    check(
        ServeArgs {
            log_format: Some("xml".into()),
            ..serve()
        },
        "--log-format: “xml” is neither text nor json",
    );
}

#[test]
fn bad_variables_are_named() {
    for (name, value, expected) in [
        ("FASTPATH_SMTP_LISTEN", "25", "“25” is not an address"),
        ("FASTPATH_WEB_LISTEN", ":80", "“:80” is not an address"),
        ("FASTPATH_LOG_FORMAT", "xml", "“xml” is neither"),
        ("FASTPATH_LOG", "fastpath=loud", "is not a log filter"),
        ("FASTPATH_NEXT_HOP", "127.0.0.1", "smtp://host:port"),
        (
            "FASTPATH_TRUSTED_NETWORKS",
            "10.0.0.0/33",
            "is not a network",
        ),
        ("FASTPATH_RELAY_DOMAINS", "a b", "“a b” is not a domain"),
        (
            "FASTPATH_TRUSTED_NETWORKS",
            "192.168.1.5/24",
            "192.168.1.0/24 is the whole of it",
        ),
        (
            "FASTPATH_NEXT_HOP",
            "smtp://0.0.0.0:25",
            "0.0.0.0 is no server’s address",
        ),
        ("FASTPATH_ADMIN_PASSWORD_FILE", "/nowhere", "cannot be read"),
        (
            "FASTPATH_ADMIN_PASSWORD",
            "eleven char",
            "must have at least 12 characters",
        ),
        (
            "FASTPATH_API_TOKEN",
            "nineteen characters",
            "must have at least 20 characters",
        ),
    ] {
        let failure = serve()
            .check(&Environment::from([(name, value)]))
            .expect_err(name);
        let message = failure.to_string();
        assert!(message.starts_with(&format!("{name}: ")), "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains('\n'), "{message}");
        assert_eq!(failure.exit, Exit::Usage);
    }
}

#[test]
fn host_names() {
    for (text, expected) in [
        ("relay", true),
        ("relay.example.net", true),
        ("a-b.c", true),
        ("", false),
        (".", false),
        ("-a", false),
        ("a_b", false),
        ("relay.", false),
        ("relay\r\nQUIT", false),
    ] {
        assert_eq!(host_name(text).is_ok(), expected, "{text:?}");
    }
}
