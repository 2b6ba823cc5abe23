use axum::http::StatusCode;
use serde_json::json;

use crate::conditions::directory_testing::{FakeDirectory, FakeEntry, Manner};
use crate::web::testing::Site;

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

#[tokio::test]
async fn the_directory_is_set_and_its_password_is_never_shown() {
    let site = Site::open().await;
    let body = "directory.url=ldap%3A%2F%2Fdirectory.example.net&directory.base=dc%3Dexample\
                &directory.bind_dn=cn%3Drelay&directory.bind_password=open+sesame\
                &directory.cache_seconds=0+s&directory.start_tls=true";
    let saved = site.post(DIRECTORY, body).await;
    saved.leads_to(&format!("{DIRECTORY}?done=saved"));
    let settings = site.context.administration.settings();
    let directory = &settings.directory;
    let url = directory.url.as_ref().map(ToString::to_string);
    assert_eq!(url.as_deref(), Some("ldap://directory.example.net:389"));
    let password = directory.bind_password.as_ref();
    assert_eq!(
        password.map(|password| password.expose()),
        Some("open sesame")
    );

    let page = site.see(DIRECTORY).await;
    page.has(&["set; leave blank", "value=\"cn=relay\"", RELAYING]);
    assert!(!page.text.contains("sesame"));
    // Another field is changed, and the password stays.
    let page = site.post(DIRECTORY, "directory.timeout_seconds=5+s").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let settings = site.context.administration.settings();
    let password = settings.directory.bind_password.as_ref();
    assert_eq!(
        password.map(|password| password.expose()),
        Some("open sesame")
    );
    for entry in site.audited().await {
        assert!(!format!("{entry:?}").contains("sesame"));
    }

    let body = "directory.url=http%3A%2F%2Fx&remove.directory.bind_password=yes";
    let page = site.post(DIRECTORY, body).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let parts = [
        "id=\"directory.url-problem\"",
        "a directory is written ldap://host:389",
        "id=\"directory.bind_password-problem\"",
    ];
    page.has(&parts);
    site.close().await;
}

#[tokio::test]
async fn relaying_needs_a_directory_and_a_filter() {
    let site = Site::open().await;
    let page = site.see(RELAYING).await;
    page.has(&["No directory is set yet", "value=\"mailHost\""]);
    let body = "ldap_relaying.enabled=true&ldap_relaying.filter=(mail%3D%25s";
    let page = site.post(RELAYING, body).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let parts = [
        "directory.url: is needed while LDAP relaying is on",
        "directory.base: is needed",
        "id=\"ldap_relaying.filter-problem\"",
        "is no LDAP filter",
    ];
    page.has(&parts);
    let page = site.post(RELAYING, "ldap_relaying.filter=").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.has(&["id=\"ldap_relaying.filter-problem\">is needed"]);

    let directory = json!({"url": "ldap://127.0.0.1:1", "base": "dc=example"});
    site.set(json!({"directory": directory})).await;
    let body = "ldap_relaying.enabled=true&ldap_relaying.host_attribute=\
                &ldap_relaying.domains=Example.NET";
    let page = site.post(RELAYING, body).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let settings = site.context.administration.settings();
    assert_eq!(settings.ldap_relaying.host_attribute, None);
    assert_eq!(settings.ldap_relaying.domains, ["example.net"]);
    site.close().await;
}

#[tokio::test]
async fn the_overview_tells_what_relaying_means_when_it_is_off() {
    let site = Site::open().await;
    let overview = "/settings/conditions";
    let page = site.see(overview).await;
    page.has(&["LDAP relaying", DIRECTORY]);
    assert!(!page.text.contains("standard path</td>"));
    let when_off = json!({"disables_fast_path_when_off": true});
    site.set(json!({"ldap_relaying": when_off})).await;
    let page = site.see(overview).await;
    page.has(&["off</span> and so standard path"]);
    let directory = json!({"url": "ldap://127.0.0.1:1", "base": "dc=example"});
    let on = json!({"directory": directory, "ldap_relaying": {"enabled": true}});
    site.set(on).await;
    let page = site.see(overview).await;
    page.has(&["on</span> looked up on the fast path"]);
    site.close().await;
}

#[tokio::test]
async fn look_ups_are_tried() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let site = Site::open().await;
    let trial = |path: &str| format!("{path}/test");
    let page = site
        .post(&trial(RELAYING), "address=bert@example.net")
        .await;
    page.has(&["It cannot tell.", "no server is set"]);
    site.set(json!({"directory": fake.settings()})).await;

    let page = site
        .post(&trial(RELAYING), "address=bert@example.net")
        .await;
    assert_eq!(page.status, StatusCode::OK);
    let parts = [
        "The directory has an entry.",
        "uid=&#60;bert&#62;,dc=example",
        "smtp://mail.example.net:25",
        "<dd>b@inner.example</dd>",
        "<dd>mail.example.net:25</dd>",
        "does not count: LDAP relaying is off",
        "value=\"bert@example.net\"",
    ];
    page.has(&parts);
    let page = site
        .post(&trial(RELAYING), "address=nobody@example.net")
        .await;
    page.has(&["has no entry", "where mail for its domain goes"]);
    let page = site.post(&trial(RELAYING), "address=two@example.net").await;
    page.has(&["It cannot tell.", "several entries for two@example.net"]);
    let page = site.post(&trial(RELAYING), "address=%3Cscript%3E").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.has(&["id=\"test-address-problem\">give an address"]);
    assert!(!page.text.contains("<script>"));

    let page = site
        .post(&trial(MASQUERADING), "address=bert@example.org")
        .await;
    page.has(&["Bert@example.com", "does not count: the condition is off"]);
    let page = site
        .post(&trial(MASQUERADING), "address=nobody@example.org")
        .await;
    page.has(&["has no entry", "stays as it is"]);
    assert_eq!(site.audited().await.len(), 1, "a trial changes nothing");
    site.close().await;
}
