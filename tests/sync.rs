//! What touches the disk, and when, as the kernel sees it: nothing of a message on the memory path,
//! and on the standard path a sync between the row and every 250.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::appliance::{Appliance, Plan};
use crate::support::messages;
use crate::support::peers::{self, SmtpSink, program};
use crate::support::raw_sink::{Answer, RawSink, Script};
use crate::support::turn;
use crate::support::wait::{self, PATIENCE};

/// What strace is asked to note: the syncs, and every call that carries bytes.
const CALLS: &str = "trace=fsync,fdatasync,sync_file_range,read,recvfrom,write,pwrite64,writev,pwritev,sendto,sendmsg";

/// One system call. Lines of the note are its clock: a call ends in a later line than it began when
/// another thread's stood between.
#[derive(Debug)]
struct Call {
    began: usize,
    ended: usize,
    name: String,
    text: String,
}

impl Call {
    fn is_sync(&self) -> bool {
        matches!(
            self.name.as_str(),
            "fsync" | "fdatasync" | "sync_file_range"
        )
    }

    fn is_read(&self) -> bool {
        matches!(self.name.as_str(), "read" | "recvfrom")
    }

    fn is_write(&self) -> bool {
        !self.is_sync() && !self.is_read()
    }

    /// Whether its first argument is a file whose path has `part`, or a socket with `part` at an end.
    fn is_on(&self, part: &str) -> bool {
        self.text
            .split(", ")
            .next()
            .is_some_and(|descriptor| descriptor.contains(part))
    }
}

/// Reads what strace noted: calls in the order in which they began, the halves of interrupted ones
/// put together.
fn calls(note: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut under_way: HashMap<&str, Call> = HashMap::new();
    for (number, line) in note.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else {
            continue;
        };
        let text = text.trim_start();
        if let Some(rest) = text.strip_prefix("<... ") {
            if let Some(mut call) = under_way.remove(thread) {
                call.text
                    .push_str(rest.split_once("resumed>").map_or("", |(_, rest)| rest));
                call.ended = number;
                calls.push(call);
            }
            continue;
        }
        let Some((name, arguments)) = text.split_once('(') else {
            continue;
        };
        let call = Call {
            began: number,
            ended: number,
            name: name.to_owned(),
            text: arguments.to_owned(),
        };
        match arguments.strip_suffix("<unfinished ...>") {
            Some(first_half) => drop(under_way.insert(
                thread,
                Call {
                    text: first_half.to_owned(),
                    ..call
                },
            )),
            None => calls.push(call),
        }
    }
    calls.sort_by_key(|call| call.began);
    calls
}

/// An appliance under strace.
struct Watched {
    appliance: Appliance,
    note: PathBuf,
    _place: TempDir,
}

impl Watched {
    async fn start(next_hop: &RawSink) -> Watched {
        Watched::start_noting(next_hop, CALLS, "300000").await
    }

    /// Has strace note these calls, and so many bytes of what they carry.
    async fn start_noting(next_hop: &RawSink, calls: &str, bytes: &str) -> Watched {
        let place = TempDir::new().unwrap();
        let note = place.path().join("strace");
        // -D: strace watches from aside, and the process that we started is the appliance.
        let mut words = vec![program("strace").to_str().unwrap().to_owned()];
        words.extend(
            [
                "-D",
                "-f",
                "-yy",
                "-s",
                bytes,
                "-e",
                calls,
                "-e",
                "signal=none",
                "-o",
            ]
            .map(str::to_owned),
        );
        words.push(note.to_str().unwrap().to_owned());
        let appliance = Plan::new()
            .next_hop(next_hop.address())
            .under(words)
            .start()
            .await;
        Watched {
            appliance,
            note,
            _place: place,
        }
    }

    /// Ends the appliance and gives what was noted.
    async fn calls(mut self) -> Vec<Call> {
        let status = self.appliance.terminate(Duration::from_secs(30)).await;
        assert!(status.success(), "{status}");
        let complete = |text: &str| text.trim_end().ends_with("+++ exited with 0 +++");
        let note = &self.note;
        wait::until("strace to have noted the end", PATIENCE, || async {
            let text = String::from_utf8_lossy(&fs::read(note).unwrap()).into_owned();
            complete(&text).then(|| calls(&text))
        })
        .await
    }
}

