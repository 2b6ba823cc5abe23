use axum::http::StatusCode;
use serde_json::json;

use super::*;
use crate::web::testing::{ELSEWHERE, Face};

#[tokio::test]
async fn accounts_are_added_changed_and_removed() {
    let face = Face::open(Ok(())).await;
    let cookie = face.cookie_of(Role::Administrator).await;
    let list = "/settings/accounts";
    let short = "name=a+b&role=operator&password=short";
    let wrong = face.submit(list, &cookie, short).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in [
        "id=\"name-problem\"",
        "id=\"password-problem\"",
        "value=\"a b\"",
        "value=\"operator\" required checked",
    ] {
        assert!(wrong.text.contains(part), "{part}: {}", wrong.text);
    }
    assert!(!wrong.text.contains("short\""));
    let nonsense = face
        .submit(list, &cookie, "name=anna&role=king&password=x")
        .await;
    assert_eq!(nonsense.status, StatusCode::BAD_REQUEST);
    let right = "name=anna&role=operator&password=a+long+password";
    let added = face.submit(list, &cookie, right).await;
    assert_eq!(added.location(), "/settings/accounts?done=added");
    let page = face
        .ask(ELSEWHERE, "GET /settings/accounts", &[&cookie], "")
        .await;
    assert!(page.text.contains("href=\"/settings/accounts/anna\""));

    let own = "/settings/accounts/anna";
    for (path, form, location) in [
        ("/role", "role=viewer", "/settings/accounts/anna?done=role"),
        (
            "/password",
            "password=another+long+one&without_second_factor=yes",
            "/settings/accounts/anna?done=password",
        ),
        ("/remove", "", "/settings/accounts?done=removed"),
    ] {
        let answer = face.submit(&format!("{own}{path}"), &cookie, form).await;
        assert_eq!(answer.location(), location, "{}", answer.text);
    }
    let gone = face
        .ask(ELSEWHERE, "GET /settings/accounts/anna", &[&cookie], "")
        .await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    face.close().await;
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let face = Face::open(Ok(())).await;
    let cookie = face.cookie_of(Role::Administrator).await;
    let own = "/settings/accounts/administrator";
    for (path, form) in [("/role", "role=viewer"), ("/remove", "")] {
        let answer = face.submit(&format!("{own}{path}"), &cookie, form).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{path}");
        assert!(answer.text.contains("the last administrator stays one"));
    }
    let page = face
        .ask(ELSEWHERE, &format!("GET {own}"), &[&cookie], "")
        .await;
    assert!(page.text.contains("under your name"));
    let answer = face
        .submit(
            &format!("{own}/password"),
            &cookie,
            "password=a+long+password",
        )
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    face.close().await;
}

#[tokio::test]
async fn the_api_does_it_too() {
    let face = Face::open(Ok(())).await;
    let new = r#"{"name":"anna","role":"viewer","password":"a long password"}"#;
    let made = face.call("POST /api/v1/accounts", new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.json()["name"], "anna");
    assert_eq!(made.json()["second_factor"], false);
    let again = face.call("POST /api/v1/accounts", new).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        again.json(),
        json!({"errors": {"name": "this name is taken"}})
    );
    let listed = face.call("GET /api/v1/accounts", "").await.json();
    assert_eq!(listed["items"][1]["name"], "anna", "{listed}");
    assert!(!listed.to_string().contains("argon2"), "{listed}");

    let path = "/api/v1/accounts/Anna";
    for (body, status) in [
        (
            r#"{"role":"operator","second_factor":false}"#,
            StatusCode::OK,
        ),
        (r#"{"password":"another long one"}"#, StatusCode::OK),
        (r#"{"password":"short"}"#, StatusCode::UNPROCESSABLE_ENTITY),
        (r#"{"second_factor":true}"#, StatusCode::BAD_REQUEST),
        (r#"{"weather":"rain"}"#, StatusCode::BAD_REQUEST),
    ] {
        let answer = face.call(&format!("PATCH {path}"), body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    for (name, status) in [
        ("anna", StatusCode::NO_CONTENT),
        ("anna", StatusCode::NOT_FOUND),
        ("administrator", StatusCode::CONFLICT),
    ] {
        let answer = face
            .call(&format!("DELETE /api/v1/accounts/{name}"), "")
            .await;
        assert_eq!(answer.status, status, "{name}");
    }
    let audit = face.context.store.audit_page(None, 100).await;
    let by_token = audit.expect("readable");
    let by_token = by_token
        .iter()
        .find(|item| item.action == "account created");
    let who = &by_token.expect("it is noted").who;
    assert_eq!(who, "token a token of the tests");
    face.close().await;
}
