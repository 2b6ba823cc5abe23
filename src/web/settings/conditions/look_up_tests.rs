use axum::http::{StatusCode, header};
use serde_json::{Value, json};

use crate::conditions::directory_testing::{FakeDirectory, FakeEntry, Manner};
use crate::web::testing::{Face, LOOPBACK};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const RELAYING: &str = "/settings/conditions/ldap-relaying";
const MASQUERADING: &str = "/settings/conditions/ldap-masquerading";
const DIRECTORY: &str = "/settings/conditions/directory";

const ENTRIES: &[FakeEntry] = &[
    (
        "bert",
        "uid=<bert>,dc=example",
        &[
            ("mailHost", "mail.example.net"),
            ("mailRoutingAddress", "b@inner.example"),
            ("mail", "Bert@example.com"),
        ],
    ),
    ("two", "uid=one", &[]),
    ("two", "uid=other", &[]),
];

/// The page, or where it leads.
async fn post(face: &Face, path: &str, body: &str) -> (StatusCode, String) {
    let answer = face
        .ask(LOOPBACK, &format!("POST {path}"), &[FORM], body)
        .await;
    let location = answer.headers.get(header::LOCATION);
    let location = location.map(|place| place.to_str().expect("text").to_owned());
    (answer.status, location.unwrap_or(answer.text))
}