/// The reads of the end of data on a client's connection, in order.
fn ends_of_data<'a>(calls: &'a [Call], client: &str) -> Vec<&'a Call> {
    let is_end =
        |call: &&Call| call.is_read() && call.is_on(client) && call.text.contains(r"\r\n.\r\n");
    calls.iter().filter(is_end).collect()
}

/// The writes of a 250 to the end of data on a client's connection, in order.
fn acknowledgements<'a>(calls: &'a [Call], client: &str) -> Vec<&'a Call> {
    let says = |call: &Call, word| call.text.contains(&format!("\"250 2.0.0 {word}"));
    let is_acknowledgement = |call: &&Call| {
        call.is_write() && call.is_on(client) && (says(call, "Delivered") || says(call, "Queued"))
    };
    calls.iter().filter(is_acknowledgement).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_synced_on_the_memory_path() {
    let _turn = turn::take().await;
    let sink = RawSink::start(Script::accepting()).await;
    let watched = Watched::start(&sink).await;
    let mut client = watched.appliance.client().await;
    let port = client.local_address().to_string();
    for number in 0..50 {
        let content = messages::of_size(&format!("number {number}"), 4_096);
        let reply = client
            .message("<a@example.org>", &["<b@example.net>"], &content)
            .await;
        assert_eq!(reply.code, 250, "{reply}");
    }

    let calls = watched.calls().await;
    let (ends, acknowledgements) = (ends_of_data(&calls, &port), acknowledgements(&calls, &port));
    assert_eq!(
        (ends.len(), acknowledgements.len()),
        (50, 50),
        "the note is not understood"
    );
    assert!(
        calls.iter().any(Call::is_sync),
        "not even starting synced: the note is not understood"
    );
    for (end, acknowledgement) in ends.iter().zip(&acknowledgements) {
        // The trail's batches are no message's own, and history.db syncs at its checkpoints.
        let own = |call: &&Call| {
            (end.ended..acknowledgement.began).contains(&call.began)
                && call.is_sync()
                && !call.is_on("history.db")
        };
        let synced: Vec<&Call> = calls.iter().filter(own).collect();
        assert!(synced.is_empty(), "{synced:?}");
    }
}

/// A thousand messages of all sizes go straight through: no file is opened for writing on their way, and
/// of their content nothing is written to a file.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_on_the_way_straight_through() {
    const MESSAGES: usize = 1_000;
    let _turn = turn::take().await;
    let sink = RawSink::start(Script::accepting().keeping(0)).await;
    // Of what is written only the beginning is of interest: content would make gigabytes of notes.
    let calls = "trace=open,openat,openat2,creat,write,writev,pwrite64,pwritev,recvfrom,read";
    let watched = Watched::start_noting(&sink, calls, "160").await;
    watched
        .appliance
        .set(json!({ "path": "cut_through" }))
        .await;
    let written_before = watched.appliance.process().written_bytes();
    let sizes = |number: usize| match number {
        _ if number % 250 == 7 => 10 << 20,
        _ if number % 50 == 9 => 1 << 20,
        _ => 500 + number * 37,
    };
    let mut clients = Vec::new();
    for worker in 0..4 {
        let mut client = watched.appliance.client().await;
        clients.push(tokio::spawn(async move {
            for number in (worker..MESSAGES).step_by(4) {
                let content = messages::of_size("straight-through", sizes(number));
                let to = &["<b@example.net>"];
                let reply = client.message("<a@example.org>", to, &content).await;
                assert_eq!(reply.code, 250, "{reply}");
            }
            client.local_address().to_string()
        }));
    }
    let mut ports = Vec::new();
    for client in clients {
        ports.push(client.await.unwrap());
    }
    // The trail of so many messages is written, and none of the eighty megabytes that they were.
    let written = watched.appliance.process().written_bytes() - written_before;
    assert!(written < 16 << 20, "{written} bytes");
    let statistics = watched.appliance.statistics().await;
    let paths = &statistics["since_start"]["paths"];
    assert_eq!(paths["cut_through"], MESSAGES, "{statistics}");

    let calls = watched.calls().await;
    let is_opened_for_writing = |call: &&Call| {
        call.name == "creat"
            || call.name.starts_with("open")
                && (call.text.contains("O_WRONLY") || call.text.contains("O_RDWR"))
    };
    assert!(
        calls.iter().any(|call| is_opened_for_writing(&call)),
        "not even the start opened a file: the note is not understood"
    );
    let of_clients = |call: &&Call| ports.iter().any(|port| call.is_on(port));
    let first = calls.iter().find(of_clients).expect("they were read");
    let last = calls.iter().rfind(of_clients).expect("they were answered");
    let on_their_way = || {
        let way = first.began..last.ended;
        calls.iter().filter(move |call| way.contains(&call.began))
    };
    // Whoever reads settings or the trail meanwhile may open the databases once more.
    let opened: Vec<&Call> = on_their_way()
        .filter(is_opened_for_writing)
        .filter(|call| !call.text.contains("/appliance.db") && !call.text.contains("/history.db"))
        .collect();
    assert!(opened.is_empty(), "{opened:?}");
    let is_socket = |call: &Call| {
        let on = call.text.split(", ").next().unwrap_or_default();
        on.contains("<TCP") || on.contains("<UNIX") || on.contains("<anon_inode")
    };
    let written: Vec<&Call> = on_their_way()
        .filter(|call| call.name.contains("write") && !is_socket(call))
        .filter(|call| call.text.contains("straight-through"))
        .collect();
    assert!(written.is_empty(), "{written:?}");
}

