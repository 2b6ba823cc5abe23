//! Slow clients, long lines, many errors, and the end of the appliance.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::duplex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::scene::{Scene, Script};
use crate::limits;
use crate::session;
use crate::smtp::reply::Reply;

/// Sends `block` again and again, with `pause` between, until the session says something.
async fn trickle(scene: &Scene, data: bool, block: &[u8], pause: Duration) -> (String, Duration) {
    let mut client = scene.addressed().await;
    if data {
        client.say("DATA", "354").await;
    }
    let began = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(client.stream);
    let sending = async {
        use tokio::io::AsyncWriteExt;
        while writer.write_all(block).await.is_ok() {
            sleep(pause).await;
        }
        std::future::pending::<()>().await;
    };
    let mut reply = [0; 200];
    let reading = tokio::io::AsyncReadExt::read(&mut reader, &mut reply);
    tokio::select! {
        () = sending => unreachable!("it never ends"),
        read = reading => {
            let length = read.expect("a reply comes");
            let words = String::from_utf8_lossy(&reply[..length]).into_owned();
            (words, began.elapsed())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_told_and_left() {
    let scene = Scene::new();
    let mut client = scene.client().await;
    let began = Instant::now();
    client.expect("421 4.4.2").await;
    assert_eq!(began.elapsed(), limits::COMMAND_WAIT);
    client.expect_end().await;
    assert_eq!(scene.context.counters.timeouts.value(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_trickles_has_one_deadline() {
    let scene = Scene::new();
    let (words, after) = trickle(&scene, false, b"N", Duration::from_secs(10)).await;
    assert!(words.starts_with("421 4.4.2"), "{words}");
    assert_eq!(after, limits::COMMAND_WAIT);
}

#[tokio::test(start_paused = true)]
async fn data_that_trickles_is_cut_off_after_the_grace() {
    let scene = Scene::new();
    let (words, after) = trickle(&scene, true, b"aa\r\n", Duration::from_secs(1)).await;
    assert!(words.starts_with("421 4.4.2"), "{words}");
    assert_eq!(after, limits::DATA_RATE_GRACE);
    let (words, after) = trickle(&scene, true, b"", Duration::from_secs(1)).await;
    assert!(words.starts_with("421 4.4.2"), "{words}");
    assert_eq!(after, limits::DATA_RATE_GRACE);
    assert_eq!(scene.contents().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn data_that_is_slow_but_not_too_slow_is_taken() {
    let scene = Scene::new();
    let mut client = scene.addressed().await;
    client.say("DATA", "354").await;
    let block = format!("{}\r\n", "a".repeat(598));
    for _ in 0..200 {
        client.send(&block).await;
        sleep(Duration::from_secs(1)).await;
    }
    client.say(".", "250").await;
    assert_eq!(scene.contents(), [block.repeat(200)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_in_data_is_left() {
    let scene = Scene::new();
    let mut client = scene.addressed().await;
    client.say("DATA", "354").await;
    client.send("a\r\n".repeat(100_000)).await;
    let began = Instant::now();
    client.expect("421 4.4.2").await;
    assert_eq!(began.elapsed(), limits::DATA_BLOCK_WAIT);
}

#[tokio::test]
async fn errors_are_counted_until_a_message_is_taken() {
    let scene = Scene::new();
    let mut client = scene.client().await;
    for _ in 1..limits::SESSION_ERRORS {
        client.say("BOO", "500").await;
    }
    client.address().await;
    client.say("DATA", "354").await;
    client.say(".", "250").await;
    for _ in 1..limits::SESSION_ERRORS {
        client.say("BOO", "500").await;
    }
    client.say("BOO", "421 4.7.0").await;
    client.expect_end().await;
}

/// Every reply that says that something is missing here, or at a next hop, and not that the client erred.
#[tokio::test]
async fn what_is_not_the_client_s_fault_is_no_error_of_its() {
    let scene = Scene::new();
    let mut client = scene.client().await;
    for _ in 1..limits::SESSION_ERRORS {
        client.say("BOO", "500").await;
    }
    for reply in [
        Reply::INSUFFICIENT_STORAGE,
        Reply::LOCAL_ERROR,
        Reply::UNCHECKED,
        Reply::TOO_MANY_ADDED,
        Reply::NOT_IN_TIME,
        Reply::new(450, (4, 2, 1), "A next hop is busy"),
    ] {
        scene.script(Script::reply(reply.clone()));
        client.address().await;
        client.say("DATA", "354").await;
        client.say(".", &reply.code.to_string()).await;
        client.say("NOOP", "250").await;
    }
    scene.healthy.store(false, Ordering::Relaxed);
    client.say("MAIL FROM:<a@example.org>", "452").await;
    client.say("BOO", "421 4.7.0").await;
}

#[tokio::test]
async fn the_fate_of_a_message_is_told_whatever_the_errors() {
    let scene = Scene::new();
    let mut client = scene.client().await;
    for _ in 1..limits::SESSION_ERRORS {
        client.say("BOO", "500").await;
    }
    scene.script(Script::reply(Reply::new(550, (5, 1, 1), "No such user")));
    client.address().await;
    client.say("DATA", "354").await;
    client.say(".", "550 5.1.1").await;
    client.expect("421 4.7.0").await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_recipient_too_many_is_no_error() {
    let scene = Scene::new();
    let mut client = scene.client().await;
    client.say("MAIL FROM:<a@example.org>", "250").await;
    for number in 0..limits::RECIPIENTS + 20 {
        let expected = if number < limits::RECIPIENTS {
            "250"
        } else {
            "452 4.5.3"
        };
        client
            .say(&format!("RCPT TO:<b{number}@example.net>"), expected)
            .await;
    }
    client.say("DATA", "354").await;
    client.say(".", "250").await;
    let taken = scene.desk.taken.lock().unwrap();
    let recipients = taken[0].message.envelope.recipients.len();
    assert_eq!(recipients, limits::RECIPIENTS);
}

#[tokio::test]
async fn lines_are_bounded_and_end_with_crlf() {
    let scene = Scene::new();
    let mut client = scene.client().await;
    let long = "a".repeat(limits::COMMAND_LINE_BYTES);
    client.say(&format!("NOOP {long}"), "500 5.5.6").await;
    client.send("NOOP\nQUIT\r\n").await;
    client.expect("500 5.5.2").await;
    client.say("NOOP", "250").await;
}

#[tokio::test]
async fn a_flood_of_pipelined_commands_is_answered() {
    let scene = Scene::new();
    let mut client = scene.client().await;
    client.send("NOOP\r\n".repeat(10_000)).await;
    for _ in 0..10_000 {
        client.expect("250 2.0.0").await;
    }
}

#[tokio::test]
async fn shutdown_ends_what_is_not_complete() {
    let scene = Scene::new();
    let mut idle = scene.client().await;
    let mut sending = scene.addressed().await;
    sending.say("DATA", "354").await;
    sending.send("half a mess").await;
    let mut complete = scene.addressed().await;
    let gate = Arc::new(Notify::new());
    scene.script(Script {
        gate: Some(Arc::clone(&gate)),
        ..Script::reply(Reply::new(250, (2, 0, 0), "Queued"))
    });
    complete.say("DATA", "354").await;
    complete.send(".\r\nNOOP\r\n").await;
    scene.desk.asked.notified().await;

    scene.shutdown.cancel();
    for client in [&mut idle, &mut sending] {
        client.expect("421 4.3.2").await;
        client.expect_end().await;
    }
    gate.notify_one();
    complete.expect("250 2.0.0 Queued").await;
    complete.expect("421 4.3.2").await;
    complete.expect_end().await;
    let mut late = scene.connect();
    late.expect("421 4.3.2").await;
    late.expect_end().await;
}

#[tokio::test]
async fn an_idle_session_is_small() {
    let scene = Scene::new();
    let (_near, far) = duplex(1);
    let session = session::run(
        far,
        scene.origin(),
        Arc::clone(&scene.context),
        scene.shutdown.clone(),
    );
    // With its buffer of 4 KiB, its timer and the system's share: 10,000 stay below 250 MB.
    let bytes = size_of_val(&session);
    assert!(bytes < 2_048, "{bytes} bytes");
}
