//! Milter: opendkim signs, clamav-milter refuses what its clamd knows, and one of the scene's own refuses
//! single recipients.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use super::stage::Stage;
use crate::support::messages;
use crate::support::peers::program;
use crate::support::raw_sink::Arrival;
use crate::support::services::Door;
use crate::support::services::clamav_milter::ClamavMilter;
use crate::support::services::clamd::{Clamd, eicar};
use crate::support::services::opendkim::{Opendkim, SELECTOR};
use crate::support::wait::{self, PATIENCE};

const DOMAIN: &str = "example.org";

/// Where a milter listens, as the settings write it.
fn written(door: &Door) -> String {
    match door {
        Door::Port(address) => address.to_string(),
        Door::Socket(path) => format!("unix:{}", path.display()),
    }
}

fn settings(milters: &[&Door], more: Value) -> Value {
    let milters: Vec<String> = milters.iter().map(|door| written(door)).collect();
    let mut milter = json!({"enabled": true, "milters": milters});
    let (Value::Object(all), Value::Object(more)) = (&mut milter, more) else {
        unreachable!("both are objects");
    };
    all.extend(more);
    json!({ "milter": milter })
}

/// The message's signature holds: says opendkim, by the key that the DNS would have.
async fn assert_signed(opendkim: &Opendkim, arrival: &Arrival) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (keys, configuration, message) = (path("keys"), path("conf"), path("message"));
    let record = opendkim.dns_record();
    std::fs::write(&keys, format!("{SELECTOR}._domainkey.{DOMAIN} {record}\n")).unwrap();
    let words = format!("Mode v\nTestPublicKeys {keys}\nSyslog no\nBackground no\n");
    std::fs::write(&configuration, words).unwrap();
    std::fs::write(&message, &arrival.content).unwrap();
    let mut command = Command::new(program("opendkim"));
    command.args(["-x", &configuration, "-t", &message]);
    let output = wait::within("the verdict", PATIENCE, command.output());
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let content = String::from_utf8_lossy(&arrival.content);
    assert!(said.contains("succeeded"), "{said}\n{content:.3000}");
}

