//! Backup and restore: a copy taken under load has every message of its moment, and what is no whole
//! backup is not restored.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::admin::admin;
use crate::support::appliance::{Appliance, Plan};
use crate::support::ledger::{Ledger, Load, ONE_DOMAIN};
use crate::support::messages;
use crate::support::raw_sink::{Answer, RawSink, Script};
use crate::support::turn;
use crate::support::wait::{self, PATIENCE};

/// Messages that wait while the backup is taken: half of them small enough for the database, half of
/// them files in the spool.
const WAITING: usize = 40;
const SIZES: [usize; 2] = [2_000, 150_000];
/// Deliveries of the load before the backup begins, so that it is in the middle of it.
const UNDER_WAY: usize = 30;
const USAGE: i32 = 64;
const DATA: i32 = 65;
const LOCKED: i32 = 75;

/// A destination that has no mailbox for `waits@example.net` yet.
async fn sink() -> RawSink {
    let later = Answer::say("450 4.2.1 Come back later");
    RawSink::start(Script::accepting().recipient("waits@example.net", later)).await
}

/// Puts messages into the queue, by their subjects.
async fn fill(appliance: &Appliance, count: usize) -> BTreeMap<String, Vec<u8>> {
    let mut client = appliance.client().await;
    let mut waiting = BTreeMap::new();
    for number in 0..count {
        let subject = format!("waiting {number}");
        let content = messages::of_size(&subject, SIZES[number % SIZES.len()]);
        let reply = client
            .message("<a@example.org>", &["<waits@example.net>"], &content)
            .await;
        assert_eq!(reply.code, 250, "{reply}");
        waiting.insert(subject, content);
    }
    client.quit().await;
    waiting
}

/// An appliance with messages in its queue that was told to stop.
async fn stopped_with_queue(count: usize) -> (Appliance, RawSink) {
    let sink = sink().await;
    let mut appliance = Plan::new().next_hop(sink.address()).start().await;
    fill(&appliance, count).await;
    appliance.terminate(PATIENCE).await;
    (appliance, sink)
}

async fn retry_all(appliance: &Appliance) {
    let rows = appliance.queue("limit=200").await;
    let ids: Vec<Value> = rows.iter().map(|row| row["id"].clone()).collect();
    let body = json!({ "action": "retry", "ids": ids });
    appliance
        .call(Method::POST, "/api/v1/queue/actions", Some(body))
        .await;
}

/// Everything below `directory` is for its owner only.
fn check_private(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has {mode:o}", entry.path().display());
        if entry.path().is_dir() {
            check_private(&entry.path());
        }
    }
}

