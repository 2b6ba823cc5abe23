//! The document says what the API does: every route, no other, and answers of the shape it gives.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::alerts::{Alert, AlertFigures, AlertKind, Topic};
use crate::delivery::{NextHopFigures, Suspension};
use crate::openpgp::testing::Recipe;
use crate::web::api::schema_check::problems;
use crate::web::history_scene;
use crate::web::routes::table;
use crate::web::testing::Site;

/// The routes of the API as they stand in the route table: `GET /api/v1/queue`.
fn routed() -> BTreeSet<String> {
    table()
        .iter()
        .filter(|route| route.path.starts_with("/api/"))
        .flat_map(|route| {
            let methods = route.methods.iter();
            methods.map(|method| format!("{method} {}", route.path))
        })
        .collect()
}

/// A path with something in the places that are named.
fn filled(path: &str) -> String {
    path.replace("{id}", "0000000000011")
        .replace("{name}", "somebody")
}

fn documented(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item").keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect()
}

#[tokio::test]
async fn every_route_is_described_and_no_other() {
    let site = Site::open().await;
    let answer = site
        .ask("192.0.2.7:50000", "GET /api/v1/openapi.json", &[], "")
        .await;
    assert_eq!(answer.status, StatusCode::OK, "it is open to all");
    let document = answer.json();
    let version = document["openapi"].as_str().expect("a version");
    assert!(version.starts_with("3.1"), "{version}");
    let (described, routed) = (documented(&document), routed());
    let missing: Vec<_> = routed.difference(&described).collect();
    let invented: Vec<_> = described.difference(&routed).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "not described: {missing:#?}\nno such route: {invented:#?}"
    );
    // What it says of the token is true.
    for operation in documented(&document) {
        let (method, path) = operation.split_once(' ').expect("two words");
        let request = format!("{method} {}", filled(path));
        let answer = site.ask("192.0.2.7:50000", &request, &[], "").await;
        let item = &document["paths"][path][method.to_lowercase()];
        let expected = match item["security"][0].get("token") {
            Some(_) => StatusCode::UNAUTHORIZED,
            None => StatusCode::OK,
        };
        assert_eq!(answer.status, expected, "{operation}");
    }
    site.close().await;
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_operation_says_what_it_is() {
    let site = Site::open().await;
    let document = site.call("GET /api/v1/openapi.json", "").await.json();
    let text = document.to_string();
    for (at, _) in text.match_indices("#/components/schemas/") {
        let name = text[at..].split(['"', '/']).nth(3).expect("a name");
        let schema = &document["components"]["schemas"][name];
        assert!(schema.is_object(), "{name} is referred to but missing");
    }
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path item") {
            let said = ["summary", "tags"].map(|field| !operation[field].is_null());
            assert_eq!(said, [true, true], "{method} {path}");
            let id = operation["operationId"].to_string();
            assert!(ids.insert(id.clone()), "{id} stands twice");
        }
    }
    site.close().await;
}

/// One that is suspended and one that nobody was sent to.
fn next_hops() -> Vec<NextHopFigures> {
    let unused = NextHopFigures {
        name: "other.example:25".into(),
        open_connections: 0,
        delivered: 0,
        deferred: 0,
        refused: 0,
        uncertain: 0,
        latency_p50: None,
        latency_p99: None,
        suspension: Suspension::None,
    };
    let suspended = NextHopFigures {
        name: "mx.example.net".into(),
        delivered: 3,
        latency_p50: Some(Duration::from_millis(3)),
        latency_p99: Some(Duration::from_millis(9)),
        suspension: Suspension::Suspended {
            probe_in: Duration::from_secs(5),
        },
        ..unused.clone()
    };
    vec![suspended, unused]
}

#[tokio::test]
async fn live_answers_fit_their_schemas() {
    let site = Site::with_next_hops(next_hops).await;
    let message = history_scene::fill(&site).await;
    let patch = r#"{"memory_threshold_bytes": 1000,
        "next_hops": [{"domain": "example.net", "address": "smtp://127.0.0.1:2600"}]}"#;
    let changed = site.call("PATCH /api/v1/settings", patch).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let document = site.call("GET /api/v1/openapi.json", "").await.json();
    post_each(&site, &document).await;
    let queue = site.call("GET /api/v1/queue", "").await.json();
    let row = &queue["items"][0]["id"];
    for (path, request) in [
        (
            "/api/v1/statistics/live",
            "/api/v1/statistics/live".to_owned(),
        ),
        ("/api/v1/settings", "/api/v1/settings".to_owned()),
        ("/api/v1/queue", "/api/v1/queue".to_owned()),
        ("/api/v1/messages", "/api/v1/messages".to_owned()),
        (
            "/api/v1/messages/{id}",
            format!("/api/v1/messages/{message}"),
        ),
        ("/api/v1/audit", "/api/v1/audit".to_owned()),
        (
            "/api/v1/statistics/series",
            "/api/v1/statistics/series?range=day".to_owned(),
        ),
        ("/api/v1/next-hops", "/api/v1/next-hops".to_owned()),
        ("/api/v1/alerts", "/api/v1/alerts".to_owned()),
        ("/api/v1/conditions", "/api/v1/conditions".to_owned()),
        ("/api/v1/queue/{id}", format!("/api/v1/queue/{row}")),
        (
            "/api/v1/queue/destinations",
            "/api/v1/queue/destinations?limit=1".to_owned(),
        ),
        ("/api/v1/accounts", "/api/v1/accounts".to_owned()),
        ("/api/v1/tokens", "/api/v1/tokens".to_owned()),
        ("/api/v1/smtp-logins", "/api/v1/smtp-logins".to_owned()),
        ("/api/v1/openpgp-keys", "/api/v1/openpgp-keys".to_owned()),
    ] {
        let answer = site.call(&format!("GET {request}"), "").await;
        assert_eq!(answer.status, StatusCode::OK, "{request}");
        let schema = answer_of(&document, "get", path, "200");
        let value = answer.json();
        if let Some(items) = value.get("items") {
            assert_ne!(items, &json!([]), "{request} shows something");
        }
        assert_eq!(problems(&document, schema, &value), "", "{request}");
    }
    site.close().await;
}