/// The names of an arrival's first header fields.
fn first_fields<const N: usize>(arrival: &Arrival) -> [String; N] {
    let text = String::from_utf8_lossy(&arrival.content).into_owned();
    let fields = text.lines().filter(|line| !line.starts_with([' ', '\t']));
    let mut names = fields.map(|line| line.split(':').next().unwrap_or_default().to_owned());
    std::array::from_fn(|_| names.next().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn opendkim_signs_what_goes_out() {
    let on_port = Opendkim::start(DOMAIN).await;
    let on_socket = Opendkim::start_on_socket(DOMAIN).await;
    for opendkim in [on_port, on_socket] {
        let stage = Stage::with(settings(&[opendkim.door()], json!({}))).await;
        let trail = stage.taken("signed@example.org").await;
        stage.assert_diverted("signed@example.org", "milter").await;
        let milter = written(opendkim.door());
        let said = trail["examined"].as_str().unwrap();
        let expected = format!("milter: passed, {milter}: 1 change of the header");
        assert_eq!(said, expected);
        let arrival = stage.arrived("signed@example.org").await;
        let names = first_fields(&arrival);
        assert_eq!(names, ["Received", "DKIM-Signature", "From"]);
        assert_signed(&opendkim, &arrival).await;
        let sent = messages::small("signed@example.org");
        assert!(arrival.content.ends_with(&sent), "what was sent is behind");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_signs_on_the_fast_path_and_whatever_the_content() {
    let opendkim = Opendkim::start(DOMAIN).await;
    let more = json!({"disables_fast_path": false});
    let stage = Stage::with(settings(&[opendkim.door()], more)).await;
    stage.taken("fast@example.org").await;
    stage.assert_fast("fast@example.org").await;
    assert_signed(&opendkim, &stage.arrived("fast@example.org").await).await;

    // Large enough for a spool file, and for many chunks.
    let large = messages::of_size("large", 2_000_000);
    let folded = b"From: a@example.org,\r\n b@example.org\r\nSender: a@example.org\r\nSubject:   folded\r\nX-Blank:\r\nX-Late :\r\n\tvalue \r\n\r\n.dot\r\n\r\n\r\n";
    let empty = b"From: a@example.org\r\nSubject: empty\r\n\r\n";
    for (subject, content) in [
        ("large", &large[..]),
        ("folded", &folded[..]),
        ("empty", &empty[..]),
    ] {
        let reply = stage
            .send("a@example.org", &["b@example.net"], content)
            .await;
        assert_eq!(reply.code, 250, "{reply}");
        let arrival = stage.arrived(subject).await;
        assert_signed(&opendkim, &arrival).await;
        assert!(arrival.content.ends_with(content), "{subject}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clamav_milter_refuses_and_what_it_adds_is_signed() {
    let clamd = Clamd::start().await;
    let scanning = ClamavMilter::start(&clamd).await;
    let signing = Opendkim::start(DOMAIN).await;
    let milters = [scanning.door(), signing.door()];
    let stage = Stage::with(settings(&milters, json!({}))).await;

    let infected = format!("From: a@example.org\r\nSubject: bad\r\n\r\n{}\r\n", eicar());
    let reply = stage
        .send("bad@example.org", &["b@example.net"], infected.as_bytes())
        .await;
    assert_eq!(reply.code / 100, 5, "{reply}");
    let trail = stage.trail("bad@example.org").await;
    let said = trail["examined"].as_str().unwrap();
    assert!(said.starts_with("milter: refused, "), "{said}");

    let trail = stage.taken("clean@example.org").await;
    let said = trail["examined"].as_str().unwrap();
    assert_eq!(said.matches("milter: passed").count(), 2, "{said}");
    let arrival = stage.arrived("clean@example.org").await;
    for name in ["X-Virus-Scanned", "X-Virus-Status"] {
        assert!(messages::header(&arrival.content, name).is_some(), "{name}");
    }
    assert_signed(&signing, &arrival).await;
    assert_eq!(stage.sink.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_milter_that_is_down_gives_the_answer_that_is_set() {
    let nobody = {
        // A port that nobody listens on any more.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Door::Port(listener.local_addr().unwrap())
    };
    let opendkim = Opendkim::start(DOMAIN).await;
    let milters = [&nobody, opendkim.door()];
    let stage = Stage::with(settings(&milters, json!({}))).await;
    let content = messages::small("deferred");
    let reply = stage
        .send("deferred@example.org", &["b@example.net"], &content)
        .await;
    assert_eq!(reply.code, 451, "{reply}");
    assert!(stage.sink.accepted().is_empty());

    let unchecked = json!({"when_unavailable": "pass"});
    stage.appliance.set(settings(&milters, unchecked)).await;
    let trail = stage.taken("passed@example.org").await;
    let said = trail["examined"].as_str().unwrap();
    assert!(said.contains("milter: passed unchecked"), "{said}");
    assert_signed(&opendkim, &stage.arrived("passed@example.org").await).await;
}

/// A milter that knows one address too few: it refuses `nobody@example.net` at RCPT.
async fn choosy() -> SocketAddr {
    changing(Vec::new()).await
}

/// The same, and it says this at the end of every message before it goes on.
async fn changing(changes: Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let changes = Arc::new(changes);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&changes)));
        }
    });
    address
}

/// milter protocol 6: packets of a length, a command and data; macros are not answered.
async fn answer(stream: TcpStream, changes: Arc<Vec<Vec<u8>>>) -> Option<()> {
    let mut stream = BufStream::new(stream);
    loop {
        let length = stream.read_u32().await.ok()?;
        let mut packet = vec![0; usize::try_from(length).ok()?];
        stream.read_exact(&mut packet).await.ok()?;
        let words: &[u8] = match packet[0] {
            b'O' => b"O\0\0\0\x06\0\0\0\0\0\0\0\0",
            b'R' if packet.starts_with(b"R<nobody@") => b"y550 5.1.1 No such user\0",
            b'D' => continue,
            b'Q' => return None,
            b'E' => {
                for change in changes.iter() {
                    say(&mut stream, change).await?;
                }
                b"c"
            }
            _ => b"c",
        };
        say(&mut stream, words).await?;
        stream.flush().await.ok()?;
    }
}

async fn say(stream: &mut BufStream<TcpStream>, words: &[u8]) -> Option<()> {
    stream
        .write_u32(u32::try_from(words.len()).ok()?)
        .await
        .ok()?;
    stream.write_all(words).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_whom_a_milter_adds_gets_the_message() {
    const ADDED: usize = 1_500;
    let added = (0..ADDED).map(|number| format!("+<added{number}@example.net>\0").into_bytes());
    let milter = Door::Port(changing(added.collect()).await);
    let stage = Stage::with(settings(&[&milter], json!({}))).await;
    stage.taken("list@example.org").await;
    let reached = || {
        let accepted = stage.sink.accepted().into_iter();
        let whom: BTreeSet<String> = accepted
            .flat_map(|arrival| arrival.recipient_addresses())
            .collect();
        whom.len()
    };
    stage
        .sink
        .wait_for("everybody", || reached() == ADDED + 1)
        .await;
    stage.appliance.wait_for_queue(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_client_may_send_no_milter_may() {
    let nul = Door::Port(changing(vec![b"bnew\0body\r\n".to_vec()]).await);
    let stage = Stage::with(settings(&[&nul], json!({}))).await;
    let content = messages::small("nul");
    let reply = stage
        .send("a@example.org", &["b@example.net"], &content)
        .await;
    assert_eq!(reply.code, 451, "{reply}");
    let said = stage.trail("a@example.org").await["examined"].to_string();
    assert!(said.contains("there is a NUL in its new body"), "{said}");
    assert!(stage.sink.accepted().is_empty());

    // Bare line ends are made what they are made in a client's message.
    let changes = [
        &b"bone\ntwo\rthree\r"[..],
        b"b\nfour",
        b"hX-Odd\0a\rb\n.\nc\0",
    ];
    let changes = changes.iter().map(|change| change.to_vec()).collect();
    let odd = Door::Port(changing(changes).await);
    stage.appliance.set(settings(&[&odd], json!({}))).await;
    stage.taken("odd@example.org").await;
    let arrival = stage.arrived("odd@example.org").await;
    let text = String::from_utf8(arrival.content.clone()).unwrap();
    assert!(
        text.ends_with("\r\n\r\none\r\ntwo three\r\nfour\r\n"),
        "{text:?}"
    );
    assert!(text.contains("X-Odd: a b\r\n\t.\r\n\tc\r\n"), "{text:?}");
    let rest = text.replace("\r\n", "");
    assert!(!rest.contains(['\r', '\n', '\0']), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_a_milter_refuses_is_reported() {
    for disables_fast_path in [true, false] {
        let stage = Stage::with(json!({"milter": {
            "enabled": true, "milters": [choosy().await.to_string()],
            "disables_fast_path": disables_fast_path,
        }}))
        .await;
        let two = ["nobody@example.net", "bert@example.net"];
        let content = messages::small("two");
        let reply = stage.send("anna@example.org", &two, &content).await;
        assert_eq!(reply.code, 250, "{reply}");
        let arrived = stage.sink.wait_for_accepted(2).await;
        let whom = |arrival: &Arrival| arrival.recipient_addresses();
        let mut whom: Vec<_> = arrived.iter().map(whom).collect();
        whom.sort();
        assert_eq!(whom, [["anna@example.org"], ["bert@example.net"]]);
        let report = arrived
            .iter()
            .find(|arrival| arrival.recipient_addresses() == ["anna@example.org"])
            .unwrap();
        let text = String::from_utf8_lossy(&report.content).into_owned();
        for part in ["nobody@example.net", "No such user", "5.1.1"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        stage.assert_diverted("anna@example.org", "milter").await;

        // Where nobody else is there, the sender hears it at once.
        let reply = stage.send("carl@example.org", &two[..1], &content).await;
        assert_eq!(reply.code, 550, "{reply}");
    }
}
