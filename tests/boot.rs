//! Starting: bad options end it in one line before anything is bound, secrets come from files, and
//! a data directory has one owner.

use std::fs;
use std::process::Output;
use std::time::Duration;

use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::support::appliance::{BINARY, Plan, TOKEN};
use crate::support::messages;
use crate::support::peers;
use crate::support::raw_sink::{RawSink, Script};
use crate::support::wait::{self, PATIENCE};

/// `EX_USAGE` of sysexits.h: the command line or the environment is wrong.
const USAGE: i32 = 64;
/// `EX_TEMPFAIL`: try again when the other one has ended.
const TEMPORARY: i32 = 75;

/// Runs `fastpath serve` with these words and variables in an empty place, to its end.
async fn serve(place: &TempDir, words: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(BINARY);
    command
        .arg("serve")
        .args(words)
        .env_clear()
        .env("FASTPATH_DATA_DIR", place.path().join("data"))
        .env("FASTPATH_SMTP_LISTEN", "127.0.0.1:0")
        .env("FASTPATH_WEB_LISTEN", "127.0.0.1:0")
        .envs(environment.iter().copied());
    peers::run(&mut command, Duration::from_secs(20)).await
}

/// A bad start: exit 64, one line on the standard error that has `named`, and nothing made on disk.
async fn check_refused(words: &[&str], environment: &[(&str, &str)], named: &str) {
    let place = TempDir::new().unwrap();
    let output = serve(&place, words, environment).await;
    let complaint = String::from_utf8_lossy(&output.stderr);
    let case = format!("{words:?} {environment:?}: {complaint}");
    assert_eq!(output.status.code(), Some(USAGE), "{case}");
    assert_eq!(complaint.trim_end().lines().count(), 1, "{case}");
    assert!(complaint.contains(named), "{named} is not named: {case}");
    assert!(
        !place.path().join("data").join("appliance.db").exists(),
        "{case}"
    );
    assert!(
        !place.path().join("data").join("addresses.json").exists(),
        "{case}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_options_are_refused_in_one_line() {
    check_refused(&["--frobnicate"], &[], "--frobnicate").await;
    check_refused(&["--smtp-listen", "nowhere"], &[], "--smtp-listen").await;
    check_refused(&["--smtp-listen", "127.0.0.1:99999"], &[], "--smtp-listen").await;
    check_refused(&["--web-listen", "127.0.0.1"], &[], "--web-listen").await;
    check_refused(&["--hostname", "not a name"], &[], "--hostname").await;
    check_refused(&["--log-format", "xml"], &[], "--log-format").await;
    check_refused(
        &[],
        &[("FASTPATH_SMTP_LISTEN", "127.0.0.1:0,nowhere")],
        "FASTPATH_SMTP_LISTEN",
    )
    .await;
    check_refused(
        &[],
        &[("FASTPATH_NEXT_HOP", "ftp://127.0.0.1:21")],
        "FASTPATH_NEXT_HOP",
    )
    .await;
    check_refused(
        &[],
        &[("FASTPATH_NEXT_HOP", "smtp://127.0.0.1:none")],
        "FASTPATH_NEXT_HOP",
    )
    .await;
    check_refused(
        &[],
        &[("FASTPATH_TRUSTED_NETWORKS", "10.0.0.0/99")],
        "FASTPATH_TRUSTED_NETWORKS",
    )
    .await;
    check_refused(
        &[],
        &[("FASTPATH_RELAY_DOMAINS", "not a domain")],
        "FASTPATH_RELAY_DOMAINS",
    )
    .await;
    check_refused(
        &[],
        &[("FASTPATH_API_TOKEN_FILE", "/nonexistent/token")],
        "FASTPATH_API_TOKEN_FILE",
    )
    .await;
    for (name, value) in [
        ("FASTPATH_ADMIN_PASSWORD", "a"),
        ("FASTPATH_API_TOKEN", "x"),
    ] {
        check_refused(&[], &[(name, value)], name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let place = TempDir::new().unwrap();
    let output = serve(&place, &["--smtp-listen", &address], &[]).await;
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&address), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_appliance_on_the_same_data_ends_and_harms_nothing() {
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let data_directory = appliance.data_directory().to_str().unwrap().to_owned();
    let addresses = fs::read(appliance.data_directory().join("addresses.json")).unwrap();

    let place = TempDir::new().unwrap();
    let output = serve(&place, &["--data-dir", &data_directory], &[]).await;
    assert_eq!(
        output.status.code(),
        Some(TEMPORARY),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let reply = appliance
        .client()
        .await
        .message(
            "<a@example.org>",
            &["<b@example.net>"],
            &messages::small("one"),
        )
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    assert_eq!(sink.accepted().len(), 1);
    assert_eq!(
        fs::read(appliance.data_directory().join("addresses.json")).unwrap(),
        addresses
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_comes_from_a_file() {
    let sink = RawSink::start(Script::accepting()).await;
    let place = TempDir::new().unwrap();
    let file = place.path().join("token");
    // Files written by editors and secret stores end with a line end, which is not part of the secret.
    fs::write(&file, "another-token-0123456789abcdef0123\n").unwrap();
    let mut appliance = Plan::new()
        .next_hop(sink.address())
        .without("FASTPATH_API_TOKEN")
        .environment("FASTPATH_API_TOKEN_FILE", file.to_str().unwrap())
        .start()
        .await;
    let url = appliance.url("/api/v1/settings");
    let status = async |token: &str| {
        reqwest::Client::new()
            .get(&url)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(
        status("another-token-0123456789abcdef0123").await,
        StatusCode::OK
    );
    assert_eq!(status(TOKEN).await, StatusCode::UNAUTHORIZED);
    // Lines are written a moment after they are logged, at the end all of them.
    assert!(appliance.terminate(Duration::from_secs(10)).await.success());
    assert!(
        !appliance.log().contains("another-token"),
        "a secret stands in the log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn first_start_variables_count_once() {
    let first = RawSink::start(Script::accepting()).await;
    let second = RawSink::start(Script::accepting()).await;
    let place = TempDir::new().unwrap();
    let plan = Plan::new().data_directory(&place.path().join("data"));
    let mut appliance = plan.clone().next_hop(first.address()).start().await;
    assert!(appliance.terminate(Duration::from_secs(10)).await.success());

    let appliance = plan.next_hop(second.address()).start().await;
    let reply = appliance
        .client()
        .await
        .message(
            "<a@example.org>",
            &["<b@example.net>"],
            &messages::small("one"),
        )
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    assert_eq!((first.accepted().len(), second.accepted().len()), (1, 0));
    wait::until_true("the log to say what is ignored", PATIENCE, || async {
        appliance.log().contains("FASTPATH_NEXT_HOP")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_asks_the_running_appliance() {
    let sink = RawSink::start(Script::accepting()).await;
    let mut appliance = Plan::new().next_hop(sink.address()).start().await;
    let web = appliance.url("").trim_start_matches("http://").to_owned();
    let check = async || {
        let mut command = Command::new(BINARY);
        command.arg("healthcheck").env("FASTPATH_WEB_LISTEN", &web);
        peers::run(&mut command, Duration::from_secs(20))
            .await
            .status
            .success()
    };
    assert!(check().await);
    appliance.kill().await;
    assert!(!check().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_requests_in_their_hundreds_keep_no_health_check_out() {
    let appliance = Plan::new()
        .next_hop("127.0.0.1:1".parse().unwrap())
        .start()
        .await;
    let mut halves = Vec::new();
    for _ in 0..300 {
        let mut half = TcpStream::connect(appliance.web()).await.unwrap();
        // One that was turned away may be gone already.
        let _ = half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await;
        halves.push(half);
    }
    let mut command = Command::new(BINARY);
    command
        .arg("healthcheck")
        .env("FASTPATH_WEB_LISTEN", appliance.web().to_string());
    let output = peers::run(&mut command, Duration::from_secs(20)).await;
    assert!(output.status.success(), "{output:?}");
    for path in ["/healthz", "/readyz"] {
        let answer = reqwest::get(appliance.url(path)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    // All of them end, long before an idle connection does.
    let ending = async {
        for half in &mut halves {
            let _ = half.read_to_end(&mut Vec::new()).await;
        }
    };
    wait::within("the end of all halves", Duration::from_secs(30), ending).await;
}
