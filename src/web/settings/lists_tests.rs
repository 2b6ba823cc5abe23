use axum::http::StatusCode;
use serde_json::json;

use crate::limits;
use crate::web::testing::Site;

#[tokio::test]
async fn what_is_wide_only_together_has_to_be_meant_too() {
    let site = Site::open().await;
    let pieces = r#"["1.0.0.0/8", "3.0.0.0/8"]"#;
    let settings = [
        (
            "trusted_networks",
            format!("{{\"trusted_networks\": {pieces}}}"),
        ),
        ("web_proxies", format!("{{\"web_proxies\": {pieces}}}")),
        (
            "listeners",
            format!(
                "{{\"listeners\": [{{\"address\": \"127.0.0.1:25\", \"xclient_networks\": {pieces}}}]}}"
            ),
        ),
        ("relay_domains", r#"{"relay_domains": ["com"]}"#.to_owned()),
        ("relay_domains", r#"{"relay_domains": [".com"]}"#.to_owned()),
    ];
    for (field, body) in settings {
        let answer = site.call("PATCH /api/v1/settings", &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let problem = answer.json()["errors"][field].to_string();
        assert!(problem.contains("?open_relay=meant"), "{problem}");
        let meant = site.call("PATCH /api/v1/settings?open_relay=meant", &body);
        assert_eq!(meant.await.status, StatusCode::OK, "{body}");
        let again = site.call("PATCH /api/v1/settings", &body).await;
        assert_eq!(again.status, StatusCode::OK, "{body}");
    }
    // A page asks as well: of a listener, and of a domain.
    let body = "entry=127.0.0.1:25&address=127.0.0.1:25&xclient_networks=0.0.0.0/0";
    let answer = site.post("/settings/listeners/entry", body).await;
    let parts = [
        "127.0.0.1:25 would believe 0.0.0.0/0",
        "name=\"open_relay\"",
    ];
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    let answer = site
        .post(
            "/settings/listeners/entry",
            &format!("{body}&open_relay=yes"),
        )
        .await;
    answer.leads_to("/settings/listeners?done=saved");
    let body = "trusted_networks=10.0.0.0/8&relay_domains=.com%0D%0Anet";
    let answer = site.post("/settings/access", body).await;
    let parts = ["to all of “net”", "name=\"open_relay\""];
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    let page = site.see("/settings/access").await;
    let parts = ["Everybody may send through this appliance to all of .com."];
    page.shows(StatusCode::OK, &parts);
    site.close().await;
}

#[tokio::test]
async fn long_lists_are_taken_noted_and_shown_in_parts() {
    let site = Site::open().await;
    let domains: Vec<String> = (0..60_000)
        .map(|number| format!("domain-{number}.example.net"))
        .collect();
    let patch = json!({"relay_domains": domains}).to_string();
    assert!(patch.len() > limits::REQUEST_BODY_BYTES);
    let answer = site.call("PATCH /api/v1/settings", &patch).await;
    assert_eq!(answer.status, StatusCode::OK);
    let too_large = "x".repeat(limits::SETTINGS_BODY_BYTES + 1);
    let answer = site.call("PATCH /api/v1/settings", &too_large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);

    let entries: Vec<_> = (0..limits::NEXT_HOP_ENTRIES_SHOWN + 50)
        .map(|number| json!({"domain": format!("domain-{number}.example.net"), "address": "smtp://127.0.0.1:2600"}))
        .collect();
    let patch = json!({"next_hops": entries}).to_string();
    let answer = site.call("PATCH /api/v1/settings", &patch).await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = "entry=domain-249.example.net&domain=domain-249.example.net&connections_max=4";
    let answer = site.post("/settings/next-hops/entry", body).await;
    answer.leads_to("/settings/next-hops?done=saved");
    let newest = site
        .context
        .store
        .administration
        .audit_page(None, 1)
        .await
        .expect("readable");
    let after = newest[0].after.as_ref().expect("it was changed");
    assert_eq!(after["next_hops"]["entries"], 250);
    assert_eq!(
        after["next_hops"]["added"].as_array().map(Vec::len),
        Some(1)
    );

    let page = site.see("/settings/next-hops").await;
    page.shows(
        StatusCode::OK,
        &["200 of 250 are shown", "domain-0.example.net"],
    );
    assert!(!page.text.contains("domain-249.example.net"));
    let page = site.see("/settings/next-hops?find=Main-249").await;
    page.shows(
        StatusCode::OK,
        &["domain-249.example.net", "value=\"Main-249\""],
    );
    let page = site.see("/settings/next-hops?find=nowhere").await;
    page.shows(StatusCode::OK, &["No next hop is like that"]);
    let page = site.see("/audit").await;
    page.shows(StatusCode::OK, &["and 59,900 more"]);
    site.close().await;
}
