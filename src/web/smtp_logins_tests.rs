use axum::http::{StatusCode, header};
use serde_json::json;

use crate::web::testing::{Answer, Face, LOOPBACK};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

async fn see(face: &Face, path: &str) -> Answer {
    face.ask(LOOPBACK, &format!("GET {path}"), &[], "").await
}

async fn send(face: &Face, path: &str, form: &str) -> Answer {
    face.ask(LOOPBACK, &format!("POST {path}"), &[FORM], form)
        .await
}

fn names(face: &Face) -> Vec<String> {
    let roster = face.context.smtp_logins.roster();
    roster.iter().map(|login| login.name.to_string()).collect()
}

fn hash(face: &Face, name: &str) -> String {
    let roster = face.context.smtp_logins.roster();
    roster.find(name).expect("a login").hash.clone()
}

#[tokio::test]
async fn the_page_adds_changes_and_removes() {
    let face = Face::open(Ok(())).await;
    let empty = see(&face, "/settings/logins").await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(
        empty.text.contains("There is no login yet"),
        "{}",
        empty.text
    );

    let form = "name=robot&note=the+%3Cshop%3E&password=open+sesame";
    let added = send(&face, "/settings/logins", form).await;
    assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text);
    assert_eq!(
        added.headers[header::LOCATION],
        "/settings/logins?done=added"
    );
    let page = see(&face, "/settings/logins?done=added").await;
    for part in ["was added", "robot", "the &#60;shop&#62;"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    for forbidden in ["sesame", "argon2", "<shop>", "style="] {
        assert!(!page.text.contains(forbidden), "{forbidden}");
    }

    let before = hash(&face, "robot");
    let form = "name=robot&password=another+word";
    let changed = send(&face, "/settings/logins/password", form).await;
    assert_eq!(
        changed.headers[header::LOCATION],
        "/settings/logins?done=changed"
    );
    assert_ne!(hash(&face, "robot"), before);

    for _ in 0..2 {
        let removed = send(&face, "/settings/logins/remove", "name=robot").await;
        assert_eq!(
            removed.headers[header::LOCATION],
            "/settings/logins?done=removed"
        );
        assert!(names(&face).is_empty());
    }
    let unknown = see(&face, "/settings/logins?done=weather").await;
    assert_eq!(unknown.status, StatusCode::OK);
    for forbidden in ["weather", "class=\"notice\""] {
        assert!(!unknown.text.contains(forbidden), "{}", unknown.text);
    }
    face.close().await;
}

#[tokio::test]
async fn a_password_that_we_make_is_shown_once() {
    let face = Face::open(Ok(())).await;
    for (path, form) in [
        ("/settings/logins", "name=robot&password=&make=yes"),
        ("/settings/logins/password", "name=robot&make=yes"),
    ] {
        let made = send(&face, path, form).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.text);
        let (_, rest) = made
            .text
            .split_once("class=\"secret\">")
            .expect("a password");
        let (password, _) = rest.split_once('<').expect("its end");
        let verified = crate::accounts::Passwords::new()
            .verify(password.to_owned(), Some(hash(&face, "robot")))
            .await;
        assert_eq!(verified, Ok(true));
        let page = see(&face, "/settings/logins").await;
        assert!(!page.text.contains(password));
    }
    face.close().await;
}

#[tokio::test]
async fn what_was_typed_comes_back_with_the_problem_at_its_field() {
    let face = Face::open(Ok(())).await;
    let form = "name=two+words&note=the+shop%27s&password=short";
    let refused = send(&face, "/settings/logins", form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in [
        "value=\"two words\"",
        "id=\"name-problem\"",
        "id=\"password-problem\"",
        "the shop",
    ] {
        assert!(refused.text.contains(part), "{part}: {}", refused.text);
    }
    assert!(!refused.text.contains("value=\"short\""));
    assert!(names(&face).is_empty());

    send(&face, "/settings/logins", "name=robot&password=open+sesame").await;
    let form = "name=robot&password=short";
    let refused = send(&face, "/settings/logins/password", form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let at_row = "<p class=\"problem\" id=\"password-1-problem\">";
    assert!(refused.text.contains(at_row), "{}", refused.text);
    let form = "name=nobody&password=open+sesame";
    let unknown = send(&face, "/settings/logins/password", form).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let nonsense = send(&face, "/settings/logins", "note=x").await;
    assert_eq!(nonsense.status, StatusCode::BAD_REQUEST);
    face.close().await;
}

#[tokio::test]
async fn the_api_does_the_same() {
    let face = Face::open(Ok(())).await;
    let path = "/api/v1/smtp-logins";
    let listed = face.call(&format!("GET {path}"), "").await.json();
    assert_eq!(listed, json!({"items": []}));
    let body = r#"{"name": "robot/1@shop", "password": "open sesame", "note": "x"}"#;
    let added = face.call(&format!("POST {path}"), body).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    assert_eq!(added.json()["name"], "robot/1@shop");
    let again = face.call(&format!("POST {path}"), body).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problem = again.json()["errors"]["name"].clone();
    assert_eq!(problem, "there is a login of this name already");

    let listed = face.call(&format!("GET {path}"), "").await;
    assert_eq!(listed.json()["items"][0]["note"], "x");
    assert!(!listed.text.contains("argon2"), "{}", listed.text);

    let one = format!("{path}/ROBOT%2F1@shop");
    let before = hash(&face, "robot/1@shop");
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
        let answer = face.call(&request, body).await;
        assert_eq!(answer.status, status, "{request} {body}: {}", answer.text);
    }
    assert_ne!(hash(&face, "robot/1@shop"), before);
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        let answer = face.call(&format!("DELETE {one}"), "").await;
        assert_eq!(answer.status, status);
    }
    face.close().await;
}
