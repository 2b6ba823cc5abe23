//! The settings as a file: exported and imported on the command line while the appliance runs.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::admin::admin;
use crate::support::appliance::{Appliance, Plan};
use crate::support::messages;
use crate::support::raw_sink::{RawSink, Script};
use crate::support::wait::{self, PATIENCE};

const USAGE: i32 = 64;
const DATA: i32 = 65;

async fn running() -> (Appliance, RawSink) {
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    (appliance, sink)
}

async fn setting(appliance: &Appliance, field: &str) -> Value {
    appliance.read("/api/v1/settings").await[field].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_counts_for_the_next_message() {
    let (appliance, sink) = running().await;
    let data = appliance.data_directory().to_owned();
    let exported = admin(&data, &["settings", "export"], "").await.well();
    assert!(
        exported.contains("memory_threshold_bytes = 32768"),
        "{exported}"
    );
    let changed = exported.replace(
        "memory_threshold_bytes = 32768",
        "memory_threshold_bytes = 1024",
    );

    let rehearsal = ["settings", "import", "--dry-run", "-"];
    let said = admin(&data, &rehearsal, &changed).await.well();
    assert_eq!(said.trim(), "would change: memory_threshold_bytes");
    let unchanged = setting(&appliance, "memory_threshold_bytes").await;
    assert_eq!(unchanged, 32_768);

    let said = admin(&data, &["settings", "import", "-"], &changed).await;
    let said = said.well();
    assert!(said.contains("changed: memory_threshold_bytes;"), "{said}");
    wait::until_true("the imported threshold", PATIENCE, || async {
        setting(&appliance, "memory_threshold_bytes").await == 1_024
    })
    .await;
    let mut client = appliance.client().await;
    let content = messages::of_size("beyond", 4_096);
    let reply = client
        .message("<a@example.org>", &["<b@example.net>"], &content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrivals = sink.wait_for_accepted(1).await;
    messages::assert_unchanged(&arrivals[0].content, &content);
    let counted = appliance.statistics().await["since_start"]["messages"].clone();
    assert_eq!(
        (&counted["split"], &counted["memory"]),
        (&json!(1), &json!(0))
    );

    let said = admin(&data, &["settings", "import", "-"], &changed).await;
    assert_eq!(said.well(), "nothing changed\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_right_behind_an_import_does_not_undo_it() {
    let (appliance, _sink) = running().await;
    let data = appliance.data_directory().to_owned();
    let exported = admin(&data, &["settings", "export"], "").await.well();
    let changed = exported.replace("retries_max = 0", "retries_max = 7");
    assert_ne!(changed, exported);
    admin(&data, &["settings", "import", "-"], &changed)
        .await
        .well();
    appliance.set(json!({ "ack_deadline_seconds": 5 })).await;
    assert_eq!(setting(&appliance, "retries_max").await, 7);
    assert_eq!(setting(&appliance, "ack_deadline_seconds").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_hold_changes_nothing() {
    let (appliance, _sink) = running().await;
    let data = appliance.data_directory().to_owned();
    let before = appliance.read("/api/v1/settings").await;
    let place = TempDir::new().unwrap();
    let file = place.path().join("mine.toml");
    std::fs::write(&file, "retries_max = 7\nweather = 1\npath = \"scenic\"\n").unwrap();
    let said = admin(&data, &["settings", "import", file.to_str().unwrap()], "").await;
    let said = said.failed(DATA);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].contains("mine.toml: path: "), "{said}");
    assert!(
        lines[1].contains("mine.toml: weather: there is no such setting"),
        "{said}"
    );
    let said = admin(&data, &["settings", "import", "-"], "retries_max = \n").await;
    assert!(said.failed(DATA).contains("line 1: "));
    // A change passes by the store first: what the import left there would come with it.
    appliance.set(json!({ "ack_deadline_seconds": 5 })).await;
    assert_eq!(
        setting(&appliance, "retries_max").await,
        before["retries_max"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_move_from_one_appliance_to_another() {
    let (one, _sink) = running().await;
    one.set(json!({
        "next_hops": [{"domain": "example.org", "address": "smtp://127.0.0.1:2601"}],
        "relay_domains": ["example.org"],
        "retry_schedule_seconds": [5, 10],
    }))
    .await;
    let place = TempDir::new().unwrap();
    let file = place.path().join("one.toml");
    let file = file.to_str().unwrap();
    let words = ["settings", "export", file];
    let said = admin(one.data_directory(), &words, "").await.well();
    assert_eq!(said, format!("written to {file}\n"));

    let (mut other, _sink) = running().await;
    other.terminate(PATIENCE).await;
    let words = ["settings", "import", file];
    admin(other.data_directory(), &words, "").await.well();
    let other = other.restart().await;
    assert_eq!(
        other.read("/api/v1/settings").await,
        one.read("/api/v1/settings").await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_appliance_is_nothing_is_made() {
    let place = TempDir::new().unwrap();
    let data = place.path().join("data");
    for words in [["settings", "export", "-"], ["settings", "import", "-"]] {
        let said = admin(&data, &words, "retries_max = 7\n").await;
        assert!(said.failed(USAGE).contains("there is no appliance"));
    }
    assert!(!data.exists());
}
