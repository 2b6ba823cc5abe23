//! BDAT: RFC 3030.

use serde_json::json;

use super::scene::Scene;

#[tokio::test]
async fn chunks_become_one_message() {
    let scene = Scene::new();
    let mut client = scene.addressed().await;
    client.send("BDAT 5\r\na\r\n.\r").await;
    client.expect("250 2.0.0 5 octets").await;
    client.send("BDAT 2\r\n\nb").await;
    client.expect("250 2.0.0 2 octets").await;
    client.send("BDAT 0 LAST\r\n").await;
    client.expect("250 2.0.0 Delivered").await;
    client.say("RCPT TO:<b@example.net>", "503").await;
    assert_eq!(scene.contents(), ["a\r\n.\r\nb\r\n"]);
}

#[tokio::test]
async fn everything_in_one_batch() {
    let scene = Scene::new();
    let mut client = scene.client().await;
    let batch = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nBDAT 3\r\na\r\nBDAT 4 LAST\r\nb\ncdNOOP\r\n";
    client.send(batch).await;
    for expected in [
        "250 2.1.0",
        "250 2.1.5",
        "250 2.0.0 3",
        "250 2.0.0 Del",
        "250",
    ] {
        client.expect(expected).await;
    }
    assert_eq!(scene.contents(), ["a\r\nb\r\ncd\r\n"]);
}

#[tokio::test]
async fn chunks_that_are_refused_are_read_all_the_same() {
    let scene = Scene::with(json!({"message_size_max_bytes": 2_000})).untrusted();
    let mut client = scene.client().await;
    // Without an envelope, and without a recipient.
    client.send("BDAT 6\r\nQUIT\r\nNOOP\r\n").await;
    client.expect("503").await;
    client.expect("250").await;
    client.say("MAIL FROM:<a@example.org>", "250").await;
    client.send("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n").await;
    client.expect("503").await;
    client.expect("250").await;
    client.say("RCPT TO:<b@example.net>", "550").await;
    client.send("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n").await;
    client.expect("554").await;
    client.expect("250").await;
    client.say("RCPT TO:<b@example.net>", "503").await;
}

#[tokio::test]
async fn a_message_grows_too_large_chunk_by_chunk() {
    let scene = Scene::with(json!({"message_size_max_bytes": 2_000}));
    let mut client = scene.addressed().await;
    let chunk = "a".repeat(1_500);
    client.send(format!("BDAT 1500\r\n{chunk}")).await;
    client.expect("250").await;
    client
        .send(format!(
            "BDAT 1500\r\n{chunk}BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"
        ))
        .await;
    client.expect("552 5.3.4").await;
    client.expect("503").await;
    client.expect("250").await;
    client.send("BDAT 99999999999 LAST\r\n").await;
    client.expect("552 5.3.4").await;
    client.expect_end().await;
    assert_eq!(scene.contents().len(), 0);
}

#[tokio::test]
async fn data_and_chunks_do_not_mix() {
    let scene = Scene::new();
    let mut client = scene.addressed().await;
    client.send("BDAT 3\r\na\r\n").await;
    client.expect("250").await;
    client.say("RCPT TO:<c@example.net>", "503").await;
    client.say("MAIL FROM:<>", "503").await;
    client.say("DATA", "503").await;
    client.say("RCPT TO:<c@example.net>", "503").await;
    client.address().await;
    client.send("BDAT 3\r\nb\r\n").await;
    client.expect("250").await;
    client.say("RSET", "250").await;
    client.address().await;
    client.send("BDAT 3 LAST\r\nc\r\n").await;
    client.expect("250").await;
    assert_eq!(scene.contents(), ["c\r\n"]);
}

#[tokio::test]
async fn a_chunk_whose_size_cannot_be_read_ends_the_session() {
    let scene = Scene::new();
    for line in [
        "BDAT",
        "BDAT x",
        "BDAT -1",
        "bdat 99999999999999999999999",
        "BDAT 3 FIRST",
    ] {
        let mut client = scene.addressed().await;
        client.send(format!("{line}\r\nNOOP\r\nNOOP\r\n")).await;
        client.expect("501").await;
        client.expect_end().await;
    }
}

#[tokio::test]
async fn a_last_chunk_is_looked_at_like_data() {
    for content in ["a\0b", "a\nb", "a\rb"] {
        let scene = Scene::with(json!({"line_ends": "reject"}));
        let mut client = scene.addressed().await;
        client.send(&format!("BDAT 3 LAST\r\n{content}")).await;
        client.expect("550 5.6.0").await;
        client.expect_end().await;
    }
    // NUL is refused in any case; a listener that normalises goes on.
    let scene = Scene::with(json!({}));
    let mut client = scene.addressed().await;
    client.send("BDAT 3 LAST\r\na\0b").await;
    client.expect("550 5.6.0").await;
    client.address().await;
}
