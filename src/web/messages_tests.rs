//! The search page: what it finds, how it goes on, and nasty texts.

use axum::http::{StatusCode, header};

use crate::limits;
use crate::message::Path;
use crate::message::trail::{AnsweredMessage, TrailEntry};
use crate::message::words::OutcomeKind;
use crate::web::history_scene::{self, attempted, delivered, id};
use crate::web::testing::{Answer, Site};

const NASTY: &str = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27";

/// Links to messages on a page, in order.
fn linked(answer: &Answer) -> Vec<&str> {
    let begin = "<th scope=\"row\"><a href=\"/messages/";
    let ids = answer.text.split(begin).skip(1);
    ids.map(|rest| &rest[..13]).collect()
}

/// Where a link with these words leads.
fn link_to<'a>(answer: &'a Answer, words: &str) -> Option<&'a str> {
    let before = &answer.text[..answer.text.find(&format!(">{words}</a>"))?];
    before.rsplit("href=\"").next()?.split('"').next()
}

#[tokio::test]
async fn messages_are_found_and_shown_with_what_became_of_them() {
    let site = Site::open().await;
    history_scene::fill(&site).await;
    let all = site.see("/messages").await;
    assert_eq!(all.status, StatusCode::OK);
    assert_eq!(linked(&all), [id(2).to_string(), id(1).to_string()]);
    all.has(&[
        ">carl@example.net</span> <span class=\"tag\" title=\"451 4.3.0 later\">queued</span>",
        ">bert@example.net</span> <span class=\"tag good\"",
        "4.1 KiB",
        "39 ms",
        "250 2.0.0 Queued",
        "2027-01-15 08:00:02",
    ]);
    for (search, expected) in [
        ("recipient=BERT%40example.net", &[id(1)][..]),
        ("recipient=c*", &[id(2)]),
        ("sender=anna@*&reason=deferred", &[id(2)]),
        ("sender=nobody", &[]),
        ("outcome=queued", &[id(2)]),
        ("storage=memory&path=fast", &[id(1)]),
        ("client_address=192.0.2.1&reason=", &[id(2), id(1)]),
        ("since=2027-01-15T08:00:02", &[id(2)]),
        ("until=2027-01-15T08:00:02&since=2027-01-15T08:00", &[id(1)]),
    ] {
        let found = site.see(&format!("/messages?{search}")).await;
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(linked(&found), expected, "{search}");
    }
    site.close().await;
}

#[tokio::test]
async fn a_search_for_one_id_goes_to_its_message() {
    let site = Site::open().await;
    let message = history_scene::fill(&site).await;
    let found = site
        .see(&format!("/messages?message_id={message}&sender="))
        .await;
    assert_eq!(found.status, StatusCode::SEE_OTHER);
    let place = found.headers[header::LOCATION].to_str().expect("text");
    assert_eq!(place, format!("/messages/{message}"));
    let unknown = site.see("/messages?message_id=0000000000011").await;
    assert_eq!(unknown.status, StatusCode::OK);
    assert!(
        unknown
            .text
            .contains("No message in the trail is like that.")
    );
    site.close().await;
}

#[tokio::test]
async fn pages_say_what_they_do_not_understand() {
    let site = Site::open().await;
    for (path, expected) in [
        ("/messages?weather=rain", "“weather” is unknown here."),
        ("/messages?sender=a&sender=b", "“sender” stands twice."),
        ("/audit?weather=rain", "“weather” is unknown here."),
        ("/queue?weather=rain", "“weather” is unknown here."),
        (
            "/queue?sort=weather",
            "Sort: “weather” is none of received_at,",
        ),
        ("/?range=year", "Range: “year” is none of hour, day, month."),
        ("/?weather=rain", "“weather” is unknown here."),
        (
            "/settings/next-hops/entry?weather=rain",
            "“weather” is unknown here.",
        ),
    ] {
        let page = site.see(path).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(page.text.contains(expected), "{path}: {}", page.text);
        assert!(!page.text.contains("expected"), "{path}: {}", page.text);
    }
    site.close().await;
}

#[tokio::test]
async fn what_is_wrong_stands_at_its_field_with_what_was_typed() {
    let site = Site::open().await;
    let search =
        "sender=*x&message_id=7&client_address=me&outcome=dozing&since=soon&recipient=kept";
    let page = site.see(&format!("/messages?{search}")).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    for name in ["sender", "message_id", "client_address", "outcome", "since"] {
        let described = format!("aria-invalid=\"true\" aria-describedby=\"{name}-problem\"");
        assert!(page.text.contains(&described), "{name}: {}", page.text);
        assert!(
            page.text.contains(&format!("id=\"{name}-problem\"")),
            "{name}"
        );
    }
    assert!(!page.text.contains("id=\"recipient-problem\""));
    for typed in [
        "value=\"*x\"",
        "value=\"me\"",
        "value=\"soon\"",
        "value=\"kept\"",
    ] {
        assert!(page.text.contains(typed), "{typed}: {}", page.text);
    }
    assert!(page.text.contains("<option value=\"dozing\" selected>"));
    site.close().await;
}

