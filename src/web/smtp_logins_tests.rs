use axum::http::{StatusCode, header};
use serde_json::json;

use crate::web::testing::Site;

fn names(site: &Site) -> Vec<String> {
    let roster = site.context.smtp_logins.roster();
    roster.iter().map(|login| login.name.to_string()).collect()
}

fn hash(site: &Site, name: &str) -> String {
    let roster = site.context.smtp_logins.roster();
    roster.find(name).expect("a login").hash.clone()
}

#[tokio::test]
async fn the_page_adds_changes_and_removes() {
    let site = Site::open().await;
    let empty = site.see("/settings/logins").await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(
        empty.text.contains("There is no login yet"),
        "{}",
        empty.text
    );

    let form = "name=robot&note=the+%3Cshop%3E&password=open+sesame";
    let added = site.post("/settings/logins", form).await;
    assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text);
    assert_eq!(
        added.headers[header::LOCATION],
        "/settings/logins?done=added"
    );
    let page = site.see("/settings/logins?done=added").await;
    page.has(&["was added", "robot", "the &#60;shop&#62;"]);
    page.lacks(&["sesame", "argon2", "<shop>", "style="]);

    let before = hash(&site, "robot");
    let form = "name=robot&password=another+word";
    let changed = site.post("/settings/logins/password", form).await;
    assert_eq!(
        changed.headers[header::LOCATION],
        "/settings/logins?done=changed"
    );
    assert_ne!(hash(&site, "robot"), before);

    for _ in 0..2 {
        let removed = site.post("/settings/logins/remove", "name=robot").await;
        assert_eq!(
            removed.headers[header::LOCATION],
            "/settings/logins?done=removed"
        );
        assert!(names(&site).is_empty());
    }
    let unknown = site.see("/settings/logins?done=weather").await;
    assert_eq!(unknown.status, StatusCode::OK);
    unknown.lacks(&["weather", "class=\"notice\""]);
    site.close().await;
}

#[tokio::test]
async fn a_password_that_we_make_is_shown_once() {
    let site = Site::open().await;
    for (path, form) in [
        ("/settings/logins", "name=robot&password=&make=yes"),
        ("/settings/logins/password", "name=robot&make=yes"),
    ] {
        let made = site.post(path, form).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.text);
        let (_, rest) = made
            .text
            .split_once("class=\"secret\">")
            .expect("a password");
        let (password, _) = rest.split_once('<').expect("its end");
        let verified = crate::accounts::Passwords::new()
            .verify(password.to_owned(), Some(hash(&site, "robot")))
            .await;
        assert_eq!(verified, Ok(true));
        let page = site.see("/settings/logins").await;
        assert!(!page.text.contains(password));
    }
    site.close().await;
}

#[tokio::test]
async fn what_was_typed_comes_back_with_the_problem_at_its_field() {
    let site = Site::open().await;
    let form = "name=two+words&note=the+shop%27s&password=short";
    let refused = site.post("/settings/logins", form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.has(&[
        "value=\"two words\"",
        "id=\"name-problem\"",
        "id=\"password-problem\"",
        "the shop",
    ]);
    assert!(!refused.text.contains("value=\"short\""));
    assert!(names(&site).is_empty());

    site.post("/settings/logins", "name=robot&password=open+sesame")
        .await;
    let form = "name=robot&password=short";
    let refused = site.post("/settings/logins/password", form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let at_row = "<p class=\"problem\" id=\"password-1-problem\">";
    assert!(refused.text.contains(at_row), "{}", refused.text);
    let form = "name=nobody&password=open+sesame";
    let unknown = site.post("/settings/logins/password", form).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let nonsense = site.post("/settings/logins", "note=x").await;
    assert_eq!(nonsense.status, StatusCode::BAD_REQUEST);
    site.close().await;
}

#[tokio::test]
async fn the_api_does_the_same() {
    let site = Site::open().await;
    let path = "/api/v1/smtp-logins";
    let listed = site.call(&format!("GET {path}"), "").await.json();
    assert_eq!(listed, json!({"items": []}));
    let body = r#"{"name": "robot/1@shop", "password": "open sesame", "note": "x"}"#;
    let added = site.call(&format!("POST {path}"), body).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    assert_eq!(added.json()["name"], "robot/1@shop");
    let again = site.call(&format!("POST {path}"), body).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problem = again.json()["errors"]["name"].clone();
    assert_eq!(problem, "there is a login of this name already");

    let listed = site.call(&format!("GET {path}"), "").await;
    assert_eq!(listed.json()["items"][0]["note"], "x");
    assert!(!listed.text.contains("argon2"), "{}", listed.text);

    let one = format!("{path}/ROBOT%2F1@shop");
    let before = hash(&site, "robot/1@shop");
    for (request, body, status) in [
        (
            format!("PUT {one}"),
            r#"{"password": "x"}"#,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (format!("PUT {one}"), "{}", StatusCode::BAD_REQUEST),
        (
            format!("PUT {path}/nobody"),
            r#"{"password": "open sesame"}"#,
            StatusCode::NOT_FOUND,
        ),
        (
            format!("PUT {one}"),
            r#"{"password": "another word"}"#,
            StatusCode::NO_CONTENT,
        ),
    ] {
        let answer = site.call(&request, body).await;
        assert_eq!(answer.status, status, "{request} {body}: {}", answer.text);
    }
    assert_ne!(hash(&site, "robot/1@shop"), before);
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        let answer = site.call(&format!("DELETE {one}"), "").await;
        assert_eq!(answer.status, status);
    }
    site.close().await;
}
