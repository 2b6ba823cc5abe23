use axum::http::StatusCode;

use crate::accounts::Role;
use crate::web::testing::{ELSEWHERE, Site};

#[tokio::test]
async fn tokens_are_shown_once_and_revoked() {
    let site = Site::open().await;
    let cookie = site.cookie_of(Role::Administrator).await;
    let path = "/settings/tokens";
    let wrong = site.submit(path, &cookie, "name=&scope=read_write").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("id=\"name-problem\""));
    assert!(wrong.text.contains("value=\"read_write\" required checked"));
    let made = site
        .submit(path, &cookie, "name=my+backup&scope=read_only")
        .await;
    assert_eq!(made.status, StatusCode::OK);
    let token = made.text.split("<p class=\"secret\">").nth(1);
    let token = token.and_then(|rest| rest.split('<').next());
    let token = token.expect("a token");
    let bearer = format!("Authorization: Bearer {token}");
    let ask = async || {
        let asked = site
            .ask(ELSEWHERE, "GET /api/v1/settings", &[&bearer], "")
            .await;
        asked.status
    };
    assert_eq!(ask().await, StatusCode::OK);
    let page = site.see_as(&cookie, "/settings/tokens").await;
    assert!(page.text.contains("my backup") && !page.text.contains(token));

    let listed = site.call("GET /api/v1/tokens", "").await.json();
    let items = listed["items"].as_array().expect("a list");
    let item = items.iter().find(|item| item["name"] == "my backup");
    let id = item.expect("it is listed")["id"].as_i64().expect("an id");
    let revoke = format!("{path}/{id}/revoke");
    assert!(page.text.contains(&format!("href=\"{revoke}\"")));
    assert!(!page.text.contains(&format!("action=\"{revoke}\"")));
    let asked = site.see_as(&cookie, &revoke).await;
    assert!(asked.text.contains("“my backup”?"), "{}", asked.text);
    assert!(asked.text.contains(&format!("action=\"{revoke}\"")));
    assert_eq!(ask().await, StatusCode::OK, "it was only asked");
    let revoked = site.submit(&revoke, &cookie, "").await;
    assert_eq!(revoked.location(), "/settings/tokens?done=revoked");
    assert_eq!(ask().await, StatusCode::UNAUTHORIZED);
    for unknown in [revoke, format!("{path}/x/revoke")] {
        let answer = site.submit(&unknown, &cookie, "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
    }
    site.close().await;
}

#[tokio::test]
async fn the_api_does_it_too() {
    let site = Site::open().await;
    let new = r#"{"name":"ci","scope":"operate"}"#;
    let made = site.call("POST /api/v1/tokens", new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    assert_eq!(made["token"].as_str().map(str::len), Some(43));
    let listed = site.call("GET /api/v1/tokens", "").await;
    let token = made["token"].as_str().expect("a token");
    assert!(!listed.text.contains(token), "{}", listed.text);
    let path = format!("DELETE /api/v1/tokens/{}", made["id"]);
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        assert_eq!(site.call(&path, "").await.status, status);
    }
    for (body, status) in [
        (
            r#"{"name":"","scope":"read_only"}"#,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (r#"{"name":"x","scope":"all"}"#, StatusCode::BAD_REQUEST),
    ] {
        let answer = site.call("POST /api/v1/tokens", body).await;
        assert_eq!(answer.status, status, "{body}");
    }
    site.close().await;
}

#[tokio::test]
async fn a_token_goes_with_the_account_of_whoever_made_it() {
    let site = Site::open().await;
    let accounts = &site.context.accounts;
    let actor = crate::administration::Actor::command("test");
    let password = "a long password".to_owned();
    let made = accounts.create("leaver", Role::Administrator, password, &actor);
    made.await.expect("made");
    let entered = site
        .submit("/login", "", "name=leaver&password=a+long+password")
        .await;
    let cookie = entered.cookie();
    let form = "name=first&scope=read_write";
    let made = site.submit("/settings/tokens", &cookie, form).await;
    let token = made.text.split("<p class=\"secret\">").nth(1);
    let token = token.and_then(|rest| rest.split('<').next());
    let bearer = format!("Authorization: Bearer {}", token.expect("a token"));
    let new = r#"{"name":"second","scope":"read_write"}"#;
    let made = site
        .ask(ELSEWHERE, "POST /api/v1/tokens", &[&bearer], new)
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let second = made.json()["token"].as_str().expect("a token").to_owned();

    let removed = site.call("DELETE /api/v1/accounts/leaver", "").await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    for bearer in [bearer, format!("Authorization: Bearer {second}")] {
        let asked = site
            .ask(ELSEWHERE, "GET /api/v1/settings", &[&bearer], "")
            .await;
        assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    }
    let still = site.call("GET /api/v1/settings", "").await;
    assert_eq!(still.status, StatusCode::OK, "the token of nobody stays");
    site.close().await;
}
