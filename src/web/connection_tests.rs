use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::timeout;

use super::*;
use crate::web::connection_limit::ConnectionLimit;

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 200 OK\r\n\r\n";
const MOMENT: Duration = Duration::from_secs(1);

/// A client, and our end of its connection.
fn connected() -> (DuplexStream, WebConnection<DuplexStream>) {
    let (client, ours) = duplex(1 << 20);
    let here = std::net::Ipv4Addr::LOCALHOST.into();
    let permit = ConnectionLimit::new().take(here, false);
    (client, WebConnection::new(ours, permit.expect("the first")))
}

/// Reads what is there, and then for as long as this; how it ended when it did.
async fn read_for(ours: &mut WebConnection<DuplexStream>, time: Duration) -> Option<io::ErrorKind> {
    let mut buffer = [0; 4_096];
    let reading = async {
        loop {
            if let Err(error) = ours.read(&mut buffer).await {
                return error.kind();
            }
        }
    };
    timeout(time, reading).await.ok()
}

/// What the client sends (`>`) and what we write (`<`), and whether the short wait holds then.
async fn check(dialogue: &[&str], is_cut: bool) {
    let (mut client, mut ours) = connected();
    for line in dialogue {
        let (side, text) = line.split_at(1);
        if side == ">" {
            client.write_all(text.as_bytes()).await.expect("sent");
        } else {
            ours.write_all(text.as_bytes()).await.expect("written");
        }
        assert_eq!(read_for(&mut ours, MOMENT).await, None, "{dialogue:?}");
    }
    let end = read_for(&mut ours, limits::WEB_HEADER_WAIT).await;
    let expected = is_cut.then_some(io::ErrorKind::TimedOut);
    assert_eq!(end, expected, "{dialogue:?}");
}

#[tokio::test(start_paused = true)]
async fn a_header_comes_in_time_or_not_at_all() {
    let (get, answer) = (&*format!(">{GET}"), &*format!("<{ANSWER}"));
    check(&[], true).await;
    check(&[">GET / HT"], true).await;
    check(&[">\r\n\r\n"], true).await;
    check(&[">GET / HTTP/1.1\r\nHost: x\r\n"], true).await;
    // It came: what is answered, and what comes next, is bounded by others.
    check(&[get], false).await;
    check(&[">\r\n", get], false).await;
    check(&[">GET / HTTP/1.1\n", ">\n"], false).await;
    check(&[get, answer], false).await;
    check(&[get, answer, get, answer], false).await;
    // Each following header is bounded as the first one is.
    check(&[get, answer, ">G"], true).await;
    check(&[get, answer, get, answer, ">GET / HTTP/1.1\r\n"], true).await;
    // A body, and then nothing more; or the next header's beginning, sent together with the first.
    let post = ">POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n";
    check(&[post, ">ab"], false).await;
    check(&[post, ">ab", answer], true).await;
    check(&[&format!(">{GET}GET / HT"), answer], true).await;
    // An answer that goes on for long.
    check(&[get, answer, "<data: 1", "<data: 2"], false).await;
    // Whoever was asked to go on sends a body, not a header.
    let expects = ">POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n";
    check(&[expects, "<HTTP/1.1 100 Continue\r\n\r\n", ">body"], false).await;
}

#[tokio::test(start_paused = true)]
async fn sending_byte_by_byte_makes_it_no_longer() {
    let (mut client, mut ours) = connected();
    let began = Instant::now();
    let end = loop {
        client.write_all(b"x").await.expect("sent");
        if let Some(end) = read_for(&mut ours, MOMENT).await {
            break end;
        }
    };
    assert_eq!(end, io::ErrorKind::TimedOut);
    assert!(began.elapsed() <= limits::WEB_HEADER_WAIT + MOMENT);
}

#[tokio::test(start_paused = true)]
async fn a_header_is_bounded_in_length() {
    let (mut client, mut ours) = connected();
    let line = format!("X: {}\r\n", "x".repeat(1_000));
    let count = limits::WEB_HEADER_BYTES / line.len();
    client.write_all(&GET.as_bytes()[..16]).await.expect("sent");
    for _ in 0..count - 1 {
        client.write_all(line.as_bytes()).await.expect("sent");
    }
    assert_eq!(read_for(&mut ours, MOMENT).await, None);
    for _ in 0..2 {
        client.write_all(line.as_bytes()).await.expect("sent");
    }
    let end = read_for(&mut ours, MOMENT).await;
    assert_eq!(end, Some(io::ErrorKind::InvalidData));
}
