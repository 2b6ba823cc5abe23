//! Destinations that do not offer 8BITMIME get 7-bit content, in which a reader finds the same texts and
//! attachments: Python's email package says so.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use crate::support::appliance::{Appliance, Plan};
use crate::support::messages;
use crate::support::peers::{self, SmtpSink, program};
use crate::support::raw_sink::{RawSink, Script};
use crate::support::wait::PATIENCE;

const SENDER: &str = "<a@example.org> BODY=8BITMIME";
const TO_B: &[&str] = &["<b@example.net>"];

/// A destination that knows nothing of 8BITMIME.
async fn seven_bit() -> (Appliance, RawSink) {
    let mut script = Script::accepting().offering("SIZE 100000000");
    script.capabilities.retain(|offered| offered != "8BITMIME");
    let sink = RawSink::start(script).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    (appliance, sink)
}

/// Messages of all structures, by name; those whose names say so cannot be converted.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mime");
    let entries = fs::read_dir(directory).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "eml"));
    files.sort();
    let named = files.iter().map(|file| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        (name, fs::read(file).unwrap())
    });
    named.collect()
}

/// What arrived, without the field that we put before it.
fn without_received(content: &[u8]) -> &[u8] {
    let mut end = 0;
    for (number, line) in content.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if number > 0 && !line.starts_with(b"\t") {
            break;
        }
        end += line.len();
    }
    &content[end..]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_finds_the_same_in_what_was_converted() {
    let (appliance, sink) = seven_bit().await;
    let place = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/compare_mime.py");
    let corpus = corpus();
    assert!(corpus.len() >= 25, "messages are missing");
    let mut arrived = 0;
    for (name, content) in &corpus {
        let reply = appliance
            .client()
            .await
            .message(SENDER, TO_B, content)
            .await;
        if name.contains("unconvertible") {
            assert_eq!(reply.code, 554, "{name}: {reply}");
            assert!(reply.text().starts_with("5.6.3 "), "{name}: {reply}");
            continue;
        }
        assert_eq!(reply.code, 250, "{name}: {reply}");
        let is_queued = reply.text().contains("Queued");
        assert_eq!(is_queued, !content.is_ascii(), "{name}: {reply}");
        arrived += 1;
        let arrivals = sink.wait_for_accepted(arrived).await;
        let converted = &arrivals[arrived - 1];
        assert!(converted.content.is_ascii(), "{name}: not 7-bit");
        assert!(
            !converted.sender.contains("BODY"),
            "{name}: {}",
            converted.sender
        );

        let (before, after) = (place.path().join("before"), place.path().join("after"));
        fs::write(&before, content).unwrap();
        fs::write(&after, without_received(&converted.content)).unwrap();
        let mut compare = Command::new(program("python3"));
        compare.arg(&script).args([&before, &after]);
        let output = peers::run(&mut compare, PATIENCE).await;
        assert!(
            output.status.success(),
            "{name}:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    appliance.wait_for_queue(0).await;
    let statistics = appliance.statistics().await;
    let reasons = &statistics["since_start"]["disk_reasons"];
    assert!(reasons["conversion"].as_u64() > Some(10), "{statistics}");
}

/// The size that MAIL announces is that of what is sent.
#[tokio::test(flavor = "multi_thread")]
async fn large_content_is_converted_on_its_way() {
    let (appliance, sink) = seven_bit().await;
    let line = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.\r\n";
    let content = format!("Subject: large\r\n\r\n{}", line.repeat(60_000));
    let reply = appliance
        .client()
        .await
        .message(SENDER, TO_B, content.as_bytes())
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrivals = sink.wait_for_accepted(1).await;
    let converted = &arrivals[0];
    assert!(converted.content.is_ascii());
    let announced = format!("SIZE={}", converted.content.len());
    assert!(
        converted.sender.contains(&announced),
        "{}",
        converted.sender
    );
}

/// Where nothing is queued it is converted before the reply; and who takes 8-bit content though it does
/// not say so gets it as it is.
#[tokio::test(flavor = "multi_thread")]
async fn conversion_by_settings() {
    let (appliance, sink) = seven_bit().await;
    let content = "Subject: one\r\n\r\nGrüße\r\n".as_bytes();
    appliance.set(json!({ "when_deferred": "pass" })).await;
    let mut client = appliance.client().await;
    let reply = client.message(SENDER, TO_B, content).await;
    assert!(reply.text().contains("Delivered"), "{reply}");
    let arrivals = sink.wait_for_accepted(1).await;
    assert!(arrivals[0].content.is_ascii());
    assert_eq!(appliance.queue_total().await, 0);

    appliance
        .set(json!({ "when_deferred": "queue", "next_hop_defaults": { "takes_eight_bit": true } }))
        .await;
    let reply = client.message(SENDER, TO_B, content).await;
    assert!(reply.text().contains("Delivered"), "{reply}");
    let arrivals = sink.wait_for_accepted(2).await;
    messages::assert_unchanged(&arrivals[1].content, content);
}

/// Postfix's smtp-sink without 8BITMIME takes all of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_takes_what_was_converted() {
    let sink = SmtpSink::start(&["-8"]).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut sent = 0;
    let mut client = appliance.client().await;
    for (name, content) in corpus() {
        if name.contains("unconvertible") {
            continue;
        }
        let reply = client.message(SENDER, TO_B, &content).await;
        assert_eq!(reply.code, 250, "{name}: {reply}");
        sent += 1;
    }
    appliance.wait_for_queue(0).await;
    sink.wait_for(sent).await;
}
