//! The queue's pages and its part of the API, over a store in a directory of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::*;
use crate::accounts::Role;
use crate::limits;
use crate::message::trail::{Attempted, TrailEntry};
use crate::message::words::OutcomeKind;
use crate::message::{
    Body, Client, DiskReason, Envelope, MemoryBudget, Message, MessageId, Recipient, Reservation,
    RowId, RowState,
};
use crate::smtp::address::{Mailbox, ReversePath};
use crate::smtp::command::BodyType;
use crate::store::{NewQueued, NewRow, QueueFilter};
use crate::web::access::Visitor;
use crate::web::origin::Origin;
use crate::web::testing::{Answer, Face, LOOPBACK};

const CONTENT: &str = "From: a@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nbody\r\n";

/// A message that came `age_seconds` ago, with one row.
fn queued(row: i64, age_seconds: i64, next_hop: &str, content: &str) -> NewQueued {
    let received_at = Timestamp::now() - SignedDuration::from_secs(age_seconds);
    let recipient = format!("user{row}@example.net");
    let recipient = Recipient::plain(Mailbox::parse(&recipient).expect("a mailbox"));
    let sender = Mailbox::parse("sender@example.org").expect("a mailbox");
    let message = Message {
        id: MessageId::from_i64(MessageId::earliest_at(received_at).as_i64() + row),
        received_at,
        client: Client {
            address: Some([192, 0, 2, 1].into()),
            helo: "client.example.org".into(),
            login: None,
        },
        envelope: Envelope {
            sender: ReversePath::Mailbox(sender),
            recipients: vec![recipient.clone()],
            body_type: BodyType::EightBitMime,
            smtputf8: false,
            ret: None,
            envelope_id: Some("envelope-7".to_owned()),
        },
        prefix: Bytes::from_static(b"Received: by test\r\n"),
        body: Arc::new(Body::in_memory(
            vec![Bytes::copy_from_slice(content.as_bytes())],
            Reservation::empty(MemoryBudget::new(0)),
        )),
        content_from: 0,
        for_clause_at: None,
        eight_bit: false,
        needs_smtputf8: false,
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
async fn face_with(rows: i64) -> Face {
    let face = Face::open(Ok(())).await;
    // The first ids of an empty store, which no report may get a second time.
    let allocated = face
        .context
        .store
        .allocate_rows(usize::try_from(rows).expect("few"));
    let all: Vec<i64> = allocated.iter().map(|row| row.0).collect();
    assert_eq!(all.first(), Some(&1));
    for piece in all.chunks(500) {
        let queued = piece
            .iter()
            .map(|&row| queued(row, 60 * (rows - row) + 1, "mx.example.net", CONTENT));
        let stored = face.context.store.insert(queued.collect()).await;
        stored.expect("stored");
    }
    face
}

async fn get(face: &Face, path: &str) -> Answer {
    face.ask(LOOPBACK, &format!("GET {path}"), &[], "").await
}

async fn post(face: &Face, path: &str, body: &str) -> Answer {
    let form = "Content-Type: application/x-www-form-urlencoded";
    face.ask(LOOPBACK, &format!("POST {path}"), &[form], body)
        .await
}

/// Follows a redirect to the listing.
async fn follow(face: &Face, answer: &Answer) -> Answer {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let to = answer.headers[header::LOCATION].to_str().expect("text");
    assert!(to.starts_with("/queue"), "{to}");
    get(face, to).await
}

fn check_has(answer: &Answer, parts: &[&str]) {
    for part in parts {
        assert!(
            answer.text.contains(part),
            "{part} is missing: {}",
            answer.text
        );
    }
}

fn check_lacks(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(!text.contains(part), "{part} is there: {text}");
    }
}

async fn meddle(face: &Face, sql: &'static str) {
    let options = SqliteConnectOptions::new()
        .filename(face.directory.path().join("appliance.db"))
        .foreign_keys(false);
    let mut connection = options.connect().await.expect("a connection");
    let done = sqlx::query(sql).execute(&mut connection).await;
    done.expect("the statement runs");
}

/// Rows in this state.
async fn count(face: &Face, state: Option<RowState>) -> u64 {
    let filter = QueueFilter {
        state,
        ..QueueFilter::default()
    };
    let counted = face.context.store.count_matching(&filter, Timestamp::now());
    counted.await.expect("readable")
}

#[tokio::test]
async fn the_listing_filters_sorts_and_pages() {
    let face = face_with(150).await;
    let page = get(&face, "/queue").await;
    assert_eq!(page.status, StatusCode::OK);
    check_has(
        &page,
        &[
            "150 recipients",
            "1–100 of 150",
            "user1@example.net",
            "user100@example.net",
            "href=\"/queue?page=2\"",
            "451 4.3.0 later",
            "aria-sort=\"descending\"",
            "/queue?sort=-received_at",
        ],
    );
    check_lacks(&page.text, &["user101@", "style=", "<script>", "onclick="]);
    let second = get(&face, "/queue?page=2").await;
    check_has(&second, &["user101@", "user150@", "101–150 of 150"]);
    let beyond = get(&face, "/queue?page=77").await;
    check_has(&beyond, &["user150@", "101–150 of 150"]);
    let sorted = get(&face, "/queue?sort=-received_at").await;
    check_has(&sorted, &["user150@", "aria-sort=\"ascending\""]);
    check_lacks(&sorted.text, &["user1@"]);
    let filtered = get(&face, "/queue?recipient=user14&state=&sender=").await;
    check_has(
        &filtered,
        &["11 recipients", "user14@", "user149@", "Show all"],
    );
    let none = get(&face, "/queue?recipient=nobody").await;
    check_has(&none, &["Nothing matches"]);
    for wrong in ["state=asleep", "weather=rain", "page=x"] {
        let answer = get(&face, &format!("/queue?{wrong}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    face.close().await;
}

#[tokio::test]
async fn a_selection_is_confirmed_and_done() {
    let face = face_with(5).await;
    let asked = "id=1&id=3&ids=4%2C3%2C99&selected=hold&back=sort%3D-attempts%26page%3D1";
    let confirmation = post(&face, "/queue/actions", asked).await;
    assert_eq!(confirmation.status, StatusCode::OK, "{}", confirmation.text);
    check_has(
        &confirmation,
        &[
            "Hold: 3 recipients",
            "until somebody releases it",
            "name=\"ids\" value=\"1,3,4,99\"",
            "name=\"expect\" value=\"3\"",
            "value=\"sort=-attempts\"",
            "user1@example.net",
        ],
    );
    check_lacks(&confirmation.text, &["user2@"]);
    assert_eq!(
        count(&face, Some(RowState::Held)).await,
        0,
        "nothing is done yet"
    );

    let done = "action=hold&ids=1%2C3%2C4%2C99&expect=3&back=sort%3D-attempts";
    let done = post(&face, "/queue/actions/confirmed", done).await;
    let page = follow(&face, &done).await;
    let parts = [
        "Held: 3 recipients.",
        "5 recipients <span class=\"quiet\">in the queue, 3 of them held</span>",
        "data-done",
        "Tries</a>",
    ];
    check_has(&page, &parts);
    assert_eq!(count(&face, Some(RowState::Held)).await, 3);

    // Two of three wait still, one is held already: it is said what is left alone.
    let mixed = post(&face, "/queue/actions", "id=1&id=2&id=5&selected=retry").await;
    check_has(
        &mixed,
        &[
            "Retry now: 3 recipients",
            "does not concern such a state: 1 recipient.",
            "Tries each recipient at once",
        ],
    );
    let done = post(
        &face,
        "/queue/actions/confirmed",
        "action=retry&ids=1,2,5&expect=3",
    )
    .await;
    check_has(
        &follow(&face, &done).await,
        &["Due now: 2 of 3 recipients."],
    );
    face.close().await;
}

#[tokio::test]
async fn a_selection_that_has_changed_is_confirmed_anew() {
    let face = face_with(3).await;
    post(&face, "/queue/actions", "id=1&id=2&selected=purge").await;
    meddle(&face, "DELETE FROM recipients WHERE id = 1").await;
    let confirmed = "action=purge&ids=1,2&expect=2";
    let answer = post(&face, "/queue/actions/confirmed", confirmed).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    check_has(
        &answer,
        &[
            "when you looked the count was 2, now it is 1. Nothing was done.",
            "Purge: 1 recipient<",
            "name=\"expect\" value=\"1\"",
        ],
    );
    assert_eq!(count(&face, None).await, 2);
    // Where nothing is left there is nothing to confirm.
    meddle(&face, "DELETE FROM recipients WHERE id = 2").await;
    let answer = post(
        &face,
        "/queue/actions/confirmed",
        "action=purge&ids=1,2&expect=1",
    )
    .await;
    check_has(&follow(&face, &answer).await, &["Nothing to do: purge."]);
    let answer = post(
        &face,
        "/queue/actions/confirmed",
        "action=purge&row=2&expect=1",
    )
    .await;
    check_has(&follow(&face, &answer).await, &["Nothing to do: purge."]);
    assert_eq!(count(&face, None).await, 1);
    face.close().await;
}

#[tokio::test]
async fn one_row_is_acted_on_without_being_selected() {
    let face = face_with(3).await;
    meddle(&face, "UPDATE recipients SET state = 'held' WHERE id = 2").await;
    meddle(&face, "UPDATE recipients SET state = 'asleep' WHERE id = 3").await;
    let page = get(&face, "/queue").await;
    check_has(
        &page,
        &[
            "name=\"row\" value=\"retry 1\"",
            "name=\"row\" value=\"release 2\"",
            "name=\"row\" value=\"retry 3\"",
            "<a href=\"/queue/1\" aria-label=\"… more to do for user1@example.net\">",
        ],
    );
    // What is ticked besides is not meant.
    let asked = "id=2&id=3&ids=4&row=retry+1&back=sort%3D-attempts";
    let confirmation = post(&face, "/queue/actions", asked).await;
    check_has(
        &confirmation,
        &[
            "Retry now: 1 recipient<",
            "name=\"row\" value=\"1\"",
            "user1@",
        ],
    );
    check_lacks(&confirmation.text, &["user2@", "user3@", "name=\"ids\""]);
    let confirmed = "action=retry&row=1&expect=1&back=sort%3D-attempts";
    let done = post(&face, "/queue/actions/confirmed", confirmed).await;
    let page = follow(&face, &done).await;
    check_has(&page, &["Due now: 1 recipient.", "data-done=\"1\""]);
    let again = "action=release&row=1&expect=1";
    let done = post(&face, "/queue/actions/confirmed", again).await;
    check_has(&follow(&face, &done).await, &["Nothing to do: release."]);
    let gone = post(&face, "/queue/actions", "row=purge+77").await;
    check_has(&follow(&face, &gone).await, &["Nothing was selected"]);
    for wrong in ["row=1", "row=purge", "row=purge+x", "row=fly+1"] {
        let answer = post(&face, "/queue/actions", wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    face.close().await;
}

#[tokio::test]
async fn nothing_is_done_to_nothing_and_nowhere_else_is_gone_to() {
    let face = face_with(1).await;
    for nothing in [
        "selected=purge",
        "selected=purge&id=77",
        "all=purge&back=sender%3Dnobody",
    ] {
        let answer = post(&face, "/queue/actions", nothing).await;
        check_has(&follow(&face, &answer).await, &["Nothing was selected"]);
    }
    for wrong in [
        "selected=fly&id=1",
        "id=1",
        "selected=purge&id=x",
        "selected=purge&id=1&back=%2F%2Fevil.example",
        "selected=purge&id=1&back=x%0D%0ALocation%3A%20evil",
    ] {
        let answer = post(&face, "/queue/actions", wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let unsaid = post(
        &face,
        "/queue/actions/confirmed",
        "action=purge&expect=many",
    )
    .await;
    assert_eq!(unsaid.status, StatusCode::BAD_REQUEST);
    assert_eq!(count(&face, None).await, 1);
    face.close().await;
}

#[tokio::test]
async fn all_that_match_are_only_touched_when_they_are_what_was_seen() {
    let face = face_with(20).await;
    let asked = "all=purge&back=recipient%3Duser1%252A%26page%3D1";
    let confirmation = post(&face, "/queue/actions", asked).await;
    check_has(
        &confirmation,
        &[
            "Purge: 11 recipients",
            "without telling the sender",
            "name=\"expect\" value=\"11\"",
            "user1*",
            "and 1 more",
        ],
    );
    let late = queued(111, 0, "mx.example.net", CONTENT);
    face.context.store.insert(vec![late]).await.expect("stored");
    let confirmed = "action=purge&expect=11&back=recipient%3Duser1%252A";
    let refused = post(&face, "/queue/actions/confirmed", confirmed).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    check_has(
        &refused,
        &[
            "when you looked the count was 11, now it is 12. Nothing was done.",
            "Purge: 12 recipients",
            "name=\"expect\" value=\"12\"",
        ],
    );
    assert_eq!(count(&face, None).await, 21);
    let confirmed = confirmed.replace("11", "12");
    let done = post(&face, "/queue/actions/confirmed", &confirmed).await;
    let page = follow(&face, &done).await;
    check_has(&page, &["Purged: 12 recipients.", "Nothing matches"]);
    assert_eq!(count(&face, None).await, 9);
    face.close().await;
}

#[tokio::test]
async fn five_thousand_are_held_released_and_returned_by_filter() {
    let face = face_with(5_000).await;
    for (action, words) in [
        ("hold", "Held: 5,000 recipients."),
        ("release", "Released: 5,000 recipients."),
        ("return", "Returned to the sender: 5,000 recipients."),
    ] {
        let body = format!("action={action}&expect=5000&back=recipient%3Duser");
        let done = post(&face, "/queue/actions/confirmed", &body).await;
        check_has(&follow(&face, &done).await, &[words]);
    }
    let filter = QueueFilter {
        recipient: Some("sender@example.org".into()),
        ..QueueFilter::default()
    };
    let reports = face.context.store.count_matching(&filter, Timestamp::now());
    assert_eq!(reports.await.expect("readable"), 5_000);
    assert_eq!(count(&face, None).await, 5_000, "only the reports are left");
    let newest = face.context.store.audit_page(None, 1).await;
    let entry = newest.expect("readable").remove(0);
    assert_eq!(entry.action, "queue: return");
    let expected = json!({"filter": {"recipient": "user"}, "chosen": 5_000, "affected": 5_000});
    assert_eq!(entry.after, Some(expected));
    face.close().await;
}

#[tokio::test]
async fn a_damaged_row_is_shown_and_purged() {
    let face = face_with(3).await;
    for damage in [
        "UPDATE recipients SET state = 'asleep', reason = 'rain', notify = CAST(x'ff' AS TEXT),
             next_attempt_at = 9223372036854775807, recipient = CAST(x'ff' AS TEXT) WHERE id = 2",
        "DELETE FROM bodies WHERE message = (SELECT message FROM recipients WHERE id = 2)",
        "DELETE FROM messages WHERE id = (SELECT message FROM recipients WHERE id = 2)",
    ] {
        meddle(&face, damage).await;
    }
    let page = get(&face, "/queue").await;
    check_has(
        &page,
        &["3 recipients", "user1@", "user3@", "tag damaged", "rain"],
    );
    let detail = get(&face, "/queue/2").await;
    assert_eq!(detail.status, StatusCode::OK);
    check_has(
        &detail,
        &[
            "The stored message is damaged: nothing is stored of it. Nothing of its content is there.",
            "The message cannot be read",
        ],
    );
    let source = get(&face, "/queue/2/source").await;
    assert_eq!(source.status, StatusCode::GONE);
    let confirmation = post(&face, "/queue/actions", "id=2&selected=purge").await;
    check_has(&confirmation, &["Purge: 1 recipient<", "tag damaged"]);
    let done = post(
        &face,
        "/queue/actions/confirmed",
        "action=purge&ids=2&expect=1",
    )
    .await;
    let page = follow(&face, &done).await;
    check_has(&page, &["Purged: 1 recipient.", "2 recipients"]);
    check_lacks(&page.text, &["tag damaged"]);
    assert_eq!(get(&face, "/queue/2").await.status, StatusCode::NOT_FOUND);
    face.close().await;
}

#[tokio::test]
async fn a_damaged_message_shows_what_is_left_of_it() {
    let face = face_with(1).await;
    meddle(&face, "UPDATE recipients SET state = 'damaged'").await;
    let whole = get(&face, "/queue/1").await;
    check_has(
        &whole,
        &["This row cannot be decoded; its message is as it was stored."],
    );
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
        meddle(&face, damage).await;
        let page = get(&face, "/queue/1").await;
        check_has(
            &page,
            &["The stored message is damaged: ", left, "Retry now"],
        );
    }
    face.close().await;
}

#[tokio::test]
async fn one_recipient_has_a_page_and_its_message_a_source() {
    let face = face_with(1).await;
    let large = format!(
        "Subject: large\r\n\r\n{}",
        "0123456789abcde\n".repeat(70_000)
    );
    let stored = queued(7, 10, "mx.example.net", &large);
    face.context
        .store
        .insert(vec![stored])
        .await
        .expect("stored");
    let page = get(&face, "/queue/1").await;
    check_has(
        &page,
        &[
            "user1@example.net",
            "192.0.2.1, called itself client.example.org",
            "envelope-7",
            "Received</dt><dd>by test",
            "Subject</dt><dd>Grüße",
            "/queue/1/source",
            "value=\"return\"",
        ],
    );
    let source = get(&face, "/queue/1/source").await;
    assert_eq!(source.status, StatusCode::OK);
    assert_eq!(source.text, format!("Received: by test\r\n{CONTENT}"));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "inline"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        assert_eq!(source.headers[&name], value, "{name}");
    }
    let cut = get(&face, "/queue/7/source").await;
    let note = "[cut here: these are the first 1.0 MiB of 1.1 MiB]\r\n";
    assert!(cut.text.ends_with(note), "{}", cut.text.len());
    let whole = usize::try_from(limits::SOURCE_BYTES).expect("small");
    assert_eq!(cut.text.len(), whole + 4 + note.len());
    for nowhere in ["/queue/99", "/queue/x", "/queue/99/source"] {
        assert_eq!(get(&face, nowhere).await.status, StatusCode::NOT_FOUND);
    }
    face.close().await;
}

#[tokio::test]
async fn a_next_hop_is_paused_and_resumed() {
    let face = face_with(1).await;
    let page = get(&face, "/queue").await;
    check_has(&page, &["Pause mx.example.net", "value=\"pause\""]);
    let body = "do=pause&next_hop=SMTP%3A%2F%2FMX.example.net&back=sort%3Dsender";
    let paused = post(&face, "/queue/next-hops", body).await;
    let page = follow(&face, &paused).await;
    check_has(
        &page,
        &[
            "is paused",
            "Resume mx.example.net",
            "tag held\">paused",
            "when resumed",
        ],
    );
    let settings = face.context.administration.settings();
    assert_eq!(settings.paused_next_hops, ["mx.example.net"]);
    assert!(settings.is_paused("mx.example.net"));
    let stored = face.context.store.load_settings().await.expect("readable");
    assert_eq!(stored.expect("stored").paused_next_hops, ["mx.example.net"]);

    // One that nobody waits for can be paused too, and keeps its button.
    let other = post(
        &face,
        "/queue/next-hops",
        "do=pause&next_hop=other.example%3A25",
    )
    .await;
    let parts = ["nothing has this name now", "Resume other.example:25"];
    check_has(&follow(&face, &other).await, &parts);
    let confirmation = post(&face, "/queue/actions", "id=1&selected=retry").await;
    check_has(&confirmation, &["paused next hop stays there"]);

    let wrong = post(&face, "/queue/next-hops", "do=pause&next_hop=a+%3Cb%3E").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    check_has(
        &wrong,
        &[
            "value=\"a &#60;b&#62;\"",
            "aria-invalid=\"true\"",
            "is not the name of a next hop",
        ],
    );
    let neither = post(&face, "/queue/next-hops", "do=x&next_hop=a").await;
    assert_eq!(neither.status, StatusCode::BAD_REQUEST);

    let resumed = post(
        &face,
        "/queue/next-hops",
        "do=resume&next_hop=mx.example.net",
    )
    .await;
    check_has(
        &follow(&face, &resumed).await,
        &["is resumed", "Pause mx.example.net"],
    );
    let settings = face.context.administration.settings();
    assert_eq!(settings.paused_next_hops, ["other.example:25"]);
    let audited = face.audited().await;
    assert_eq!(audited.len(), 3, "each change, and only those");
    face.close().await;
}

#[tokio::test]
async fn a_viewer_sees_the_envelope_and_no_buttons() {
    let face = face_with(1).await;
    let state = || axum::extract::State(Arc::clone(&face.context));
    let visitor = |role| {
        axum::Extension(Visitor {
            until: tokio::time::Instant::now() + limits::CHANGE_BEGIN_WAIT,
            name: "somebody".to_owned(),
            role,
            origin: Origin::of_this_machine(false),
        })
    };
    let text = async |response: axum::response::Response| {
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
        String::from_utf8(body.expect("a body").to_vec()).expect("UTF-8")
    };
    for (role, sees) in [(Role::Viewer, false), (Role::Operator, true)] {
        let page = listing(state(), visitor(role), Ok(Query(Vec::new()))).await;
        let page = text(page.into_response()).await;
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
        let path = axum::extract::Path("1".to_owned());
        let detail = recipient(state(), visitor(role), path).await;
        let detail = text(detail.into_response()).await;
        assert!(detail.contains("client.example.org"));
        for part in ["Grüße", "/source", "value=\"purge\""] {
            assert_eq!(detail.contains(part), sees, "{role} {part}");
        }
    }
    face.close().await;
}

#[tokio::test]
async fn markup_in_every_field_stays_text() {
    const ATTACK: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
    let face = Face::open(Ok(())).await;
    let content = format!("Subject: {ATTACK}\r\n{ATTACK}: x\r\n\r\n{ATTACK}\r\n");
    let stored = queued(1, 10, "mx.example.net", &content);
    face.context
        .store
        .insert(vec![stored])
        .await
        .expect("stored");
    meddle(
        &face,
        "UPDATE recipients SET recipient = x.attack, recipient_domain = x.attack,
             next_hop = x.attack, state = x.attack, reason = x.attack, last_reply = x.attack,
             notify = x.attack, original_recipient = x.attack
         FROM (SELECT '\"''><script>alert(1)</script><img src=x onerror=alert(1)>' AS attack) AS x",
    )
    .await;
    meddle(
        &face,
        "UPDATE messages SET sender = x.attack, client_address = x.attack, helo = x.attack,
             login = x.attack, body_type = x.attack, ret = x.attack, envelope_id = x.attack
         FROM (SELECT '\"''><script>alert(1)</script><img src=x onerror=alert(1)>' AS attack) AS x",
    )
    .await;
    let encoded: String = ATTACK.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let filtered: String = encoded.replace('%', "%25");
    let pages = [
        get(&face, "/queue").await,
        get(&face, "/queue?by=domain").await,
        get(
            &face,
            &format!("/queue?last_reply={encoded}&reason={encoded}&sender={encoded}"),
        )
        .await,
        get(
            &face,
            &format!("/queue?next_hop={encoded}&destination={encoded}"),
        )
        .await,
        get(&face, &format!("/queue?done={encoded}&affected=1&chosen=1")).await,
        get(&face, &format!("/queue?recipient={encoded}x")).await,
        get(&face, &format!("/queue?sort={encoded}")).await,
        get(&face, "/queue/1").await,
        post(&face, "/queue/actions", "id=1&selected=purge").await,
        post(
            &face,
            "/queue/actions",
            &format!("all=purge&back=sender%3D{filtered}"),
        )
        .await,
        post(&face, "/queue/actions", &format!("id=1&selected={encoded}")).await,
        post(
            &face,
            "/queue/next-hops",
            &format!("do=pause&next_hop={encoded}"),
        )
        .await,
    ];
    for (number, page) in pages.iter().enumerate() {
        check_lacks(&page.text, &["<script>alert", "<img", "'><script"]);
        let type_ = page.headers[header::CONTENT_TYPE].to_str().expect("text");
        assert!(type_.starts_with("text/html"), "{number}: {type_}");
    }
    let shown = &pages[7].text;
    let escaped = "&#60;script&#62;alert(1)&#60;/script&#62;";
    // In the envelope and beside it, in the header, in the title.
    assert!(shown.matches(escaped).count() >= 14, "{shown}");
    let source = get(&face, "/queue/1/source").await;
    check_has(&source, &[ATTACK]);
    assert_eq!(
        source.headers[header::CONTENT_TYPE],
        "text/plain; charset=utf-8"
    );
    face.close().await;
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
    let face = face_with(1).await;
    let store = &face.context.store;
    let item = store
        .queued_recipient(RowId(1), SignedDuration::ZERO)
        .await
        .expect("readable");
    let message = item.expect("it waits").item.message_id;
    for round in 0..11 {
        let others = (0..1_000).map(|number| {
            let recipient = format!("a{number}@example.net");
            attempted(message, &recipient, 100 - round, "451 busy")
        });
        store
            .append_trail(others.collect())
            .await
            .expect("appended");
    }
    let newest = attempted(message, "User1@example.net", 1, "451 the newest words");
    store.append_trail(vec![newest]).await.expect("appended");
    let page = get(&face, "/queue/1").await;
    check_has(&page, &["451 the newest words"]);
    check_lacks(&page.text, &["earlier ones are not shown", "451 busy"]);
    let shown = face.call("GET /api/v1/queue/1", "").await.json();
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
    store.append_trail(more.collect()).await.expect("appended");
    let page = get(&face, "/queue/1").await;
    check_has(
        &page,
        &[
            "the newest 500 events; earlier ones are not shown",
            "452 number 499",
        ],
    );
    check_lacks(&page.text, &["451 the newest words"]);
    let shown = face.call("GET /api/v1/queue/1", "").await.json();
    assert_eq!(shown["trail_is_shortened"], true);
    face.close().await;
}

#[tokio::test]
async fn the_api_shows_one_recipient_and_the_destinations() {
    let face = face_with(2).await;
    let shown = face.call("GET /api/v1/queue/1", "").await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    let shown = shown.json();
    assert_eq!(shown["recipient"], "user1@example.net");
    assert_eq!(shown["client_address"], "192.0.2.1");
    assert_eq!(shown["envelope_id"], "envelope-7");
    assert_eq!(shown["trail"], json!([]));

    let patch = r#"{"paused_next_hops": ["mx.example.net"]}"#;
    let patched = face.call("PATCH /api/v1/settings", patch).await;
    assert_eq!(patched.status, StatusCode::OK, "{}", patched.text);
    let table = face.call("GET /api/v1/queue/destinations", "").await.json();
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
    let by_domain = face.call("GET /api/v1/queue/destinations?by=domain&limit=1", "");
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
        assert_eq!(face.call(request, "").await.status, status, "{request}");
    }
    for request in ["GET /api/v1/queue/1", "GET /api/v1/queue/destinations"] {
        let answer = face.ask(LOOPBACK, request, &[], "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{request}");
    }
    face.close().await;
}
