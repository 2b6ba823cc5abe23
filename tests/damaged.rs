//! Stored mail that is damaged on disk: it never leaves as something else, an administrator hears of it, a
//! repaired message goes out, and of what stays lost its sender is told.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqliteConnection};
use tokio::process::Command;

use crate::support::admin::admin;
use crate::support::appliance::{Appliance, BINARY, Plan};
use crate::support::raw_sink::{Answer, RawSink, Script};
use crate::support::wait::{self, PATIENCE};
use crate::support::{messages, peers};

const SENDER: &str = "<a@example.org>";
const TO_B: &[&str] = &["<b@example.net>"];

/// An appliance that was stopped with this message in its queue, for a destination that has come round since.
async fn stopped_with(content: &[u8], settings: Value) -> (Appliance, RawSink) {
    let later = Answer::say("450 4.2.1 Mailbox busy");
    let sink = RawSink::start(Script::accepting().any_recipient(later)).await;
    let mut appliance = Plan::new().next_hop(sink.address()).start().await;
    appliance.set(settings).await;
    let mut client = appliance.client().await;
    let reply = client.message(SENDER, TO_B, content).await;
    assert_eq!(reply.code, 250, "{reply}");
    assert!(appliance.terminate(PATIENCE).await.success());
    sink.heal();
    (appliance, sink)
}

/// Makes zeros of a page of the database that holds nothing but content.
fn lose_a_page(appliance: &Appliance, content: &[u8]) {
    let path = appliance.data_directory().join("appliance.db");
    let mut database = fs::read(&path).unwrap();
    let mut pages = database.chunks_exact_mut(4_096);
    let page = pages.find(|page| page[4..].iter().all(|byte| content.contains(byte)));
    page.expect("content fills a page").fill(0);
    fs::write(&path, database).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sqlite_cannot_read_is_damaged_too() {
    let lines = "yyyyyyyy\r\n".repeat(2_000);
    let content = format!("Subject: lost\r\n\r\n{lines}").into_bytes();
    let (appliance, sink) = stopped_with(&content, json!({ "retry_schedule_seconds": [1] })).await;
    lose_a_page(&appliance, b"y\r\n");
    let appliance = appliance.restart().await;
    let row = damaged_row(&appliance).await;
    assert_eq!(row["state"], "damaged");
    damage_alert(&appliance).await;
    assert!(sink.accepted().is_empty());
}

/// The settings cannot be read any more, and what waits can.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_read_of_a_damaged_database_is_saved() {
    let content = messages::small("saved");
    let (appliance, sink) = stopped_with(&content, json!({ "retry_schedule_seconds": [1] })).await;
    let data = appliance.data_directory().to_owned();
    let whole = admin(&data, &["repair"], "").await.well();
    assert!(whole.contains("nothing was changed"), "{whole}");
    let page: i64 = {
        let mut connection = connect(&appliance).await;
        let page = sqlx::query_scalar("SELECT rootpage FROM sqlite_schema WHERE name = 'settings'");
        page.fetch_one(&mut connection).await.unwrap()
    };
    let path = data.join("appliance.db");
    let mut database = fs::read(&path).unwrap();
    let page = usize::try_from(page).unwrap();
    database[(page - 1) * 4_096..page * 4_096].fill(0);
    fs::write(&path, &database).unwrap();

    let mut start = Command::new(BINARY);
    start.arg("serve").env_clear();
    start.env("FASTPATH_DATA_DIR", &data);
    start.env("FASTPATH_SMTP_LISTEN", "127.0.0.1:0");
    start.env("FASTPATH_WEB_LISTEN", "127.0.0.1:0");
    let ended = peers::run(&mut start, PATIENCE).await;
    assert_eq!(ended.status.code(), Some(74), "{ended:?}");
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(complaint.contains("fastpath admin repair"), "{complaint}");

    let repaired = admin(&data, &["repair"], "").await.well();
    assert!(
        repaired.contains("1 recipients in the queue\n"),
        "{repaired}"
    );
    assert!(repaired.contains("0 set of settings"), "{repaired}");
    assert!(data.join("appliance.db.damaged-1").is_file());
    let appliance = appliance.restart().await;
    let arrived = sink.wait_for_accepted(1).await;
    messages::assert_unchanged(&arrived[0].content, &content);
    appliance.wait_for_queue(0).await;
}

fn spool_file(appliance: &Appliance) -> PathBuf {
    let spool = fs::read_dir(appliance.data_directory().join("spool")).unwrap();
    let files: Vec<PathBuf> = spool.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

async fn connect(appliance: &Appliance) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(appliance.data_directory().join("appliance.db"))
        .foreign_keys(false)
        .connect()
        .await
        .unwrap()
}

async fn meddle(appliance: &Appliance, statement: &str) {
    let mut connection = connect(appliance).await;
    let statement = sqlx::query(AssertSqlSafe(statement.to_owned()));
    statement.execute(&mut connection).await.unwrap();
}

async fn damaged_row(appliance: &Appliance) -> Value {
    wait::until("a damaged row", PATIENCE, || async {
        appliance.queue("state=damaged").await.pop()
    })
    .await
}

async fn damage_alert(appliance: &Appliance) -> Value {
    wait::until("an alert", PATIENCE, || async {
        let answer = appliance.read("/api/v1/alerts").await;
        let alerts = answer["alerts"].as_array().unwrap().clone();
        alerts
            .into_iter()
            .find(|one| one["alert"] == "queue_damaged")
    })
    .await
}