#[tokio::test]
async fn control_characters_are_looked_for_nowhere() {
    let site = Site::open().await;
    for name in ["sender", "recipient", "message_id", "reason", "since"] {
        let page = site.see(&format!("/messages?{name}=%00")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        let problem = format!("id=\"{name}-problem\">This has a control character.");
        assert!(page.text.contains(&problem), "{name}: {}", page.text);
    }
    for listing in ["sender=%00", "last_reply=%00", "recipient=*"] {
        let page = site.see(&format!("/queue?{listing}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{listing}");
    }
    site.close().await;
}

#[tokio::test]
async fn nasty_texts_are_shown_as_texts() {
    let site = Site::open().await;
    let nasty = "<script>alert(1)</script>\"'";
    let mut entry = delivered(
        1,
        "\"<script>alert(1)</script>\"@example.org",
        "bert@example.net",
    );
    entry.reply = format!("250 {nasty}");
    entry.client.helo = nasty.into();
    let words = format!("250 {nasty}");
    entry.delivered = Some(attempted(
        1,
        "bert@example.net",
        OutcomeKind::Delivered,
        &words,
    ));
    let store = &site.context.store;
    let appended = store.trail.append(vec![TrailEntry::Answered(entry)]).await;
    appended.expect("appended");
    let mut pages = vec![
        "/messages".to_owned(),
        format!("/messages/{}", id(1)),
        format!("/audit?who={NASTY}&action={NASTY}"),
    ];
    for name in [
        "sender",
        "recipient",
        "message_id",
        "outcome",
        "reason",
        "since",
        "before",
    ] {
        pages.push(format!("/messages?{name}={NASTY}"));
    }
    for path in pages {
        let page = site.see(&path).await;
        assert!(!page.text.contains("<script>"), "{path}: {}", page.text);
        let is_refused = page.status == StatusCode::UNPROCESSABLE_ENTITY;
        assert!(page.status == StatusCode::OK || is_refused, "{path}");
    }
    site.close().await;
}

#[tokio::test]
async fn pages_go_on_to_the_oldest_message_and_back_to_the_newest() {
    let site = Site::open().await;
    let count = i64::from(limits::PAGE_ITEMS) + 20;
    let entries = (1..=count).map(|second| {
        TrailEntry::Answered(delivered(second, "anna@example.org", "bert@example.net"))
    });
    let store = &site.context.store;
    store
        .trail
        .append(entries.collect())
        .await
        .expect("appended");
    let first = site.see("/messages?sender=anna%40example.org").await;
    assert_eq!(linked(&first).len(), limits::PAGE_ITEMS as usize);
    assert_eq!(link_to(&first, "To the newest"), None);
    let older = link_to(&first, "Older").expect("a link to the older ones");
    let older = older.replace("&#38;", "&");
    assert!(
        older.contains("sender=anna%40example.org&before="),
        "{older}"
    );
    let second = site.see(&older).await;
    let expected: Vec<String> = (1..=20)
        .rev()
        .map(|second| id(second).to_string())
        .collect();
    assert_eq!(linked(&second), expected);
    assert_eq!(link_to(&second, "Older"), None);
    let newest = link_to(&second, "To the newest").expect("a link to the newest");
    assert_eq!(newest, "/messages?sender=anna%40example.org");
    let beyond = site.see(&format!("/messages?before={}", id(1))).await;
    assert!(
        beyond.text.contains("There are no older ones."),
        "{}",
        beyond.text
    );
    site.close().await;
}

#[tokio::test]
async fn a_search_that_looked_far_says_where_it_stopped() {
    let site = Site::open().await;
    let count = i64::from(limits::TRAIL_SCAN_MESSAGES);
    // By its path, for which there is no index.
    let mut entries = vec![TrailEntry::Answered(AnsweredMessage {
        path: Path::Standard,
        ..delivered(1, "anna@example.org", "carl@example.net")
    })];
    entries.extend((2..=count + 1).map(|second| {
        TrailEntry::Answered(delivered(second, "anna@example.org", "bert@example.net"))
    }));
    site.context
        .store
        .trail
        .append(entries)
        .await
        .expect("appended");
    let search = "/messages?sender=anna%40example.org&path=standard";
    let none = site.see(search).await;
    assert_eq!(linked(&none), [""; 0]);
    assert!(
        none.text
            .contains("None found back to 2027-01-15 08:00:01."),
        "{}",
        none.text
    );
    let further = link_to(&none, "Look further back").expect("a link");
    let found = site.see(&further.replace("&#38;", "&")).await;
    assert_eq!(linked(&found), [id(1).to_string()]);
    site.close().await;
}

#[tokio::test]
async fn who_was_asked_for_stands_first_and_not_everybody_is_shown() {
    let site = Site::open().await;
    let mut entry = delivered(1, "anna@example.org", "bert@example.net");
    entry.delivered = None;
    entry.recipients = 6;
    let mut entries = vec![TrailEntry::Answered(entry)];
    entries.extend((0..6).map(|number| {
        let recipient = format!("user{number}@example.net");
        TrailEntry::Attempted(attempted(
            1,
            &recipient,
            OutcomeKind::Refused,
            "550 5.1.1 Nobody",
        ))
    }));
    site.context
        .store
        .trail
        .append(entries)
        .await
        .expect("appended");
    let page = site.see("/messages?recipient=User5*").await;
    let place = |part: &str| page.text.find(part);
    assert!(place("user5@example.net") < place("user0@example.net"));
    assert!(place("user4@example.net").is_none() && place("and 3 more").is_some());
    site.close().await;
}

#[tokio::test]
async fn a_trail_that_is_off_is_said() {
    let site = Site::open().await;
    assert!(
        site.see("/messages")
            .await
            .text
            .contains("No message has arrived yet.")
    );
    let changed = site
        .call("PATCH /api/v1/settings", r#"{"keep_trail": false}"#)
        .await;
    assert_eq!(changed.status, StatusCode::OK);
    assert!(
        site.see("/messages")
            .await
            .text
            .contains("The trail is switched off")
    );
    site.close().await;
}
