//! A full disk: what needs it gets 452, what does not need it passes, nothing crashes, and all is well
//! again when space returns.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::support::appliance::{Appliance, Plan};
use crate::support::client::Reply;
use crate::support::messages;
use crate::support::raw_sink::{Answer, RawSink, Script};
use crate::support::wait::{self, PATIENCE};

const SENDER: &str = "<a@example.org>";
const TO_B: &[&str] = &["<b@example.net>"];

/// A small file system of its own, gone when this is dropped.
struct SmallDisk {
    place: TempDir,
}

impl SmallDisk {
    /// Mounts one, or says why that is not possible here: mounting needs root. In continuous
    /// integration it must be possible.
    fn mount(bytes: u64) -> Option<SmallDisk> {
        let place = TempDir::new().unwrap();
        let output = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={bytes},mode=0700"),
                "fastpath-scene",
            ])
            .arg(place.path())
            .output()
            .unwrap();
        if output.status.success() {
            return Some(SmallDisk { place });
        }
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            std::env::var_os("CI").is_none(),
            "no small disk can be mounted: {complaint}"
        );
        eprintln!("THIS SCENE WAS LEFT OUT: mounting a small disk needs root: {complaint}");
        None
    }

    fn path(&self) -> &Path {
        self.place.path()
    }

    /// Writes until nothing more fits.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).unwrap();
        for block in [65_536, 4_096, 1] {
            while file.write_all(&vec![0; block]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_temporary_failure() {
    let Some(disk) = SmallDisk::mount(24 * 1_048_576) else {
        return;
    };
    // Nothing leaves, so that everything taken needs room.
    let later = Answer::say("450 4.2.1 Mailbox busy");
    let sink = RawSink::start(Script::accepting().any_recipient(later)).await;
    let data = disk.path().join("data");
    let mut appliance = Plan::new()
        .next_hop(sink.address())
        .data_directory(&data)
        .start()
        .await;
    appliance
        .set(json!({ "path": "standard", "retry_schedule_seconds": [1] }))
        .await;
    let filler = disk.fill();

    // Everything would have to be stored: it is not even begun.
    let reply = wait::until("a refusal", PATIENCE, || async {
        let mut client = appliance.client().await;
        client.send(b"MAIL FROM:<a@example.org>\r\n").await.unwrap();
        client.reply().await.filter(|reply| reply.code != 250)
    })
    .await;
    assert_full(&reply);
    assert!(appliance.is_running());

    fs::remove_file(filler).unwrap();
    wait::until_true("mail to be taken again", PATIENCE, || async {
        let mut client = appliance.client().await;
        client.send(b"MAIL FROM:<a@example.org>\r\n").await.unwrap();
        client.reply().await.is_some_and(|reply| reply.code == 250)
    })
    .await;
    let mut client = appliance.client().await;
    let content = messages::of_size("after", 100_000);
    let reply = client.message(SENDER, TO_B, &content).await;
    assert_eq!(reply.code, 250, "{reply}");
    sink.heal();
    appliance.wait_for_queue(0).await;
    assert_eq!(sink.accepted().len(), 1);
}

/// Bytes that are free.
fn free_bytes(disk: &SmallDisk) -> u64 {
    let figures = rustix::fs::statvfs(disk.path()).unwrap();
    figures.f_bavail * figures.f_frsize
}

/// Sends messages of this size that wait in the queue, until one is not taken; gives how many were.
async fn fill_with_mail(appliance: &Appliance, bytes: usize) -> usize {
    let mut client = appliance.client().await;
    for taken in 0..1_000 {
        let content = messages::of_size(&format!("number {taken}"), bytes);
        let reply = client.message(SENDER, TO_B, &content).await;
        if reply.code != 250 {
            assert_full(&reply);
            return taken;
        }
    }
    panic!("more was taken than the disk has room for");
}

async fn with_a_queue_on(disk: &SmallDisk) -> (Appliance, RawSink) {
    let later = Answer::say("450 4.2.1 Mailbox busy");
    let sink = RawSink::start(Script::accepting().any_recipient(later)).await;
    let data = disk.path().join("data");
    let appliance = Plan::new()
        .next_hop(sink.address())
        .data_directory(&data)
        .start()
        .await;
    appliance
        .set(json!({ "retry_schedule_seconds": [1] }))
        .await;
    (appliance, sink)
}

/// Not even the smallest disk is filled by mail to the last block.
#[tokio::test(flavor = "multi_thread")]
async fn mail_leaves_a_part_of_the_disk_free() {
    for (megabytes, bytes) in [(24, 200_000), (24, 20_000), (6, 200_000)] {
        let Some(disk) = SmallDisk::mount(megabytes << 20) else {
            return;
        };
        let (appliance, sink) = with_a_queue_on(&disk).await;
        let taken = fill_with_mail(&appliance, bytes).await;
        assert!(taken > 4, "{taken} messages on {megabytes} MB");
        let free = free_bytes(&disk);
        assert!(
            free > (megabytes << 20) / 16,
            "{free} bytes are left of {megabytes} MB"
        );
        wait::until_true("an alert", PATIENCE, || async {
            let alerts = appliance.read("/api/v1/alerts").await;
            alerts.to_string().contains("\"disk_full\"")
        })
        .await;
        // What can be delivered at once needs no disk.
        sink.heal();
        let mut client = appliance.client().await;
        let reply = client
            .message(SENDER, TO_B, &messages::small("at once"))
            .await;
        assert!(reply.text().contains("Delivered"), "{reply}");
        appliance.wait_for_queue(0).await;
        assert_eq!(sink.accepted().len(), taken + 1, "{megabytes} {bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_does_not_keep_the_queue_from_leaving() {
    for bytes in [200_000, 20_000] {
        let Some(disk) = SmallDisk::mount(6 << 20) else {
            return;
        };
        let (mut appliance, sink) = with_a_queue_on(&disk).await;
        let taken = fill_with_mail(&appliance, bytes).await;
        appliance.kill().await;
        disk.fill();
        assert_eq!(free_bytes(&disk), 0);
        sink.heal();
        let mut appliance = appliance.restart().await;
        appliance.wait_for_queue(0).await;
        assert_eq!(sink.accepted().len(), taken);
        assert!(appliance.is_running());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_trail_is_begun_anew_and_keeps_no_mail_back() {
    for damage in ["no database at all", "pages of noise", "cut off"] {
        let sink = RawSink::start(Script::accepting()).await;
        let mut appliance = Plan::new().next_hop(sink.address()).start().await;
        assert!(appliance.terminate(PATIENCE).await.success());
        let file = appliance.data_directory().join("history.db");
        let whole = fs::read(&file).unwrap();
        let damaged = match damage {
            "no database at all" => b"garbage".repeat(1_000),
            "cut off" => whole[..whole.len() / 2 + 100].to_vec(),
            _ => [whole[..4_096].to_vec(), vec![0x5a; whole.len() - 4_096]].concat(),
        };
        fs::write(&file, &damaged).unwrap();
        let appliance = appliance.restart().await;
        let mut client = appliance.client().await;
        let reply = client.message(SENDER, TO_B, &messages::small("one")).await;
        assert!(reply.text().contains("Delivered"), "{damage}: {reply}");
        wait::until_true("an alert", PATIENCE, || async {
            let alerts = appliance.read("/api/v1/alerts").await;
            alerts.to_string().contains("\"trail_begun_anew\"")
        })
        .await;
        let trail = appliance.read("/api/v1/messages").await;
        assert_eq!(trail["items"].as_array().unwrap().len(), 1, "{damage}");
        let aside = file.with_extension("db.damaged");
        assert_eq!(fs::read(&aside).unwrap(), damaged, "it is left as it was");
    }
}

fn assert_full(reply: &Reply) {
    assert_eq!(reply.code, 452, "{reply}");
    assert!(reply.text().starts_with("4.3.1 "), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_path_needs_no_disk() {
    let Some(disk) = SmallDisk::mount(24 * 1_048_576) else {
        return;
    };
    let sink = RawSink::start(Script::accepting()).await;
    let data = disk.path().join("data");
    let mut appliance = Plan::new()
        .next_hop(sink.address())
        .data_directory(&data)
        .start()
        .await;
    disk.fill();
    let mut client = appliance.client().await;
    for number in 0..20 {
        let content = messages::small(&format!("number {number}"));
        let reply = client.message(SENDER, TO_B, &content).await;
        assert!(
            reply.code == 250 && reply.text().contains("Delivered"),
            "{reply}"
        );
    }
    assert_eq!(sink.accepted().len(), 20);

    // One byte over the threshold needs a file that cannot be: a local fault, never a 5xx. Who says how
    // large the message is hears it before it is sent.
    let reply = client
        .message(SENDER, TO_B, &messages::of_size("split", 200_000))
        .await;
    assert_full(&reply);
    client
        .send(b"MAIL FROM:<a@example.org> SIZE=200000\r\n")
        .await
        .unwrap();
    assert_full(&client.reply().await.unwrap());
    assert!(appliance.is_running());
}
