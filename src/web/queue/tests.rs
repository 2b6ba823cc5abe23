//! The queue's pages and its part of the API, over a store in a directory of its own.

use std::time::Duration;

use axum::http::{StatusCode, header};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::accounts::Role;
use crate::limits;
use crate::message::queue_filter::QueueFilter;
use crate::message::testing::message;
use crate::message::trail::{Attempted, TrailEntry};
use crate::message::words::OutcomeKind;
use crate::message::{DiskReason, Envelope, Message, MessageId, RowId, RowState};
use crate::smtp::address::Mailbox;
use crate::smtp::command::BodyType;
use crate::store::{NewQueued, NewRow};
use crate::web::testing::{Answer, LOOPBACK, Site};

const CONTENT: &str = "From: a@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nbody\r\n";

/// A message that came `age_seconds` ago, with one row.
fn queued(row: i64, age_seconds: i64, next_hop: &str, content: &str) -> NewQueued {
    let received_at = Timestamp::now() - SignedDuration::from_secs(age_seconds);
    let recipient = format!("user{row}@example.net");
    let message = message("sender@example.org", &[&recipient], content.as_bytes());
    let recipient = message.envelope.recipients[0].clone();
    let message = Message {
        id: MessageId::from_i64(MessageId::earliest_at(received_at).as_i64() + row),
        received_at,
        envelope: Envelope {
            body_type: BodyType::EightBitMime,
            envelope_id: Some("envelope-7".to_owned()),
            ..message.envelope
        },
        prefix: Bytes::from_static(b"Received: by test\r\n"),
        ..message
    };
    let row = NewRow {
        id: RowId(row),
        recipient,
        next_hop: next_hop.into(),
        state: RowState::Waiting,
        reason: DiskReason::Deferred,
        attempts: 2,
        last_reply: "451 4.3.0 later".into(),
        next_attempt_at: Timestamp::now() + SignedDuration::from_secs(3_600),
    };
    NewQueued {
        message: message.into(),
        rows: vec![row],
        kept_from: Timestamp::now(),
    }
}

/// Pages over a queue with rows 1 to `rows`; the first is the oldest.
async fn site_with(rows: i64) -> Site {
    let site = Site::open().await;
    // The first ids of an empty store, which no report may get a second time.
    let allocated = site
        .context
        .store
        .queue
        .allocate_rows(usize::try_from(rows).expect("few"));
    let all: Vec<i64> = allocated.iter().map(|row| row.0).collect();
    assert_eq!(all.first(), Some(&1));
    for piece in all.chunks(500) {
        let queued = piece
            .iter()
            .map(|&row| queued(row, 60 * (rows - row) + 1, "mx.example.net", CONTENT));
        let stored = site.context.store.queue.insert(queued.collect()).await;
        stored.expect("stored");
    }
    site
}

/// Follows a redirect to the listing.
async fn follow(site: &Site, answer: &Answer) -> Answer {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let to = answer.headers[header::LOCATION].to_str().expect("text");
    assert!(to.starts_with("/queue"), "{to}");
    site.see(to).await
}

async fn meddle(site: &Site, sql: &'static str) {
    let options = SqliteConnectOptions::new()
        .filename(site.directory.path().join("appliance.db"))
        .foreign_keys(false);
    let mut connection = options.connect().await.expect("a connection");
    let done = sqlx::query(sql).execute(&mut connection).await;
    done.expect("the statement runs");
}

/// Rows in this state.
async fn count(site: &Site, state: Option<RowState>) -> u64 {
    let filter = QueueFilter {
        state,
        ..QueueFilter::default()
    };
    let counted = site
        .context
        .store
        .queue_view
        .count_matching(&filter, Timestamp::now());
    counted.await.expect("readable")
}