fn far_away() -> Value {
    json!({ "retry_schedule_seconds": [1] })
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_content_is_an_alert_and_a_report() {
    let content = messages::of_size("the-original", 300_000);
    let soon = json!({ "retry_schedule_seconds": [1], "expire_after_seconds": 15 });
    let (appliance, sink) = stopped_with(&content, soon).await;
    fs::remove_file(spool_file(&appliance)).unwrap();
    let appliance = appliance.restart().await;
    let row = damaged_row(&appliance).await;
    let words = row["last_reply"].as_str().unwrap();
    assert!(
        words.starts_with("the stored message is damaged: "),
        "{words}"
    );
    let alert = damage_alert(&appliance).await;
    assert_eq!(alert["severity"], "critical", "{alert}");
    let report = sink.wait_for_accepted(1).await.remove(0);
    assert!(report.sender.starts_with("<>"), "{}", report.sender);
    assert_eq!(report.recipient_addresses(), ["a@example.org"]);
    let text = String::from_utf8(report.content).unwrap();
    for words in [
        "its content is lost",
        "Final-Recipient: rfc822;b@example.net",
        "Action: failed",
        "Status: 5.3.0",
        // All that is left is the field that we had put before it.
        "Content-Type: text/rfc822-headers",
        "Received: from",
    ] {
        assert!(text.contains(words), "{words} is missing:\n{text}");
    }
    assert!(!text.contains("the-original"), "{text}");
    appliance.wait_for_queue(0).await;
    assert_eq!(sink.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn zeros_are_no_message_and_a_repaired_one_goes_out() {
    let content = messages::of_size("the-original", 300_000);
    let (appliance, sink) = stopped_with(&content, far_away()).await;
    let file = spool_file(&appliance);
    let whole = fs::read(&file).unwrap();
    let mut zeros = whole.clone();
    zeros[8_192..].fill(0);
    fs::write(&file, &zeros).unwrap();
    let mut appliance = appliance.restart().await;
    let row = damaged_row(&appliance).await;
    // In vain as long as it is damaged.
    assert_eq!(appliance.act("retry", &[row["id"].clone()]).await, 1);
    damaged_row(&appliance).await;
    assert_eq!(sink.accepted().len(), 0);
    assert!(appliance.is_running());
    fs::write(&file, &whole).unwrap();
    assert_eq!(appliance.act("retry", &[row["id"].clone()]).await, 1);
    let arrived = sink.wait_for_accepted(1).await.remove(0);
    messages::assert_unchanged(&arrived.content, &content);
    appliance.wait_for_queue(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_content_is_compared_as_well_and_can_be_returned() {
    let content = messages::of_size("the-original", 6_000);
    let (appliance, sink) = stopped_with(&content, far_away()).await;
    meddle(
        &appliance,
        "UPDATE bodies SET content =
             CAST(substr(content, 1, 3000) || zeroblob(length(content) - 3000) AS BLOB)",
    )
    .await;
    let appliance = appliance.restart().await;
    let row = damaged_row(&appliance).await;
    assert_eq!(appliance.act("return", &[row["id"].clone()]).await, 1);
    let report = sink.wait_for_accepted(1).await.remove(0);
    let text = String::from_utf8(report.content).unwrap();
    assert!(text.contains("Subject: the-original"), "{text}");
    assert!(!text.contains('\0') && !text.contains("xxxxxxxx"), "{text}");
    appliance.wait_for_queue(0).await;
    assert_eq!(sink.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_decoded_stop_nobody() {
    let content = messages::small("the-original");
    let (appliance, sink) = stopped_with(&content, far_away()).await;
    for statement in [
        // The message of the first two rows has a sender that is none.
        "INSERT INTO messages SELECT id + 1, received_at, CAST(x'ff' AS TEXT), client_address, helo, login,
             prefix, content_bytes, eight_bit, needs_smtputf8, body_type, smtputf8, ret, envelope_id,
             CAST(x'ff' AS TEXT), received_at, content_from, for_clause_at, 7, -1 FROM messages",
        "INSERT INTO recipients SELECT id + 1, message + 1, 'nobody at all', recipient_domain, notify,
             original_recipient, next_hop, state, reason, attempts, last_reply, 0, 0, mail_host FROM recipients",
        "INSERT INTO recipients SELECT id + 2, message, 'c@example.net', recipient_domain, notify,
             original_recipient, next_hop, state, reason, attempts, last_reply, 0, 0, mail_host
             FROM recipients WHERE recipient = 'nobody at all'",
        // A state that nobody knows, and a message that is gone.
        "INSERT INTO recipients SELECT id + 9, message + 2, 'd@example.net', recipient_domain, notify,
             original_recipient, next_hop, 'asleep', reason, attempts, last_reply, 0, 0, mail_host
             FROM recipients WHERE recipient = 'b@example.net'",
    ] {
        meddle(&appliance, statement).await;
    }
    let appliance = appliance.restart().await;
    let arrived = sink.wait_for_accepted(1).await.remove(0);
    messages::assert_unchanged(&arrived.content, &content);
    // Nobody can be told of the first two; the last one's time is not over.
    appliance.wait_for_queue(1).await;
    let left = damaged_row(&appliance).await;
    assert_eq!(left["recipient"], "d@example.net", "{left}");
    damage_alert(&appliance).await;
    let mut client = appliance.client().await;
    let reply = client.message(SENDER, TO_B, &content).await;
    assert!(reply.text().contains("Delivered"), "{reply}");
    assert_eq!(appliance.act("purge", &[left["id"].clone()]).await, 1);
    appliance.wait_for_queue(0).await;
}
