//! What the paths learn about their reply, and about the client while they work.

use std::time::{Duration, Instant};

use tokio::io::duplex;
use tokio::net::{TcpListener, TcpStream};

use super::scene::{Client, Fate, Scene, Script};
use crate::limits;
use crate::smtp::reply::Reply;

fn late() -> Script {
    Script {
        late: true,
        ..Script::reply(Reply::new(250, (2, 0, 0), "Queued"))
    }
}

#[tokio::test]
async fn a_reply_that_is_not_late_needs_no_proof() {
    let scene = Scene::new();
    let mut client = scene.addressed().await;
    client.say("DATA", "354").await;
    client.say(".", "250").await;
    client.say("NOOP", "250").await;
    assert_eq!(scene.fates(), [Fate::Written]);
}

#[tokio::test]
async fn the_next_command_proves_that_a_late_reply_was_read() {
    let scene = Scene::new();
    scene.script(late());
    let mut client = scene.addressed().await;
    client.say("DATA", "354").await;
    client.say(".", "250").await;
    assert_eq!(scene.fates(), [Fate::Written]);
    client.say("NOOP", "250").await;
    assert_eq!(scene.fates(), [Fate::Written, Fate::WasRead]);
    client.say("NOOP", "250").await;
    assert_eq!(scene.fates(), [Fate::Written, Fate::WasRead]);
}

/// A client over TCP that has been told that its message is taken, late.
async fn told_late(scene: &mut Scene) -> Client<TcpStream> {
    scene.script(late());
    scene.address = "127.0.0.1";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap());
    let (near, far) = tokio::join!(near, listener.accept());
    scene.serve(far.unwrap().0);
    let mut client = Client::new(near.unwrap());
    client.expect("220").await;
    client.say("EHLO x", "250").await;
    client.address().await;
    client.say("DATA", "354").await;
    client.say(".", "250").await;
    client
}

#[tokio::test]
async fn a_client_that_stays_with_a_late_reply_has_read_it() {
    let mut scene = Scene::new();
    let _client = told_late(&mut scene).await;
    let began = Instant::now();
    while scene.fates() != [Fate::Written, Fate::WasRead] {
        assert!(began.elapsed() < Duration::from_secs(20), "it is not known");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(began.elapsed() > limits::LATE_REPLY_STAY / 2);
}

#[tokio::test]
async fn a_command_that_was_pipelined_proves_nothing() {
    let scene = Scene::new();
    scene.script(late());
    let mut client = scene.addressed().await;
    client.say("DATA", "354").await;
    client.send(".\r\nNOOP\r\nRSET\r\n").await;
    for _ in 0..3 {
        client.expect("250").await;
    }
    assert_eq!(scene.fates(), [Fate::Written]);
    client.say("NOOP", "250").await;
    assert_eq!(scene.fates(), [Fate::Written, Fate::WasRead]);
}

#[tokio::test]
async fn a_client_that_is_gone_is_noticed_and_its_reply_is_not_written() {
    let scene = Scene::new();
    scene.script(Script {
        await_departure: true,
        ..Script::reply(Reply::new(250, (2, 0, 0), "Delivered"))
    });
    let (near, far) = duplex(1_000);
    let session = scene.serve(far);
    let mut client = Client::new(near);
    client.expect("220").await;
    client.say("EHLO x", "250").await;
    client.address().await;
    client.say("DATA", "354").await;
    client.send("a\r\n.\r\nQUIT\r\n").await;
    drop(client);
    session.await.unwrap();
    assert_eq!(scene.fates(), [Fate::NotWritten]);
}

#[tokio::test]
async fn a_refusal_is_passed_on_and_the_session_goes_on() {
    let scene = Scene::new();
    scene.script(Script::reply(Reply::new(550, (5, 1, 1), "No such user")));
    let mut client = scene.addressed().await;
    client.say("DATA", "354").await;
    client.say(".", "550 5.1.1 No such user").await;
    client.say("DATA", "503").await;
    client.address().await;
}

#[tokio::test]
async fn the_paths_may_ask_to_close() {
    let scene = Scene::new();
    scene.script(Script {
        close: true,
        ..late()
    });
    let mut client = scene.addressed().await;
    client.say("DATA", "354").await;
    client.say(".", "250").await;
    client.expect_end().await;
    assert_eq!(scene.fates(), [Fate::Written]);
}