async fn patch(face: &Face, patch: Value) {
    let answer = face
        .call("PATCH /api/v1/settings", &patch.to_string())
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[tokio::test]
async fn the_directory_is_set_and_its_password_is_never_shown() {
    let face = Face::open(Ok(())).await;
    let body = "directory.url=ldap%3A%2F%2Fdirectory.example.net&directory.base=dc%3Dexample\
                &directory.bind_dn=cn%3Drelay&directory.bind_password=open+sesame\
                &directory.cache_seconds=0+s&directory.start_tls=true";
    let saved = post(&face, DIRECTORY, body).await;
    let expected = (StatusCode::SEE_OTHER, format!("{DIRECTORY}?done=saved"));
    assert_eq!(saved, expected);
    let settings = face.context.administration.settings();
    let directory = &settings.directory;
    let url = directory.url.as_ref().map(ToString::to_string);
    assert_eq!(url.as_deref(), Some("ldap://directory.example.net:389"));
    let password = directory.bind_password.as_ref();
    assert_eq!(
        password.map(|password| password.expose()),
        Some("open sesame")
    );

    let page = face
        .ask(LOOPBACK, &format!("GET {DIRECTORY}"), &[], "")
        .await;
    has(
        &page.text,
        &["set; leave blank", "value=\"cn=relay\"", RELAYING],
    );
    assert!(!page.text.contains("sesame"));
    // Another field is changed, and the password stays.
    let (status, _) = post(&face, DIRECTORY, "directory.timeout_seconds=5+s").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let settings = face.context.administration.settings();
    let password = settings.directory.bind_password.as_ref();
    assert_eq!(
        password.map(|password| password.expose()),
        Some("open sesame")
    );
    for entry in face.audited().await {
        assert!(!format!("{entry:?}").contains("sesame"));
    }

    let body = "directory.url=http%3A%2F%2Fx&remove.directory.bind_password=yes";
    let (status, page) = post(&face, DIRECTORY, body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let parts = [
        "id=\"directory.url-problem\"",
        "a directory is written ldap://host:389",
        "id=\"directory.bind_password-problem\"",
    ];
    has(&page, &parts);
    face.close().await;
}

#[tokio::test]
async fn relaying_needs_a_directory_and_a_filter() {
    let face = Face::open(Ok(())).await;
    let page = face
        .ask(LOOPBACK, &format!("GET {RELAYING}"), &[], "")
        .await;
    has(
        &page.text,
        &["No directory is set yet", "value=\"mailHost\""],
    );
    let body = "ldap_relaying.enabled=true&ldap_relaying.filter=(mail%3D%25s";
    let (status, page) = post(&face, RELAYING, body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let parts = [
        "directory.url: is needed while LDAP relaying is on",
        "directory.base: is needed",
        "id=\"ldap_relaying.filter-problem\"",
        "is no LDAP filter",
    ];
    has(&page, &parts);
    let (status, page) = post(&face, RELAYING, "ldap_relaying.filter=").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    has(&page, &["id=\"ldap_relaying.filter-problem\">is needed"]);

    let directory = json!({"url": "ldap://127.0.0.1:1", "base": "dc=example"});
    patch(&face, json!({"directory": directory})).await;
    let body = "ldap_relaying.enabled=true&ldap_relaying.host_attribute=\
                &ldap_relaying.domains=Example.NET";
    let (status, _) = post(&face, RELAYING, body).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let settings = face.context.administration.settings();
    assert_eq!(settings.ldap_relaying.host_attribute, None);
    assert_eq!(settings.ldap_relaying.domains, ["example.net"]);
    face.close().await;
}

#[tokio::test]
async fn the_overview_tells_what_relaying_means_when_it_is_off() {
    let face = Face::open(Ok(())).await;
    let overview = "GET /settings/conditions";
    let page = face.ask(LOOPBACK, overview, &[], "").await;
    has(&page.text, &["LDAP relaying", DIRECTORY]);
    assert!(!page.text.contains("standard path</td>"));
    let when_off = json!({"disables_fast_path_when_off": true});
    patch(&face, json!({"ldap_relaying": when_off})).await;
    let page = face.ask(LOOPBACK, overview, &[], "").await;
    has(&page.text, &["off</span> and so standard path"]);
    let directory = json!({"url": "ldap://127.0.0.1:1", "base": "dc=example"});
    let on = json!({"directory": directory, "ldap_relaying": {"enabled": true}});
    patch(&face, on).await;
    let page = face.ask(LOOPBACK, overview, &[], "").await;
    has(&page.text, &["on</span> looked up on the fast path"]);
    face.close().await;
}

#[tokio::test]
async fn look_ups_are_tried() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let face = Face::open(Ok(())).await;
    let trial = |path: &str| format!("{path}/test");
    let (_, page) = post(&face, &trial(RELAYING), "address=bert@example.net").await;
    has(&page, &["It cannot tell.", "no server is set"]);
    patch(&face, json!({"directory": fake.settings()})).await;

    let (status, page) = post(&face, &trial(RELAYING), "address=bert@example.net").await;
    assert_eq!(status, StatusCode::OK);
    let parts = [
        "The directory has an entry.",
        "uid=&#60;bert&#62;,dc=example",
        "smtp://mail.example.net:25",
        "<dd>b@inner.example</dd>",
        "<dd>mail.example.net:25</dd>",
        "does not count: LDAP relaying is off",
        "value=\"bert@example.net\"",
    ];
    has(&page, &parts);
    let (_, page) = post(&face, &trial(RELAYING), "address=nobody@example.net").await;
    has(&page, &["has no entry", "where mail for its domain goes"]);
    let (_, page) = post(&face, &trial(RELAYING), "address=two@example.net").await;
    has(
        &page,
        &["It cannot tell.", "several entries for two@example.net"],
    );
    let (status, page) = post(&face, &trial(RELAYING), "address=%3Cscript%3E").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    has(&page, &["id=\"test-address-problem\">give an address"]);
    assert!(!page.contains("<script>"));

    let (_, page) = post(&face, &trial(MASQUERADING), "address=bert@example.org").await;
    has(
        &page,
        &["Bert@example.com", "does not count: the condition is off"],
    );
    let (_, page) = post(&face, &trial(MASQUERADING), "address=nobody@example.org").await;
    has(&page, &["has no entry", "stays as it is"]);
    assert_eq!(face.audited().await.len(), 1, "a trial changes nothing");
    face.close().await;
}
