//! The pages and the API by HTTPS: at the same address, and alone when the settings ask for it.

use std::time::Duration;

use serde_json::json;
use tokio::process::Command;

use crate::support::appliance::{Appliance, BINARY, HOSTNAME, Plan, TOKEN};
use crate::support::peers;

/// What curl says of a request: status, header and body. It trusts the appliance's own certificate and
/// no other.
async fn fetch(appliance: &Appliance, scheme: &str, path: &str, more: &[&str]) -> String {
    let port = appliance.web().port();
    let output = peers::run(
        Command::new(peers::program("curl"))
            .args(["--silent", "--show-error", "--include", "--http1.1"])
            .arg("--cacert")
            .arg(appliance.data_directory().join("tls/certificate.pem"))
            .args(["--resolve", &format!("{HOSTNAME}:{port}:127.0.0.1")])
            .args(more)
            .arg(format!("{scheme}://{HOSTNAME}:{port}{path}")),
        Duration::from_secs(30),
    )
    .await;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_taken_until_https_is_asked_for() {
    let appliance = Plan::new()
        .next_hop("127.0.0.1:9".parse().unwrap())
        .environment("FASTPATH_ADMIN_PASSWORD", "open sesame once")
        .start()
        .await;
    let token = format!("Authorization: Bearer {TOKEN}");
    let with_token = ["--header", token.as_str()];
    for scheme in ["http", "https"] {
        let answer = fetch(&appliance, scheme, "/setup", &[]).await;
        assert_eq!(status(&answer), "200", "{answer}");
        let answer = fetch(&appliance, scheme, "/api/v1/settings", &with_token).await;
        assert_eq!(status(&answer), "200", "{answer}");
    }

    appliance.set(json!({"web_https": "always"})).await;
    let answer = fetch(&appliance, "http", "/setup", &[]).await;
    assert_eq!(status(&answer), "307", "{answer}");
    let port = appliance.web().port();
    let there = format!("location: https://{HOSTNAME}:{port}/setup\r\n");
    assert!(answer.contains(&there), "{answer}");
    let answer = fetch(&appliance, "http", "/api/v1/settings", &with_token).await;
    assert_eq!(status(&answer), "403", "{answer}");
    let answer = fetch(&appliance, "https", "/api/v1/settings", &with_token).await;
    assert_eq!(status(&answer), "200", "{answer}");

    let form = "one_time=open+sesame+once&name=ada\
                &password=correct+horse+battery&repeat=correct+horse+battery";
    let same_origin = ["--header", "Sec-Fetch-Site: same-origin"];
    let sent = [&["--data", form][..], &same_origin].concat();
    let answer = fetch(&appliance, "http", "/setup", &sent).await;
    assert_eq!(status(&answer), "403", "{answer}");
    let answer = fetch(&appliance, "https", "/setup", &sent).await;
    assert_eq!(status(&answer), "303", "{answer}");
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    assert!(cookie.starts_with("__Host-fastpath="), "{cookie}");
    assert!(cookie.contains("; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let answer = fetch(&appliance, "https", "/", &["--cookie", cookie]).await;
    assert_eq!(status(&answer), "200", "{answer}");
    assert!(!answer.contains("travels unencrypted"), "{answer}");

    // Those who look after it ask by plain HTTP.
    let output = Command::new(BINARY)
        .args(["healthcheck", "--data-dir"])
        .arg(appliance.data_directory())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_proxy_speaks_for_its_clients() {
    let appliance = Plan::new()
        .next_hop("127.0.0.1:9".parse().unwrap())
        .environment("FASTPATH_ADMIN_PASSWORD", "open sesame once")
        .start()
        .await;
    let settings = json!({"web_https": "always", "web_proxies": ["127.0.0.0/8"]});
    appliance.set(settings).await;
    let form = "one_time=open+sesame+once&name=ada\
                &password=correct+horse+battery&repeat=correct+horse+battery";
    let says = [
        "--header",
        "X-Forwarded-For: 203.0.113.9, 198.51.100.7",
        "--header",
        "X-Forwarded-Proto: https",
        "--header",
        "Sec-Fetch-Site: same-origin",
    ];
    let sent = [&["--data", form][..], &says].concat();
    let answer = fetch(&appliance, "http", "/setup", &sent).await;
    assert_eq!(status(&answer), "303", "{answer}");
    assert!(answer.contains("__Host-fastpath="), "{answer}");
    let audit = appliance.read("/api/v1/audit").await.to_string();
    assert!(audit.contains("\"198.51.100.7\""), "{audit}");
    assert!(!audit.contains("203.0.113.9"), "{audit}");
}
