use axum::http::{StatusCode, header};
use serde_json::json;

use crate::openpgp::testing::{Made, Recipe};
use crate::web::testing::{Answer, Site};

const PATH: &str = "/settings/conditions/encryption";

fn form(made: &Made, stands_for: &str) -> String {
    let key = made
        .armored()
        .replace('+', "%2B")
        .replace('=', "%3D")
        .replace('\n', "%0D%0A");
    format!("key={key}&stands_for={}", stands_for.replace('@', "%40"))
}

async fn add(site: &Site, made: &Made, stands_for: &str) -> Answer {
    site.post(&format!("{PATH}/keys"), &form(made, stands_for))
        .await
}

#[tokio::test]
async fn the_page_switches_the_condition_and_says_what_it_means() {
    let site = Site::open().await;
    let page = site.see(PATH).await;
    assert_eq!(page.status, StatusCode::OK);
    page.has(&["always takes the standard path", "There is no key yet"]);
    assert!(!page.text.contains("style="));
    let form = "encryption.enabled=true&shown.encryption.enabled=false\
                &encryption.when_no_key=refuse&shown.encryption.when_no_key=send_plain";
    let saved = site.post(PATH, form).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let settings = site.context.administration.settings();
    let encryption = serde_json::to_value(&settings.encryption).expect("JSON");
    assert_eq!(
        encryption,
        json!({"enabled": true, "when_no_key": "refuse"})
    );
    let overview = site.see("/settings/conditions").await;
    assert!(
        overview.text.contains(&format!("href=\"{PATH}\"")),
        "{}",
        overview.text
    );
    site.close().await;
}

#[tokio::test]
async fn keys_are_added_shown_found_and_removed() {
    let site = Site::open().await;
    let anna = Recipe::plain("Anna <Anna@example.net>").make();
    let bert = Recipe {
        primary_days: Some(30),
        ..Recipe::plain("Bert <bert@example.net>")
    };
    let bert = bert.make();
    let carl = Recipe {
        is_revoked: true,
        ..Recipe::plain("carl@example.net")
    };
    for (made, names) in [
        (&anna, ""),
        (&bert, "bert@example.net, @Example.org"),
        (&carl.make(), ""),
    ] {
        let added = add(&site, made, names).await;
        assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text);
        assert_eq!(
            added.headers[header::LOCATION],
            format!("{PATH}?done=added")
        );
    }
    let page = site.see(&format!("{PATH}?done=added")).await;
    page.has(&[
        "Added: in force",
        "Anna &#60;Anna@example.net&#62;",
        "<td class=\"words\">anna@example.net</td>",
        "bert@example.net<br>@example.org",
        ">valid<",
        ">expired<",
        ">revoked by its owner<",
        "2024-01-31",
        &anna.read().fingerprint,
    ]);
    let found = site.see(&format!("{PATH}?find=example.ORG")).await;
    assert!(found.text.contains(&bert.read().fingerprint));
    assert!(!found.text.contains(&anna.read().fingerprint));

    let path = format!("{PATH}/keys/{}/remove", anna.read().fingerprint);
    let question = site.see(&path).await;
    assert!(
        question.text.contains("Remove the key of Anna"),
        "{}",
        question.text
    );
    for _ in 0..2 {
        let removed = site.post(&path, "").await;
        assert_eq!(
            removed.headers[header::LOCATION],
            format!("{PATH}?done=removed")
        );
    }
    assert_eq!(site.context.openpgp_keys.keyring().len(), 2);
    assert_eq!(site.see(&path).await.status, StatusCode::NOT_FOUND);
    site.close().await;
}

#[tokio::test]
async fn what_was_typed_comes_back_with_the_problem_at_its_field() {
    let site = Site::open().await;
    let form = "key=%3Cno+key%3E&stands_for=anna";
    let refused = site.post(&format!("{PATH}/keys"), form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.has(&[
        "id=\"key-problem\"",
        "is not an OpenPGP key",
        "id=\"stands_for-problem\"",
        "&#60;no key&#62;",
        "value=\"anna\"",
    ]);
    assert!(site.context.openpgp_keys.keyring().is_empty());
    site.close().await;
}

#[tokio::test]
async fn the_api_does_the_same() {
    let site = Site::open().await;
    let path = "/api/v1/openpgp-keys";
    let listed = site.call(&format!("GET {path}"), "").await.json();
    assert_eq!(listed, json!({"items": []}));
    let anna = Recipe::plain("Anna <anna@example.net>").make();
    let fingerprint = anna.read().fingerprint;
    let body = json!({"key": anna.armored(), "stands_for": ["@example.net"]}).to_string();
    let added = site.call(&format!("POST {path}"), &body).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    let listed = site.call(&format!("GET {path}"), "").await.json();
    let item = &listed["items"][0];
    assert_eq!(item, &added.json());
    assert_eq!(item["fingerprint"], fingerprint);
    assert_eq!(item["stands_for"], json!(["@example.net"]));
    assert_eq!(
        (&item["state"], &item["expires_at"]),
        (&json!("valid"), &json!(null))
    );
    let refused = site.call(&format!("POST {path}"), r#"{"key": "x"}"#).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["errors"]["key"], "is not an OpenPGP key");

    let one = format!("DELETE {path}/{fingerprint}");
    assert_eq!(site.call(&one, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(site.call(&one, "").await.status, StatusCode::NOT_FOUND);
    let audit = site
        .context
        .store
        .administration
        .audit_page(None, 9)
        .await
        .expect("readable");
    let actions: Vec<_> = audit.iter().map(|item| item.action.as_str()).collect();
    assert_eq!(actions[..2], ["OpenPGP key removed", "OpenPGP key added"]);
    site.close().await;
}
