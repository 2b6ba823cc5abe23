//! A full disk: what needs it gets 452, what does not need it passes, nothing crashes, and all is well
//! again when space returns.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::support::appliance::Plan;
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

    // A file in the spool cannot be. What goes inline may find some room in the database's own
    // files; it is used up soon.
    let mut client = appliance.client().await;
    let reply = client
        .message(SENDER, TO_B, &messages::of_size("file", 2_000_000))
        .await;
    assert_full(&reply);
    let mut taken = 0;
    let reply = loop {
        let reply = client
            .message(SENDER, TO_B, &messages::of_size("inline", 100_000))
            .await;
        if reply.code != 250 {
            break reply;
        }
        taken += 1;
        assert!(taken < 500, "more was taken than the disk has room for");
    };
    assert_full(&reply);
    assert!(appliance.is_running());

    fs::remove_file(filler).unwrap();
    wait::until_true("mail to be taken again", PATIENCE, || async {
        let mut client = appliance.client().await;
        let content = messages::of_size("after", 100_000);
        client.message(SENDER, TO_B, &content).await.code == 250
    })
    .await;
    sink.heal();
    appliance.wait_for_queue(0).await;
    assert_eq!(
        sink.accepted().len(),
        taken + 1,
        "what was taken and what arrived differ"
    );
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

    // One byte over the threshold needs a file that cannot be: a local fault, never a 5xx.
    let reply = client
        .message(SENDER, TO_B, &messages::of_size("split", 200_000))
        .await;
    assert_full(&reply);
    assert!(appliance.is_running());
}