fn path(directory: &Path) -> &str {
    directory.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_has_every_message_of_its_moment() {
    let _turn = turn::take().await;
    let sink = sink().await;
    let mut appliance = Plan::new().next_hop(sink.address()).start().await;
    // On the standard path all of the load goes through rows and spool files, which come and go.
    appliance.set(json!({ "path": "standard" })).await;
    let waiting = fill(&appliance, WAITING).await;

    let place = TempDir::new().unwrap();
    let (backup, data) = (place.path().join("backup"), place.path().join("data"));
    let ledger = Arc::new(Ledger::default());
    let load = Load::start(appliance.smtp(), 4, 7, ONE_DOMAIN, &ledger);
    wait::until_true("a load", PATIENCE, || async {
        ledger.promised() > UNDER_WAY
    })
    .await;
    let before = ledger.promised();
    let said = admin(appliance.data_directory(), &["backup", path(&backup)], "").await;
    let under_load = ledger.promised() - before;
    load.stop().await;
    let said = said.well();
    println!("{under_load} deliveries promised meanwhile; {said}");
    assert!(said.contains("backed up to"), "{said}");
    check_private(&backup);
    appliance.kill().await;

    let said = admin(&data, &["restore", path(&backup)], "").await.well();
    assert!(said.contains("delivered again"), "{said}");
    sink.heal();
    let old = sink.accepted().len();
    let restored = Plan::new().data_directory(&data).start().await;
    assert_eq!(restored.queue("state=damaged").await, Vec::<Value>::new());
    // The copied settings, not those of a first start: mail goes where it went before.
    let settings = restored.read("/api/v1/settings").await;
    assert_eq!(settings["path"], "standard");
    wait::until_true("an empty queue", Duration::from_secs(60), || async {
        retry_all(&restored).await;
        restored.queue_total().await == 0
    })
    .await;
    let mut arrived = BTreeMap::new();
    for arrival in &sink.accepted()[old..] {
        let subject = messages::header(&arrival.content, "Subject").unwrap();
        arrived.insert(subject, arrival.content.clone());
    }
    for (subject, content) in &waiting {
        let arrival = arrived.get(subject);
        let arrival = arrival.unwrap_or_else(|| panic!("“{subject}” was not in the backup"));
        messages::assert_unchanged(arrival, content);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_its_content_is_left_out() {
    let (appliance, _sink) = stopped_with_queue(2).await;
    let spool = appliance.data_directory().join("spool");
    let files: Vec<_> = fs::read_dir(&spool).unwrap().collect();
    assert_eq!(files.len(), 1, "one of two is a file");
    for file in files {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    let place = TempDir::new().unwrap();
    let (backup, data) = (place.path().join("backup"), place.path().join("data"));
    let said = admin(appliance.data_directory(), &["backup", path(&backup)], "").await;
    let said = said.well();
    assert!(said.contains("1 message for 1 recipient"), "{said}");
    assert!(said.contains("1 left out"), "{said}");
    admin(&data, &["restore", path(&backup)], "").await.well();
    let restored = Plan::new().data_directory(&data).start().await;
    assert_eq!(restored.queue_total().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_over() {
    let sink = sink().await;
    let mut appliance = Plan::new().next_hop(sink.address()).start().await;
    let place = TempDir::new().unwrap();
    let backup = place.path().join("backup");
    let data = appliance.data_directory().to_owned();
    admin(&data, &["backup", path(&backup)], "").await.well();

    let said = admin(&data, &["backup", path(&backup)], "")
        .await
        .failed(USAGE);
    assert!(said.contains("is not empty"), "{said}");
    let inside = data.join("backup");
    let said = admin(&data, &["backup", path(&inside)], "").await;
    let said = said.failed(USAGE);
    assert!(said.contains("is inside the data directory"), "{said}");
    assert!(!inside.exists());
    let elsewhere = place.path().join("elsewhere");
    let said = admin(&elsewhere, &["backup", path(&elsewhere)], "").await;
    let said = said.failed(USAGE);
    assert!(said.contains("there is no appliance"), "{said}");
    assert!(!elsewhere.exists());
    let said = admin(&data, &["restore", path(&backup)], "").await;
    let said = said.failed(LOCKED);
    assert!(said.contains("in use"), "{said}");
    appliance.terminate(PATIENCE).await;
    let said = admin(&data, &["restore", path(&backup)], "").await;
    let said = said.failed(USAGE);
    assert!(said.contains("is not empty"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_lost_something_is_not_restored() {
    let (appliance, _sink) = stopped_with_queue(2).await;
    let place = TempDir::new().unwrap();
    let (backup, data) = (place.path().join("backup"), place.path().join("data"));
    admin(appliance.data_directory(), &["backup", path(&backup)], "")
        .await
        .well();
    let file = fs::read_dir(backup.join("spool")).unwrap().next().unwrap();
    let file = fs::File::options()
        .write(true)
        .open(file.unwrap().path())
        .unwrap();
    file.set_len(149_999).unwrap();
    let said = admin(&data, &["restore", path(&backup)], "").await;
    let said = said.failed(DATA);
    assert!(said.contains("missing or too short"), "{said}");
    assert!(!data.exists(), "nothing is begun");
}