/// Checks that in front of each 250 there is a sync of the database that began when the row of that
/// message had been written. Returns the acknowledgements for further questions.
fn check_synced(calls: &[Call], client: &str, markers: &[String]) {
    let acknowledgements = acknowledgements(calls, client);
    assert_eq!(
        acknowledgements.len(),
        markers.len(),
        "the note is not understood"
    );
    for (marker, acknowledgement) in markers.iter().zip(acknowledgements) {
        let is_row = |call: &&Call| {
            call.is_write() && call.is_on("appliance.db") && call.text.contains(marker)
        };
        let row = calls
            .iter()
            .find(is_row)
            .unwrap_or_else(|| panic!("{marker} was never written"));
        let synced = calls.iter().any(|call| {
            call.is_sync()
                && call.is_on("appliance.db")
                && call.began > row.ended
                && call.ended < acknowledgement.began
        });
        assert!(
            synced,
            "{marker}: 250 in line {} without a sync after its row in {}",
            acknowledgement.began, row.ended
        );
    }
}

/// Sends messages one after another, each with its own sender, which its row has in clear; returns
/// the client's address and the senders.
async fn send_marked(
    appliance: &Appliance,
    client_number: usize,
    count: usize,
) -> (String, Vec<String>) {
    let mut client = appliance.client().await;
    let port = client.local_address().to_string();
    let mut markers = Vec::new();
    for number in 0..count {
        let marker = format!("marker-{client_number}-{number}-end");
        let content = messages::small(&marker);
        let reply = client
            .message(
                &format!("<{marker}@example.org>"),
                &["<b@example.net>"],
                &content,
            )
            .await;
        assert_eq!(reply.code, 250, "{reply}");
        markers.push(marker);
    }
    (port, markers)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_250_of_the_standard_path_waits_for_a_sync() {
    check_standard_path(json!({ "path": "standard" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_250_of_a_message_with_a_condition_waits_for_a_sync() {
    let all = json!({ "name": "all", "larger_than_bytes": 0 });
    check_standard_path(json!({ "own_conditions": [all] })).await;
}

/// Four clients send messages that these settings send down the standard path.
async fn check_standard_path(settings: Value) {
    let _turn = turn::take().await;
    let sink = RawSink::start(Script::accepting()).await;
    let watched = Watched::start(&sink).await;
    watched.appliance.set(settings).await;
    let (appliance, count) = (&watched.appliance, 20);
    let sent = tokio::join!(
        send_marked(appliance, 0, count),
        send_marked(appliance, 1, count),
        send_marked(appliance, 2, count),
        send_marked(appliance, 3, count),
    );
    let calls = watched.calls().await;
    for (port, markers) in [sent.0, sent.1, sent.2, sent.3] {
        check_synced(&calls, &port, &markers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_message_is_synced_before_its_250() {
    let _turn = turn::take().await;
    let later = Answer::say("450 4.2.1 Come back later");
    let sink = RawSink::start(Script::accepting().any_recipient(later)).await;
    let watched = Watched::start(&sink).await;
    let (port, markers) = send_marked(&watched.appliance, 0, 20).await;
    check_synced(&watched.calls().await, &port, &markers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_file_and_its_directory_are_synced_before_the_row() {
    let _turn = turn::take().await;
    let later = Answer::say("450 4.2.1 Come back later");
    let sink = RawSink::start(Script::accepting().any_recipient(later)).await;
    let watched = Watched::start(&sink).await;
    let mut client = watched.appliance.client().await;
    let port = client.local_address().to_string();
    let content = messages::of_size("large", 200_000);
    let reply = client
        .message("<large-marker@example.org>", &["<b@example.net>"], &content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");

    let calls = watched.calls().await;
    check_synced(&calls, &port, &["large-marker".to_owned()]);
    let is_row = |call: &&Call| {
        call.is_write() && call.is_on("appliance.db") && call.text.contains("large-marker")
    };
    let row = calls.iter().find(is_row).expect("check_synced found it");
    let synced_before = |path: &str| {
        calls
            .iter()
            .any(|call| call.is_sync() && call.is_on(path) && call.ended < row.began)
    };
    assert!(
        synced_before("/spool/"),
        "the file was not synced before its row"
    );
    assert!(
        synced_before("/spool>"),
        "the directory was not synced before the row"
    );
}

/// Twice the interval at which the trail is written: no write for so long, and none will come.
const REST: Duration = Duration::from_secs(2);

/// Bytes that the process caused to be written while `count` messages of 4 KiB passed.
async fn written_for(settings: Value, count: u32) -> u64 {
    let sink = SmtpSink::start(&[]).await;
    // On a file system of its own kind: a data directory in memory would write nothing at all.
    let place = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let plan = Plan::new()
        .next_hop(sink.address())
        .data_directory(&place.path().join("data"));
    let appliance = plan.start().await;
    appliance.set(settings).await;
    let before = appliance.process().written_bytes();
    peers::smtp_source(appliance.smtp(), 20, count, 4_096).await;
    sink.wait_for(u64::from(count)).await;
    let statistics = appliance.statistics().await;
    assert_eq!(statistics["since_start"]["ratio"], 1.0, "{statistics}");
    // The trail's last batch belongs to these messages too: the count ends where writing rests.
    let mut written = (appliance.process().written_bytes() - before, Instant::now());
    let looks = wait::Looks::at("writing to come to rest", PATIENCE);
    while written.1.elapsed() < REST {
        looks.again().await;
        let now = appliance.process().written_bytes() - before;
        if now != written.0 {
            written = (now, Instant::now());
        }
    }
    written.0
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_write_next_to_nothing() {
    let _turn = turn::take().await;
    let count = 10_000;
    let without_trail = written_for(json!({ "keep_trail": false }), count).await;
    assert!(
        without_trail < 2 * 1_048_576,
        "{without_trail} bytes without the trail"
    );
    let with_trail = written_for(json!({ "keep_trail": true }), count).await;
    assert!(
        with_trail <= u64::from(count) * 2_048,
        "{with_trail} bytes with the trail"
    );
    println!(
        "written for {count} messages: {without_trail} bytes without the trail, {with_trail} with it"
    );
}

#[test]
fn the_note_is_read_as_strace_writes_it() {
    let note = "7  recvfrom(9<TCP:[127.0.0.1:25->127.0.0.1:50]>,  <unfinished ...>\n\
                8  fdatasync(4</data/appliance.db-wal>) = 0\n\
                7  <... recvfrom resumed>\"a\\r\\n.\\r\\n\", 4096, 0, NULL, NULL) = 6\n\
                7  sendto(9<TCP:[127.0.0.1:25->127.0.0.1:50]>, \"250 2.0.0 Delivered\", 19, 0, NULL, 0) = 19\n\
                7  +++ exited with 0 +++\n";
    let calls = calls(note);
    assert_eq!(calls.len(), 3);
    let ends = ends_of_data(&calls, "127.0.0.1:50");
    assert_eq!((ends.len(), ends[0].began, ends[0].ended), (1, 0, 2));
    assert!(calls[1].is_sync() && calls[1].is_on("appliance.db"));
    assert_eq!(acknowledgements(&calls, "127.0.0.1:50").len(), 1);
    assert_eq!(acknowledgements(&calls, "127.0.0.1:51").len(), 0);
}
