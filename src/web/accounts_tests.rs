use axum::http::StatusCode;
use serde_json::json;

use super::*;
use crate::accounts::Scope;
use crate::administration::Actor;
use crate::web::testing::{ELSEWHERE, Site};

#[tokio::test]
async fn accounts_are_added_changed_and_removed() {
    let site = Site::open().await;
    let cookie = site.cookie_of(Role::Administrator).await;
    let list = "/settings/accounts";
    let short = "name=a+b&role=operator&password=short";
    let wrong = site.submit(list, &cookie, short).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.has(&[
        "id=\"name-problem\"",
        "id=\"password-problem\"",
        "value=\"a b\"",
        "value=\"operator\" required checked",
    ]);
    assert!(!wrong.text.contains("short\""));
    let nonsense = site
        .submit(list, &cookie, "name=anna&role=king&password=x")
        .await;
    assert_eq!(nonsense.status, StatusCode::BAD_REQUEST);
    let right = "name=anna&role=operator&password=a+long+password";
    let added = site.submit(list, &cookie, right).await;
    assert_eq!(added.location(), "/settings/accounts?done=added");
    let page = site.see_as(&cookie, "/settings/accounts").await;
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
        let answer = site.submit(&format!("{own}{path}"), &cookie, form).await;
        assert_eq!(answer.location(), location, "{}", answer.text);
    }
    let gone = site.see_as(&cookie, "/settings/accounts/anna").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    site.close().await;
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let site = Site::open().await;
    let cookie = site.cookie_of(Role::Administrator).await;
    let own = "/settings/accounts/administrator";
    for (path, form) in [("/role", "role=viewer&confirmed=yes"), ("/remove", "")] {
        let answer = site.submit(&format!("{own}{path}"), &cookie, form).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{path}");
        assert!(answer.text.contains("the last administrator stays one"));
    }
    let page = site.see_as(&cookie, own).await;
    assert!(page.text.contains("under your name"));
    let answer = site
        .submit(
            &format!("{own}/password"),
            &cookie,
            "password=a+long+password",
        )
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    site.close().await;
}

/// Makes somebody who has made a token.
async fn with_token(site: &Site, name: &str) {
    let (accounts, actor) = (&site.context.accounts, Actor::command("test"));
    let password = "a long password".to_owned();
    let made = accounts.create(name, Role::Administrator, password, &actor);
    let account = made.await.expect("made");
    let token = format!("{name}'s");
    let made = accounts.create_api_token(&token, Scope::ReadWrite, Some(account.id), &actor);
    made.await.expect("made");
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_asked_for_twice() {
    let site = Site::open().await;
    let cookie = site.cookie_of(Role::Administrator).await;
    with_token(&site, "anna").await;
    let get = async |path: &str| {
        let request = format!("GET {path}");
        site.ask(ELSEWHERE, &request, &[&cookie], "").await
    };
    let tokens = async || {
        let tokens = site.context.store.administration.api_tokens().await;
        tokens.expect("readable").len()
    };
    // The page of an account removes nothing: it leads to the question, which tells what goes as well.
    let path = "/settings/accounts/anna";
    let page = get(path).await;
    assert!(
        page.text
            .contains("href=\"/settings/accounts/anna/remove\"")
    );
    assert!(
        !page
            .text
            .contains("action=\"/settings/accounts/anna/remove\"")
    );
    let asked = get(&format!("{path}/remove")).await;
    assert_eq!(asked.status, StatusCode::OK);
    asked.has(&["Remove anna?", "anna&#39;s", "reads and changes everything"]);
    assert!(!asked.text.contains("It is yours"));
    let own = get("/settings/accounts/administrator/remove").await;
    assert!(own.text.contains("It is yours"));
    let nobody = get("/settings/accounts/nobody/remove").await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);

    // So does a role under which a token would be too mighty.
    let role = format!("{path}/role");
    let asked = site.submit(&role, &cookie, "role=operator").await;
    assert_eq!(asked.status, StatusCode::OK);
    assert!(asked.text.contains("anna&#39;s"), "{}", asked.text);
    assert!(asked.text.contains("name=\"confirmed\""));
    let anna = site.context.accounts.named("anna").await;
    assert_eq!(anna.expect("it is there").role, Role::Administrator);
    assert_eq!(tokens().await, 2);
    let confirmed = "role=operator&confirmed=yes";
    let done = site.submit(&role, &cookie, confirmed).await;
    assert_eq!(done.location(), "/settings/accounts/anna?done=role");
    assert_eq!(tokens().await, 1);

    // And one's own role, when it becomes less.
    with_token(&site, "bob").await;
    let own = "/settings/accounts/administrator/role";
    let same = site.submit(own, &cookie, "role=administrator").await;
    assert_eq!(same.status, StatusCode::SEE_OTHER);
    let asked = site.submit(own, &cookie, "role=viewer").await;
    assert!(asked.text.contains("It is yours"), "{}", asked.text);
    assert_eq!(get("/audit").await.status, StatusCode::OK);
    let done = site.submit(own, &cookie, "role=viewer&confirmed=yes").await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert_eq!(get("/audit").await.location(), "/login?to=/audit");
    site.close().await;
}

#[tokio::test]
async fn the_api_does_it_too() {
    let site = Site::open().await;
    let new = r#"{"name":"anna","role":"viewer","password":"a long password"}"#;
    let made = site.call("POST /api/v1/accounts", new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.json()["name"], "anna");
    assert_eq!(made.json()["second_factor"], false);
    let again = site.call("POST /api/v1/accounts", new).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        again.json(),
        json!({"errors": {"name": "this name is taken"}})
    );
    let listed = site.call("GET /api/v1/accounts", "").await.json();
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
        let answer = site.call(&format!("PATCH {path}"), body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    for (name, status) in [
        ("anna", StatusCode::NO_CONTENT),
        ("anna", StatusCode::NOT_FOUND),
        ("administrator", StatusCode::CONFLICT),
    ] {
        let answer = site
            .call(&format!("DELETE /api/v1/accounts/{name}"), "")
            .await;
        assert_eq!(answer.status, status, "{name}");
    }
    let audit = site
        .context
        .store
        .administration
        .audit_page(None, 100)
        .await;
    let by_token = audit.expect("readable");
    let by_token = by_token
        .iter()
        .find(|item| item.action == "account created");
    let who = &by_token.expect("it is noted").who;
    assert_eq!(who, "token a token of the tests");
    site.close().await;
}