#[tokio::test]
async fn the_listing_filters_sorts_and_pages() {
    let site = site_with(150).await;
    let page = site.see("/queue").await;
    assert_eq!(page.status, StatusCode::OK);
    page.has(&[
        "150 recipients",
        "1–100 of 150",
        "user1@example.net",
        "user100@example.net",
        "href=\"/queue?page=2\"",
        "451 4.3.0 later",
        "aria-sort=\"descending\"",
        "/queue?sort=-received_at",
    ]);
    page.lacks(&["user101@", "style=", "<script>", "onclick="]);
    let second = site.see("/queue?page=2").await;
    second.has(&["user101@", "user150@", "101–150 of 150"]);
    let beyond = site.see("/queue?page=77").await;
    beyond.has(&["user150@", "101–150 of 150"]);
    let sorted = site.see("/queue?sort=-received_at").await;
    sorted.has(&["user150@", "aria-sort=\"ascending\""]);
    sorted.lacks(&["user1@"]);
    let filtered = site.see("/queue?recipient=user14&state=&sender=").await;
    filtered.has(&["11 recipients", "user14@", "user149@", "Show all"]);
    let none = site.see("/queue?recipient=nobody").await;
    none.has(&["Nothing matches"]);
    for wrong in ["state=asleep", "weather=rain", "page=x"] {
        let answer = site.see(&format!("/queue?{wrong}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    site.close().await;
}

#[tokio::test]
async fn a_selection_is_confirmed_and_done() {
    let site = site_with(5).await;
    let asked = "id=1&id=3&ids=4%2C3%2C99&selected=hold&back=sort%3D-attempts%26page%3D1";
    let confirmation = site.post("/queue/actions", asked).await;
    assert_eq!(confirmation.status, StatusCode::OK, "{}", confirmation.text);
    confirmation.has(&[
        "Hold: 3 recipients",
        "until somebody releases it",
        "name=\"ids\" value=\"1,3,4,99\"",
        "name=\"expect\" value=\"3\"",
        "value=\"sort=-attempts\"",
        "user1@example.net",
    ]);
    confirmation.lacks(&["user2@"]);
    assert_eq!(
        count(&site, Some(RowState::Held)).await,
        0,
        "nothing is done yet"
    );

    let done = "action=hold&ids=1%2C3%2C4%2C99&expect=3&back=sort%3D-attempts";
    let done = site.post("/queue/actions/confirmed", done).await;
    let page = follow(&site, &done).await;
    let parts = [
        "Held: 3 recipients.",
        "5 recipients <span class=\"quiet\">in the queue, 3 of them held</span>",
        "data-done",
        "Tries</a>",
    ];
    page.has(&parts);
    assert_eq!(count(&site, Some(RowState::Held)).await, 3);

    // Two of three wait still, one is held already: it is said what is left alone.
    let mixed = site
        .post("/queue/actions", "id=1&id=2&id=5&selected=retry")
        .await;
    mixed.has(&[
        "Retry now: 3 recipients",
        "does not concern such a state: 1 recipient.",
        "Tries each recipient at once",
    ]);
    let done = site
        .post(
            "/queue/actions/confirmed",
            "action=retry&ids=1,2,5&expect=3",
        )
        .await;
    follow(&site, &done)
        .await
        .has(&["Due now: 2 of 3 recipients."]);
    site.close().await;
}

#[tokio::test]
async fn a_selection_that_has_changed_is_confirmed_anew() {
    let site = site_with(3).await;
    site.post("/queue/actions", "id=1&id=2&selected=purge")
        .await;
    meddle(&site, "DELETE FROM recipients WHERE id = 1").await;
    let confirmed = "action=purge&ids=1,2&expect=2";
    let answer = site.post("/queue/actions/confirmed", confirmed).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    answer.has(&[
        "when you looked the count was 2, now it is 1. Nothing was done.",
        "Purge: 1 recipient<",
        "name=\"expect\" value=\"1\"",
    ]);
    assert_eq!(count(&site, None).await, 2);
    // Where nothing is left there is nothing to confirm.
    meddle(&site, "DELETE FROM recipients WHERE id = 2").await;
    let answer = site
        .post("/queue/actions/confirmed", "action=purge&ids=1,2&expect=1")
        .await;
    follow(&site, &answer).await.has(&["Nothing to do: purge."]);
    let answer = site
        .post("/queue/actions/confirmed", "action=purge&row=2&expect=1")
        .await;
    follow(&site, &answer).await.has(&["Nothing to do: purge."]);
    assert_eq!(count(&site, None).await, 1);
    site.close().await;
}

#[tokio::test]
async fn one_row_is_acted_on_without_being_selected() {
    let site = site_with(3).await;
    meddle(&site, "UPDATE recipients SET state = 'held' WHERE id = 2").await;
    meddle(&site, "UPDATE recipients SET state = 'asleep' WHERE id = 3").await;
    let page = site.see("/queue").await;
    page.has(&[
        "name=\"row\" value=\"retry 1\"",
        "name=\"row\" value=\"release 2\"",
        "name=\"row\" value=\"retry 3\"",
        "<a href=\"/queue/1\" aria-label=\"… more to do for user1@example.net\">",
    ]);
    // What is ticked besides is not meant.
    let asked = "id=2&id=3&ids=4&row=retry+1&back=sort%3D-attempts";
    let confirmation = site.post("/queue/actions", asked).await;
    confirmation.has(&[
        "Retry now: 1 recipient<",
        "name=\"row\" value=\"1\"",
        "user1@",
    ]);
    confirmation.lacks(&["user2@", "user3@", "name=\"ids\""]);
    let confirmed = "action=retry&row=1&expect=1&back=sort%3D-attempts";
    let done = site.post("/queue/actions/confirmed", confirmed).await;
    let page = follow(&site, &done).await;
    page.has(&["Due now: 1 recipient.", "data-done=\"1\""]);
    let again = "action=release&row=1&expect=1";
    let done = site.post("/queue/actions/confirmed", again).await;
    follow(&site, &done).await.has(&["Nothing to do: release."]);
    let gone = site.post("/queue/actions", "row=purge+77").await;
    follow(&site, &gone).await.has(&["Nothing was selected"]);
    for wrong in ["row=1", "row=purge", "row=purge+x", "row=fly+1"] {
        let answer = site.post("/queue/actions", wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    site.close().await;
}

#[tokio::test]
async fn nothing_is_done_to_nothing_and_nowhere_else_is_gone_to() {
    let site = site_with(1).await;
    for nothing in [
        "selected=purge",
        "selected=purge&id=77",
        "all=purge&back=sender%3Dnobody",
    ] {
        let answer = site.post("/queue/actions", nothing).await;
        follow(&site, &answer).await.has(&["Nothing was selected"]);
    }
    for wrong in [
        "selected=fly&id=1",
        "id=1",
        "selected=purge&id=x",
        "selected=purge&id=1&back=%2F%2Fevil.example",
        "selected=purge&id=1&back=x%0D%0ALocation%3A%20evil",
    ] {
        let answer = site.post("/queue/actions", wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let unsaid = site
        .post("/queue/actions/confirmed", "action=purge&expect=many")
        .await;
    assert_eq!(unsaid.status, StatusCode::BAD_REQUEST);
    assert_eq!(count(&site, None).await, 1);
    site.close().await;
}

#[tokio::test]
async fn all_that_match_are_only_touched_when_they_are_what_was_seen() {
    let site = site_with(20).await;
    let asked = "all=purge&back=recipient%3Duser1%252A%26page%3D1";
    let confirmation = site.post("/queue/actions", asked).await;
    confirmation.has(&[
        "Purge: 11 recipients",
        "without telling the sender",
        "name=\"expect\" value=\"11\"",
        "user1*",
        "and 1 more",
    ]);
    let late = queued(111, 0, "mx.example.net", CONTENT);
    site.context
        .store
        .queue
        .insert(vec![late])
        .await
        .expect("stored");
    let confirmed = "action=purge&expect=11&back=recipient%3Duser1%252A";
    let refused = site.post("/queue/actions/confirmed", confirmed).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.has(&[
        "when you looked the count was 11, now it is 12. Nothing was done.",
        "Purge: 12 recipients",
        "name=\"expect\" value=\"12\"",
    ]);
    assert_eq!(count(&site, None).await, 21);
    let confirmed = confirmed.replace("11", "12");
    let done = site.post("/queue/actions/confirmed", &confirmed).await;
    let page = follow(&site, &done).await;
    page.has(&["Purged: 12 recipients.", "Nothing matches"]);
    assert_eq!(count(&site, None).await, 9);
    site.close().await;
}

#[tokio::test]
async fn five_thousand_are_held_released_and_returned_by_filter() {
    let site = site_with(5_000).await;
    for (action, words) in [
        ("hold", "Held: 5,000 recipients."),
        ("release", "Released: 5,000 recipients."),
        ("return", "Returned to the sender: 5,000 recipients."),
    ] {
        let body = format!("action={action}&expect=5000&back=recipient%3Duser");
        let done = site.post("/queue/actions/confirmed", &body).await;
        follow(&site, &done).await.has(&[words]);
    }
    let filter = QueueFilter {
        recipient: Some("sender@example.org".into()),
        ..QueueFilter::default()
    };
    let reports = site
        .context
        .store
        .queue_view
        .count_matching(&filter, Timestamp::now());
    assert_eq!(reports.await.expect("readable"), 5_000);
    assert_eq!(count(&site, None).await, 5_000, "only the reports are left");
    let newest = site.context.store.administration.audit_page(None, 1).await;
    let entry = newest.expect("readable").remove(0);
    assert_eq!(entry.action, "queue: return");
    let expected = json!({"filter": {"recipient": "user"}, "chosen": 5_000, "affected": 5_000});
    assert_eq!(entry.after, Some(expected));
    site.close().await;
}

#[tokio::test]
async fn a_damaged_row_is_shown_and_purged() {
    let site = site_with(3).await;
    for damage in [
        "UPDATE recipients SET state = 'asleep', reason = 'rain', notify = CAST(x'ff' AS TEXT),
             next_attempt_at = 9223372036854775807, recipient = CAST(x'ff' AS TEXT) WHERE id = 2",
        "DELETE FROM bodies WHERE message = (SELECT message FROM recipients WHERE id = 2)",
        "DELETE FROM messages WHERE id = (SELECT message FROM recipients WHERE id = 2)",
    ] {
        meddle(&site, damage).await;
    }
    let page = site.see("/queue").await;
    page.has(&["3 recipients", "user1@", "user3@", "tag damaged", "rain"]);
    let detail = site.see("/queue/2").await;
    assert_eq!(detail.status, StatusCode::OK);
    detail.has(&[
        "The stored message is damaged: nothing is stored of it. Nothing of its content is there.",
        "The message cannot be read",
    ]);
    let source = site.see("/queue/2/source").await;
    assert_eq!(source.status, StatusCode::GONE);
    let confirmation = site.post("/queue/actions", "id=2&selected=purge").await;
    confirmation.has(&["Purge: 1 recipient<", "tag damaged"]);
    let done = site
        .post("/queue/actions/confirmed", "action=purge&ids=2&expect=1")
        .await;
    let page = follow(&site, &done).await;
    page.has(&["Purged: 1 recipient.", "2 recipients"]);
    page.lacks(&["tag damaged"]);
    assert_eq!(site.see("/queue/2").await.status, StatusCode::NOT_FOUND);
    site.close().await;
}

#[tokio::test]
async fn a_damaged_message_shows_what_is_left_of_it() {
    let site = site_with(1).await;
    meddle(&site, "UPDATE recipients SET state = 'damaged'").await;
    let whole = site.see("/queue/1").await;
    whole.has(&["This row cannot be decoded; its message is as it was stored."]);
    for (damage, left) in [
        (
            "UPDATE bodies SET content = substr(content, 1, 50)",
            "50 B of 67 B of its content are there, and its header can be read at least in part.",
        ),
        (
            "UPDATE bodies SET content = zeroblob(67)",
            "67 B of 67 B of its content are there, and nothing of its header can be read.",
        ),
        (
            "DELETE FROM bodies",
            "it has no content. Nothing of its content is there.",
        ),
    ] {
        meddle(&site, damage).await;
        let page = site.see("/queue/1").await;
        page.has(&["The stored message is damaged: ", left, "Retry now"]);
    }
    site.close().await;
}

#[tokio::test]
async fn one_recipient_has_a_page_and_its_message_a_source() {
    let site = site_with(1).await;
    let large = format!(
        "Subject: large\r\n\r\n{}",
        "0123456789abcde\n".repeat(70_000)
    );
    let stored = queued(7, 10, "mx.example.net", &large);
    site.context
        .store
        .queue
        .insert(vec![stored])
        .await
        .expect("stored");
    let page = site.see("/queue/1").await;
    page.has(&[
        "user1@example.net",
        "192.0.2.1, called itself client.example.org",
        "envelope-7",
        "Received</dt><dd>by test",
        "Subject</dt><dd>Grüße",
        "/queue/1/source",
        "value=\"return\"",
    ]);
    let source = site.see("/queue/1/source").await;
    assert_eq!(source.status, StatusCode::OK);
    assert_eq!(source.text, format!("Received: by test\r\n{CONTENT}"));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "inline"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        assert_eq!(source.headers[&name], value, "{name}");
    }
    let cut = site.see("/queue/7/source").await;
    let note = "[cut here: these are the first 1.0 MiB of 1.1 MiB]\r\n";
    assert!(cut.text.ends_with(note), "{}", cut.text.len());
    let whole = usize::try_from(limits::SOURCE_BYTES).expect("small");
    assert_eq!(cut.text.len(), whole + 4 + note.len());
    for nowhere in ["/queue/99", "/queue/x", "/queue/99/source"] {
        assert_eq!(site.see(nowhere).await.status, StatusCode::NOT_FOUND);
    }
    site.close().await;
}

#[tokio::test]
async fn a_next_hop_is_paused_and_resumed() {
    let site = site_with(1).await;
    let page = site.see("/queue").await;
    page.has(&["Pause mx.example.net", "value=\"pause\""]);
    let body = "do=pause&next_hop=SMTP%3A%2F%2FMX.example.net&back=sort%3Dsender";
    let paused = site.post("/queue/next-hops", body).await;
    let page = follow(&site, &paused).await;
    page.has(&[
        "is paused",
        "Resume mx.example.net",
        "tag held\">paused",
        "when resumed",
    ]);
    let settings = site.context.administration.settings();
    assert_eq!(settings.paused_next_hops, ["mx.example.net"]);
    assert!(settings.is_paused("mx.example.net"));
    let stored = site
        .context
        .store
        .administration
        .load_settings()
        .await
        .expect("readable");
    assert_eq!(stored.expect("stored").paused_next_hops, ["mx.example.net"]);

    // One that nobody waits for can be paused too, and keeps its button.
    let other = site
        .post("/queue/next-hops", "do=pause&next_hop=other.example%3A25")
        .await;
    let parts = ["nothing has this name now", "Resume other.example:25"];
    follow(&site, &other).await.has(&parts);
    let confirmation = site.post("/queue/actions", "id=1&selected=retry").await;
    confirmation.has(&["paused next hop stays there"]);

    let wrong = site
        .post("/queue/next-hops", "do=pause&next_hop=a+%3Cb%3E")
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.has(&[
        "value=\"a &#60;b&#62;\"",
        "aria-invalid=\"true\"",
        "is not the name of a next hop",
    ]);
    let neither = site.post("/queue/next-hops", "do=x&next_hop=a").await;
    assert_eq!(neither.status, StatusCode::BAD_REQUEST);

    let resumed = site
        .post("/queue/next-hops", "do=resume&next_hop=mx.example.net")
        .await;
    follow(&site, &resumed)
        .await
        .has(&["is resumed", "Pause mx.example.net"]);
    let settings = site.context.administration.settings();
    assert_eq!(settings.paused_next_hops, ["other.example:25"]);
    let audited = site.audited().await;
    assert_eq!(audited.len(), 3, "each change, and only those");
    site.close().await;
}

#[tokio::test]
async fn a_viewer_sees_the_envelope_and_no_buttons() {
    let site = site_with(1).await;
    for (role, sees) in [(Role::Viewer, false), (Role::Operator, true)] {
        let cookie = site.cookie_of(role).await;
        let page = site.see_as(&cookie, "/queue").await.text;
        assert!(page.contains("user1@example.net"));
        for part in [
            "name=\"id\"",
            "name=\"row\"",
            "more to do",
            "value=\"purge\"",
            "value=\"pause\"",
            "Pause another",
        ] {
            assert_eq!(page.contains(part), sees, "{role} {part}");
        }
        let detail = site.see_as(&cookie, "/queue/1").await.text;
        assert!(detail.contains("client.example.org"));
        for part in ["Grüße", "/source", "value=\"purge\""] {
            assert_eq!(detail.contains(part), sees, "{role} {part}");
        }
    }
    site.close().await;
}

#[tokio::test]
async fn markup_in_every_field_stays_text() {
    const ATTACK: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
    let site = Site::open().await;
    let content = format!("Subject: {ATTACK}\r\n{ATTACK}: x\r\n\r\n{ATTACK}\r\n");
    let stored = queued(1, 10, "mx.example.net", &content);
    site.context
        .store
        .queue
        .insert(vec![stored])
        .await
        .expect("stored");
    meddle(
        &site,
        "UPDATE recipients SET recipient = x.attack, recipient_domain = x.attack,
             next_hop = x.attack, state = x.attack, reason = x.attack, last_reply = x.attack,
             notify = x.attack, original_recipient = x.attack
         FROM (SELECT '\"''><script>alert(1)</script><img src=x onerror=alert(1)>' AS attack) AS x",
    )
    .await;
    meddle(
        &site,
        "UPDATE messages SET sender = x.attack, client_address = x.attack, helo = x.attack,
             login = x.attack, body_type = x.attack, ret = x.attack, envelope_id = x.attack
         FROM (SELECT '\"''><script>alert(1)</script><img src=x onerror=alert(1)>' AS attack) AS x",
    )
    .await;
    let encoded: String = ATTACK.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let filtered: String = encoded.replace('%', "%25");
    let pages = [
        site.see("/queue").await,
        site.see("/queue?by=domain").await,
        site.see(&format!(
            "/queue?last_reply={encoded}&reason={encoded}&sender={encoded}"
        ))
        .await,
        site.see(&format!("/queue?next_hop={encoded}&destination={encoded}"))
            .await,
        site.see(&format!("/queue?done={encoded}&affected=1&chosen=1"))
            .await,
        site.see(&format!("/queue?recipient={encoded}x")).await,
        site.see(&format!("/queue?sort={encoded}")).await,
        site.see("/queue/1").await,
        site.post("/queue/actions", "id=1&selected=purge").await,
        site.post(
            "/queue/actions",
            &format!("all=purge&back=sender%3D{filtered}"),
        )
        .await,
        site.post("/queue/actions", &format!("id=1&selected={encoded}"))
            .await,
        site.post("/queue/next-hops", &format!("do=pause&next_hop={encoded}"))
            .await,
    ];
    for (number, page) in pages.iter().enumerate() {
        page.lacks(&["<script>alert", "<img", "'><script"]);
        let type_ = page.headers[header::CONTENT_TYPE].to_str().expect("text");
        assert!(type_.starts_with("text/html"), "{number}: {type_}");
    }
    let shown = &pages[7].text;
    let escaped = "&#60;script&#62;alert(1)&#60;/script&#62;";
    // In the envelope and beside it, in the header, in the title.
    assert!(shown.matches(escaped).count() >= 14, "{shown}");
    let source = site.see("/queue/1/source").await;
    source.has(&[ATTACK]);
    assert_eq!(
        source.headers[header::CONTENT_TYPE],
        "text/plain; charset=utf-8"
    );
    site.close().await;
}

/// An attempt for the message of the first row, so many seconds ago.
fn attempted(message: MessageId, recipient: &str, ago: i64, words: &str) -> TrailEntry {
    TrailEntry::Attempted(Attempted {
        message,
        recipient: Mailbox::parse(recipient).expect("a mailbox"),
        at: Timestamp::now() - SignedDuration::from_secs(ago),
        next_hop: "mx.example.net".into(),
        peer: None,
        outcome: OutcomeKind::Deferred,
        words: words.to_owned(),
        took: Duration::from_millis(1),
        tls: false,
    })
}

#[tokio::test]
async fn the_newest_attempts_are_shown_however_many_others_the_message_has() {
    let site = site_with(1).await;
    let store = &site.context.store;
    let item = store
        .queue_view
        .recipient(RowId(1), SignedDuration::ZERO)
        .await
        .expect("readable");
    let message = item.expect("it waits").item.message_id;
    for round in 0..11 {
        let others = (0..1_000).map(|number| {
            let recipient = format!("a{number}@example.net");
            attempted(message, &recipient, 100 - round, "451 busy")
        });
        store
            .trail
            .append(others.collect())
            .await
            .expect("appended");
    }
    let newest = attempted(message, "User1@example.net", 1, "451 the newest words");
    store.trail.append(vec![newest]).await.expect("appended");
    let page = site.see("/queue/1").await;
    page.has(&["451 the newest words"]);
    page.lacks(&["earlier ones are not shown", "451 busy"]);
    let shown = site.call("GET /api/v1/queue/1", "").await.json();
    assert_eq!(shown["trail"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown["trail_is_shortened"], false);

    let more = (0..limits::EVENTS_SHOWN).map(|number| {
        attempted(
            message,
            "user1@example.net",
            0,
            &format!("452 number {number}"),
        )
    });
    store.trail.append(more.collect()).await.expect("appended");
    let page = site.see("/queue/1").await;
    page.has(&[
        "the newest 500 events; earlier ones are not shown",
        "452 number 499",
    ]);
    page.lacks(&["451 the newest words"]);
    let shown = site.call("GET /api/v1/queue/1", "").await.json();
    assert_eq!(shown["trail_is_shortened"], true);
    site.close().await;
}

#[tokio::test]
async fn the_api_shows_one_recipient_and_the_destinations() {
    let site = site_with(2).await;
    let shown = site.call("GET /api/v1/queue/1", "").await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    let shown = shown.json();
    assert_eq!(shown["recipient"], "user1@example.net");
    assert_eq!(shown["client_address"], "192.0.2.1");
    assert_eq!(shown["envelope_id"], "envelope-7");
    assert_eq!(shown["trail"], json!([]));

    let patch = r#"{"paused_next_hops": ["mx.example.net"]}"#;
    let patched = site.call("PATCH /api/v1/settings", patch).await;
    assert_eq!(patched.status, StatusCode::OK, "{}", patched.text);
    let table = site.call("GET /api/v1/queue/destinations", "").await.json();
    let expected = json!({
        "by": "next_hop",
        "age_bounds_seconds": [300, 1_800, 7_200, 28_800, 86_400],
        "destinations": [{
            "destination": "mx.example.net", "recipients": 2, "by_age": [2, 0, 0, 0, 0, 0],
            "paused": true,
        }],
        "others": null,
        "paused_next_hops": ["mx.example.net"],
    });
    assert_eq!(table, expected);
    let by_domain = site.call("GET /api/v1/queue/destinations?by=domain&limit=1", "");
    let by_domain = by_domain.await.json();
    assert_eq!(by_domain["destinations"][0]["destination"], "example.net");
    assert_eq!(by_domain["destinations"][0]["paused"], false);
    for (request, status) in [
        ("GET /api/v1/queue/77", StatusCode::NOT_FOUND),
        ("GET /api/v1/queue/x", StatusCode::NOT_FOUND),
        (
            "GET /api/v1/queue/destinations?by=x",
            StatusCode::BAD_REQUEST,
        ),
        (
            "GET /api/v1/queue/destinations?x=1",
            StatusCode::BAD_REQUEST,
        ),
    ] {
        assert_eq!(site.call(request, "").await.status, status, "{request}");
    }
    for request in ["GET /api/v1/queue/1", "GET /api/v1/queue/destinations"] {
        let answer = site.ask(LOOPBACK, request, &[], "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{request}");
    }
    site.close().await;
}
