use axum::http::{StatusCode, header};
use serde_json::json;

use crate::openpgp::testing::{Made, Recipe};
use crate::web::testing::{Answer, Face, LOOPBACK};

const PATH: &str = "/settings/conditions/encryption";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

async fn see(face: &Face, path: &str) -> Answer {
    face.ask(LOOPBACK, &format!("GET {path}"), &[], "").await
}

async fn send(face: &Face, path: &str, form: &str) -> Answer {
    face.ask(LOOPBACK, &format!("POST {path}"), &[FORM], form)
        .await
}

fn form(made: &Made, stands_for: &str) -> String {
    let key = made
        .armored()
        .replace('+', "%2B")
        .replace('=', "%3D")
        .replace('\n', "%0D%0A");
    format!("key={key}&stands_for={}", stands_for.replace('@', "%40"))
}

async fn add(face: &Face, made: &Made, stands_for: &str) -> Answer {
    send(face, &format!("{PATH}/keys"), &form(made, stands_for)).await
}

#[tokio::test]
async fn the_page_switches_the_condition_and_says_what_it_means() {
    let face = Face::open(Ok(())).await;
    let page = see(&face, PATH).await;
    assert_eq!(page.status, StatusCode::OK);
    for part in ["always takes the standard path", "There is no key yet"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert!(!page.text.contains("style="));
    let form = "encryption.enabled=true&shown.encryption.enabled=false\
                &encryption.when_no_key=refuse&shown.encryption.when_no_key=send_plain";
    let saved = send(&face, PATH, form).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let settings = face.context.administration.settings();
    let encryption = serde_json::to_value(&settings.encryption).expect("JSON");
    assert_eq!(
        encryption,
        json!({"enabled": true, "when_no_key": "refuse"})
    );
    let overview = see(&face, "/settings/conditions").await;
    assert!(
        overview.text.contains(&format!("href=\"{PATH}\"")),
        "{}",
        overview.text
    );
    face.close().await;
}

#[tokio::test]
async fn keys_are_added_shown_found_and_removed() {
    let face = Face::open(Ok(())).await;
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
        let added = add(&face, made, names).await;
        assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text);
        assert_eq!(
            added.headers[header::LOCATION],
            format!("{PATH}?done=added")
        );
    }
    let page = see(&face, &format!("{PATH}?done=added")).await;
    for part in [
        "Added: in force",
        "Anna &#60;Anna@example.net&#62;",
        "<td class=\"words\">anna@example.net</td>",
        "bert@example.net<br>@example.org",
        ">valid<",
        ">expired<",
        ">revoked by its owner<",
        "2024-01-31",
        &anna.read().fingerprint,
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let found = see(&face, &format!("{PATH}?find=example.ORG")).await;
    assert!(found.text.contains(&bert.read().fingerprint));
    assert!(!found.text.contains(&anna.read().fingerprint));

    let path = format!("{PATH}/keys/{}/remove", anna.read().fingerprint);
    let question = see(&face, &path).await;
    assert!(
        question.text.contains("Remove the key of Anna"),
        "{}",
        question.text
    );
    for _ in 0..2 {
        let removed = send(&face, &path, "").await;
        assert_eq!(
            removed.headers[header::LOCATION],
            format!("{PATH}?done=removed")
        );
    }
    assert_eq!(face.context.openpgp_keys.keyring().len(), 2);
    assert_eq!(see(&face, &path).await.status, StatusCode::NOT_FOUND);
    face.close().await;
}

#[tokio::test]
async fn what_was_typed_comes_back_with_the_problem_at_its_field() {
    let face = Face::open(Ok(())).await;
    let form = "key=%3Cno+key%3E&stands_for=anna";
    let refused = send(&face, &format!("{PATH}/keys"), form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in [
        "id=\"key-problem\"",
        "is not an OpenPGP key",
        "id=\"stands_for-problem\"",
        "&#60;no key&#62;",
        "value=\"anna\"",
    ] {
        assert!(refused.text.contains(part), "{part}: {}", refused.text);
    }
    assert!(face.context.openpgp_keys.keyring().is_empty());
    face.close().await;
}

#[tokio::test]
async fn the_api_does_the_same() {
    let face = Face::open(Ok(())).await;
    let path = "/api/v1/openpgp-keys";
    let listed = face.call(&format!("GET {path}"), "").await.json();
    assert_eq!(listed, json!({"items": []}));
    let anna = Recipe::plain("Anna <anna@example.net>").make();
    let fingerprint = anna.read().fingerprint;
    let body = json!({"key": anna.armored(), "stands_for": ["@example.net"]}).to_string();
    let added = face.call(&format!("POST {path}"), &body).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    let listed = face.call(&format!("GET {path}"), "").await.json();
    let item = &listed["items"][0];
    assert_eq!(item, &added.json());
    assert_eq!(item["fingerprint"], fingerprint);
    assert_eq!(item["stands_for"], json!(["@example.net"]));
    assert_eq!(
        (&item["state"], &item["expires_at"]),
        (&json!("valid"), &json!(null))
    );
    let refused = face.call(&format!("POST {path}"), r#"{"key": "x"}"#).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["errors"]["key"], "is not an OpenPGP key");

    let one = format!("DELETE {path}/{fingerprint}");
    assert_eq!(face.call(&one, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(face.call(&one, "").await.status, StatusCode::NOT_FOUND);
    let audit = face
        .context
        .store
        .audit_page(None, 9)
        .await
        .expect("readable");
    let actions: Vec<_> = audit.iter().map(|item| item.action.as_str()).collect();
    assert_eq!(actions[..2], ["OpenPGP key removed", "OpenPGP key added"]);
    face.close().await;
}
