//! The lists are added, changed, tried out and removed in the browser.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::administration::Actor;
use crate::web::testing::{Answer, Face, LOOPBACK};

const LISTS: &str = "/settings/conditions/blackhole-lists";
const ZONE: &str = "/settings/conditions/blackhole-lists/zone";

async fn look(face: &Face, path: &str) -> Answer {
    face.ask(LOOPBACK, &format!("GET {path}"), &[], "").await
}

async fn send(face: &Face, path: &str, body: &str) -> Answer {
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
    face.ask(LOOPBACK, &format!("POST {path}"), &[FORM], body)
        .await
}

#[track_caller]
fn shows(answer: &Answer, status: StatusCode, parts: &[&str]) {
    assert_eq!(answer.status, status, "{}", answer.text);
    for part in parts {
        assert!(
            answer.text.contains(part),
            "{part} is missing: {}",
            answer.text
        );
    }
}

#[track_caller]
fn leads_to(answer: &Answer, path: &str) {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(answer.location(), path);
}

fn zones(face: &Face) -> Value {
    let settings = face.context.administration.settings();
    json!(settings.blackhole_lists.zones)
}

#[tokio::test]
async fn lists_come_and_go() {
    let face = Face::open(Ok(())).await;
    shows(&look(&face, LISTS).await, StatusCode::OK, &["None yet"]);
    let on = "blackhole_lists.enabled=true";
    let answer = send(&face, LISTS, on).await;
    let parts = ["blackhole_lists.zones: there must be one at least"];
    shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &parts);

    let body = "entry=&zone=Zen.example.&weight=2&answers=127.0.0.2%0D%0A127.0.1.0/24";
    let saved = "/settings/conditions/blackhole-lists?done=saved";
    leads_to(&send(&face, ZONE, body).await, saved);
    leads_to(
        &send(&face, ZONE, "entry=&zone=other.example&weight=1").await,
        saved,
    );
    let answers = ["127.0.0.2/32", "127.0.1.0/24"];
    let zen = json!({"zone": "zen.example", "weight": 2, "answers": answers});
    let other = json!({"zone": "other.example", "weight": 1, "answers": []});
    assert_eq!(zones(&face), json!([zen, other]));
    leads_to(&send(&face, LISTS, on).await, saved);
    let page = look(&face, LISTS).await;
    let parts = [
        "127.0.0.2/32, 127.0.1.0/24",
        "any inside 127.0.0.0/8",
        "zone?zone=zen.example",
    ];
    shows(&page, StatusCode::OK, &parts);

    for (body, part) in [
        ("entry=&zone=zen.example&weight=1", "stands twice"),
        ("entry=&zone=&weight=1", "give its domain"),
        ("entry=&zone=c.example&weight=0", "from 1 to 1,000"),
        (
            "entry=&zone=c.example&weight=1&answers=192.0.2.1",
            "cannot count",
        ),
    ] {
        let answer = send(&face, ZONE, body).await;
        shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &[part]);
    }
    let page = look(&face, &format!("{ZONE}?zone=zen.example")).await;
    shows(&page, StatusCode::OK, &["value=\"2\"", "127.0.1.0/24"]);
    let none = look(&face, &format!("{ZONE}?zone=none.example")).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);

    let removal = format!("{ZONE}/remove");
    let removed = "/settings/conditions/blackhole-lists?done=removed";
    leads_to(&send(&face, &removal, "entry=zen.example").await, removed);
    assert_eq!(zones(&face), json!([other]));
    // The last one stays while the condition is on.
    let answer = send(&face, &removal, "entry=other.example").await;
    let parts = ["there must be one at least while this is on"];
    shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &parts);
    face.close().await;
}

#[tokio::test]
async fn an_address_is_looked_up() {
    let face = Face::open(Ok(())).await;
    // Nobody answers there.
    let unused = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = unused.local_addr().expect("it is bound");
    drop(unused);
    let patch = json!({
        "dns_servers": [address],
        "blackhole_lists": {"zones": [{"zone": "zen.example"}], "timeout_seconds": 1},
    });
    let Value::Object(patch) = patch else {
        panic!("a patch is an object");
    };
    let administration = &face.context.administration;
    let changed = administration.change(patch, Actor::command("test"));
    changed.await.expect("changed");

    let test = format!("{LISTS}/test");
    let answer = send(&face, &test, "address=192.0.2.1").await;
    let parts = [
        "Weight 0: more cannot be told.",
        "not known",
        "zen.example: no answer within 1 s",
        "value=\"192.0.2.1\"",
    ];
    shows(&answer, StatusCode::OK, &parts);
    let answer = send(&face, &test, "address=%5B::1%5D").await;
    shows(&answer, StatusCode::OK, &["It is trusted, though"]);
    let answer = send(&face, &test, "address=%3Cb%3E").await;
    let parts = ["“&#60;b&#62;” is not an address"];
    shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &parts);
    face.close().await;
}
