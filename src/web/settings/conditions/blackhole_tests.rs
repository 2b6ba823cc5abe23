//! The lists are added, changed, tried out and removed in the browser.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::administration::Actor;
use crate::settings::testing::patch as patch_of;
use crate::web::testing::Site;

const LISTS: &str = "/settings/conditions/blackhole-lists";
const ZONE: &str = "/settings/conditions/blackhole-lists/zone";

fn zones(site: &Site) -> Value {
    let settings = site.context.administration.settings();
    json!(settings.blackhole_lists.zones)
}

#[tokio::test]
async fn lists_come_and_go() {
    let site = Site::open().await;
    site.see(LISTS).await.shows(StatusCode::OK, &["None yet"]);
    let on = "blackhole_lists.enabled=true";
    let answer = site.post(LISTS, on).await;
    let parts = ["blackhole_lists.zones: there must be one at least"];
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);

    let body = "entry=&zone=Zen.example.&weight=2&answers=127.0.0.2%0D%0A127.0.1.0/24";
    let saved = "/settings/conditions/blackhole-lists?done=saved";
    site.post(ZONE, body).await.leads_to(saved);
    site.post(ZONE, "entry=&zone=other.example&weight=1")
        .await
        .leads_to(saved);
    let answers = ["127.0.0.2/32", "127.0.1.0/24"];
    let zen = json!({"zone": "zen.example", "weight": 2, "answers": answers});
    let other = json!({"zone": "other.example", "weight": 1, "answers": []});
    assert_eq!(zones(&site), json!([zen, other]));
    site.post(LISTS, on).await.leads_to(saved);
    let page = site.see(LISTS).await;
    let parts = [
        "127.0.0.2/32, 127.0.1.0/24",
        "any inside 127.0.0.0/8",
        "zone?zone=zen.example",
    ];
    page.shows(StatusCode::OK, &parts);

    for (body, part) in [
        ("entry=&zone=zen.example&weight=1", "stands twice"),
        ("entry=&zone=&weight=1", "give its domain"),
        ("entry=&zone=c.example&weight=0", "from 1 to 1,000"),
        (
            "entry=&zone=c.example&weight=1&answers=192.0.2.1",
            "cannot count",
        ),
    ] {
        let answer = site.post(ZONE, body).await;
        answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &[part]);
    }
    let page = site.see(&format!("{ZONE}?zone=zen.example")).await;
    page.shows(StatusCode::OK, &["value=\"2\"", "127.0.1.0/24"]);
    let none = site.see(&format!("{ZONE}?zone=none.example")).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);

    let removal = format!("{ZONE}/remove");
    let removed = "/settings/conditions/blackhole-lists?done=removed";
    site.post(&removal, "entry=zen.example")
        .await
        .leads_to(removed);
    assert_eq!(zones(&site), json!([other]));
    // The last one stays while the condition is on.
    let answer = site.post(&removal, "entry=other.example").await;
    let parts = ["there must be one at least while this is on"];
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    site.close().await;
}

#[tokio::test]
async fn an_address_is_looked_up() {
    let site = Site::open().await;
    // There is no answer.
    let unused = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = unused.local_addr().expect("it is bound");
    drop(unused);
    let patch = json!({
        "dns_servers": [address],
        "blackhole_lists": {"zones": [{"zone": "zen.example"}], "timeout_seconds": 1},
    });
    let patch = patch_of(patch);
    let administration = &site.context.administration;
    let changed = administration.change(patch, Actor::command("test"));
    changed.await.expect("changed");

    let test = format!("{LISTS}/test");
    let answer = site.post(&test, "address=192.0.2.1").await;
    let parts = [
        "Weight 0: more cannot be told.",
        "not known",
        "zen.example: no answer within 1 s",
        "value=\"192.0.2.1\"",
    ];
    answer.shows(StatusCode::OK, &parts);
    let answer = site.post(&test, "address=%5B::1%5D").await;
    answer.shows(StatusCode::OK, &["It is trusted, though"]);
    let answer = site.post(&test, "address=%3Cb%3E").await;
    let parts = ["“&#60;b&#62;” is not an address"];
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    site.close().await;
}