#[tokio::test]
async fn alerts_of_every_kind_fit_their_schema() {
    let site = Site::open().await;
    let document = site.call("GET /api/v1/openapi.json", "").await.json();
    let schema = json!({"$ref": "#/components/schemas/Alert"});
    for (topic, figures) in [
        (
            Topic::of(AlertKind::QueueLarge),
            AlertFigures::QueueLarge {
                recipients: 3,
                bound_recipients: 2,
            },
        ),
        (
            Topic::of(AlertKind::QueueOld),
            AlertFigures::QueueOld {
                oldest_age_seconds: None,
                bound_seconds: 60,
            },
        ),
        (
            Topic::breaker("mx.example.net".into()),
            AlertFigures::BreakerOpen {
                next_hop: "mx.example.net".into(),
                suspended_seconds: Some(90),
                bound_seconds: 60,
            },
        ),
        (
            Topic::of(AlertKind::DiskLow),
            AlertFigures::DiskLow {
                free_bytes: 1,
                total_bytes: 2,
                bound_bytes: None,
                bound_percent: Some(10),
            },
        ),
        (
            Topic::of(AlertKind::MemoryLow),
            AlertFigures::MemoryLow {
                used_bytes: 1,
                budget_bytes: 1,
                bound_percent: 90,
            },
        ),
        (
            Topic::of(AlertKind::NoDelivery),
            AlertFigures::NoDelivery {
                silent_seconds: 90,
                waiting_recipients: 1,
                bound_seconds: 60,
            },
        ),
    ] {
        let alert = Alert {
            topic,
            since: Timestamp::UNIX_EPOCH,
            figures,
        };
        let value = serde_json::to_value(alert).expect("JSON");
        assert_eq!(problems(&document, &schema, &value), "", "{value}");
    }
    site.close().await;
}

/// Adds what the listings are to show; these answers fit their schemas, too.
async fn post_each(site: &Site, document: &Value) {
    let key = Recipe::plain("anna@example.net").make().armored();
    let key = json!({"key": key}).to_string();
    for (path, status, body) in [
        ("/api/v1/openpgp-keys", "201", key.as_str()),
        (
            "/api/v1/smtp-logins",
            "201",
            r#"{"name": "printer", "password": "a long password of it"}"#,
        ),
        (
            "/api/v1/accounts",
            "201",
            r#"{"name": "anna", "role": "viewer", "password": "a long password of hers"}"#,
        ),
        (
            "/api/v1/tokens",
            "201",
            r#"{"name": "monitor", "scope": "read_only"}"#,
        ),
        // Nobody listens there.
        (
            "/api/v1/next-hops/test",
            "200",
            r#"{"address": "127.0.0.1:1"}"#,
        ),
        (
            "/api/v1/queue/actions",
            "200",
            r#"{"action": "hold", "ids": [77]}"#,
        ),
    ] {
        let answer = site.call(&format!("POST {path}"), body).await;
        assert_eq!(answer.status.as_str(), status, "{path}: {}", answer.text);
        let schema = answer_of(document, "post", path, status);
        assert_eq!(problems(document, schema, &answer.json()), "", "{path}");
    }
}

/// The schema of what a route answers with `status`.
fn answer_of<'a>(document: &'a Value, method: &str, path: &str, status: &str) -> &'a Value {
    let response = &document["paths"][path][method]["responses"][status];
    let schema = &response["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{method} {path} is described");
    schema
}

#[tokio::test]
async fn settings_have_their_bounds_and_defaults() {
    let site = Site::open().await;
    let document = site.call("GET /api/v1/openapi.json", "").await.json();
    for (schema, property, least, most, default) in [
        ("Written", "ack_deadline_seconds", 1, 25, json!(10)),
        ("Antispam", "timeout_seconds", 1, 120, json!(20)),
        ("NextHopDefaults", "connections_max", 1, 1_000, json!(20)),
        ("NextHopEntry", "connections_max", 1, 1_000, json!(20)),
        ("BlackholeZone", "weight", 1, 1_000, json!(1)),
    ] {
        let described = &document["components"]["schemas"][schema]["properties"][property];
        assert_eq!(described["minimum"], least, "{schema}: {described}");
        assert_eq!(described["maximum"], most, "{schema}: {described}");
        assert_eq!(described["default"], default, "{schema}: {described}");
        assert!(described["title"].is_string(), "{schema}: {described}");
    }
    let secret = &document["components"]["schemas"]["Directory"]["properties"]["bind_password"];
    assert!(secret["default"].is_null(), "{secret}");
    site.close().await;
}
