//! Short conversations with the appliance, written as text files under `tests/dialogues/`.
//!
//! A dialogue is a list of lines. What stands in front of the first conversation line prepares it:
//!
//! ```text
//! # a remark
//! env: FASTPATH_TRUSTED_NETWORKS=192.0.2.0/24     a boot option of this dialogue's appliance
//! set: {"message_size_max_bytes": 2000}           settings, as PATCH takes them
//! sink: SMTPUTF8                                  an extension that the destination offers
//! login: robot open sesame                        an SMTP login, and its password
//!
//! C: EHLO client.example.org        the client sends this line and CRLF
//! C> a\r\nb\0                       the client sends these bytes, with \r \n \t \0 \\ \xNN, and no more
//! C* 3000 x                         the client sends a text this many times, and no more
//! S: 250 …                          the next reply's last line; … stands for any text
//! has: PIPELINING                   one of the last reply's lines
//! not: AUTH…                        none of them
//! TLS                               the handshake, behind the reply to STARTTLS
//! close                             the server closes without another word
//! arrived: 1                        so many messages are at the destination, now and at the end
//! body: a\r\n                       behind our Received field, the last of them is exactly this
//! received: …with ESMTPS id…        our Received field in front of it, unfolded
//! sender: <> BODY=8BITMIME          what the destination read behind MAIL FROM:
//! recipient: <b@example.net> …      what it read behind RCPT TO:
//! password: robot another word      the login gets another password
//! remove: robot                     the login is removed
//! ```

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::appliance::{Appliance, Plan};
use crate::support::client::{Client, Reply};
use crate::support::messages;
use crate::support::raw_sink::{RawSink, Script};

/// Appliances that run at one time.
const AT_ONE_TIME: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn every_dialogue_goes_as_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "smtp")
    });
    assert!(files.len() >= 20, "dialogues are missing: {files:?}");
    files.sort();

    let places = Arc::new(Semaphore::new(AT_ONE_TIME));
    let mut running = JoinSet::new();
    for file in files {
        let places = places.clone();
        running.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&file).unwrap();
            // In a task of its own, so that a panic on the way is this dialogue's failure only.
            match tokio::spawn(async move { Dialogue::hold(&text).await }).await {
                Ok(Ok(())) => None,
                Ok(Err(complaint)) => Some(format!("{name}{complaint}")),
                Err(panic) => Some(format!("{name}: {panic}")),
            }
        });
    }
    let failures: Vec<String> = running.join_all().await.into_iter().flatten().collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

/// What a dialogue wants before its first word.
#[derive(Default)]
struct Preparation {
    environment: Vec<(String, String)>,
    settings: Vec<Value>,
    extensions: Vec<String>,
    logins: Vec<Value>,
}

struct Dialogue {
    appliance: Appliance,
    sink: RawSink,
    client: Option<Client>,
    reply: Reply,
    transcript: String,
}

impl Dialogue {
    /// Plays the whole text; the complaint begins with the line that went wrong.
    async fn hold(text: &str) -> Result<(), String> {
        let mut preparation = Preparation::default();
        let mut dialogue: Option<Dialogue> = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') || preparation.takes(line) {
                continue;
            }
            let dialogue = match &mut dialogue {
                Some(dialogue) => dialogue,
                None => dialogue.insert(Dialogue::begin(&preparation).await),
            };
            if let Err(complaint) = dialogue.play(line).await {
                let transcript = &dialogue.transcript;
                return Err(format!(
                    ":{}: {line}\n    {complaint}\n{transcript}",
                    number + 1
                ));
            }
        }
        assert!(dialogue.is_some(), "the file has no dialogue");
        Ok(())
    }

    async fn begin(preparation: &Preparation) -> Dialogue {
        let mut script = Script::accepting();
        for extension in &preparation.extensions {
            script = script.offering(extension);
        }
        let sink = RawSink::start(script).await;
        let mut plan = Plan::new().next_hop(sink.address());
        for (name, value) in &preparation.environment {
            plan = plan.environment(name, value);
        }
        let appliance = plan.start().await;
        for settings in &preparation.settings {
            appliance.set(settings.clone()).await;
        }
        for login in &preparation.logins {
            let path = "/api/v1/smtp-logins";
            let (status, answer) = appliance
                .call(Method::POST, path, Some(login.clone()))
                .await;
            assert_eq!(status, StatusCode::CREATED, "{answer}");
        }
        let client = Some(Client::connect(appliance.smtp()).await);
        let reply = Reply {
            code: 0,
            lines: Vec::new(),
        };
        Dialogue {
            appliance,
            sink,
            client,
            reply,
            transcript: String::new(),
        }
    }

    async fn play(&mut self, line: &str) -> Result<(), String> {
        if let Some(text) = line.strip_prefix("C: ") {
            return self.send(format!("{text}\r\n").as_bytes()).await;
        }
        if let Some(text) = line.strip_prefix("C> ") {
            return self.send(&unescaped(text)).await;
        }
        if let Some(text) = line.strip_prefix("C* ") {
            let (times, text) = text.split_once(' ').expect("C* takes a number and a text");
            return self
                .send(&unescaped(text).repeat(times.parse().unwrap()))
                .await;
        }
        match line.split_once(':').map(|(word, rest)| (word, rest.trim())) {
            Some(("S", pattern)) => self.hear(pattern).await,
            Some(("has", pattern)) => {
                let found = self.reply.lines.iter().any(|line| matches(pattern, line));
                found
                    .then_some(())
                    .ok_or_else(|| format!("not in {}", self.reply))
            }
            Some(("not", pattern)) => {
                let found = self.reply.lines.iter().any(|line| matches(pattern, line));
                (!found)
                    .then_some(())
                    .ok_or_else(|| format!("in {}", self.reply))
            }
            Some(("arrived", number)) => self.arrived(number.parse().unwrap()).await,
            Some(("body", body)) => self.body(&unescaped(body)),
            Some(("received", pattern)) => self.received(pattern),
            Some(("password", text)) => {
                let (name, password) = text.split_once(' ').expect("a name and a password");
                let body = json!({ "password": password });
                self.administer(Method::PUT, name, Some(body)).await
            }
            Some(("remove", name)) => self.administer(Method::DELETE, name, None).await,
            Some(("sender", pattern)) => self.envelope(pattern, false),
            Some(("recipient", pattern)) => self.envelope(pattern, true),
            None if line == "TLS" => self.handshake().await,
            None if line == "close" => self.closed().await,
            _ => panic!("no such line in a dialogue: {line}"),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let shown = &bytes[..bytes.len().min(200)];
        let _ = writeln!(self.transcript, "    C: {}", shown.escape_ascii());
        let client = self.client.as_mut().expect("the connection is open");
        client
            .send(bytes)
            .await
            .map_err(|error| format!("cannot be sent: {error}"))
    }

    async fn hear(&mut self, pattern: &str) -> Result<(), String> {
        let client = self.client.as_mut().expect("the connection is open");
        let reply = client.reply().await.ok_or("the server closed instead")?;
        let _ = writeln!(self.transcript, "    S: {reply}");
        let last = format!(
            "{} {}",
            reply.code,
            reply.lines.last().map_or("", String::as_str)
        );
        self.reply = reply;
        matches(pattern, &last)
            .then_some(())
            .ok_or_else(|| format!("the server said {last}"))
    }

    async fn handshake(&mut self) -> Result<(), String> {
        let client = self.client.take().expect("the connection is open");
        self.client = Some(client.handshake().await);
        Ok(())
    }

    async fn closed(&mut self) -> Result<(), String> {
        let client = self.client.as_mut().expect("the connection is open");
        match client.reply().await {
            None => Ok(()),
            Some(reply) => Err(format!("the server said {reply}")),
        }
    }

    async fn arrived(&self, number: usize) -> Result<(), String> {
        if number > 0 {
            self.sink.wait_for_accepted(number).await;
        }
        // What must not have arrived must not be on its way either.
        let waiting = self.appliance.queue_total().await;
        let arrived = self.sink.arrivals().len();
        let as_written = arrived == number && waiting == 0;
        as_written
            .then_some(())
            .ok_or_else(|| format!("{arrived} arrived, {waiting} in the queue"))
    }

    fn body(&self, body: &[u8]) -> Result<(), String> {
        let arrivals = self.sink.arrivals();
        let last = arrivals.last().ok_or("nothing arrived")?;
        messages::assert_unchanged(&last.content, body);
        Ok(())
    }

    fn received(&self, pattern: &str) -> Result<(), String> {
        let arrivals = self.sink.arrivals();
        let last = arrivals.last().ok_or("nothing arrived")?;
        let field = messages::header(&last.content, "Received").ok_or("no Received field")?;
        matches(pattern, &field)
            .then_some(())
            .ok_or_else(|| format!("the field is {field}"))
    }

    /// Changes an SMTP login, as an administrator does.
    async fn administer(
        &self,
        method: Method,
        name: &str,
        body: Option<Value>,
    ) -> Result<(), String> {
        let path = format!("/api/v1/smtp-logins/{name}");
        let (status, answer) = self.appliance.call(method, &path, body).await;
        (status == StatusCode::NO_CONTENT)
            .then_some(())
            .ok_or_else(|| format!("{status}: {answer}"))
    }

    fn envelope(&self, pattern: &str, recipient: bool) -> Result<(), String> {
        let arrivals = self.sink.arrivals();
        let last = arrivals.last().ok_or("nothing arrived")?;
        let parts = if recipient {
            last.recipients.clone()
        } else {
            vec![last.sender.clone()]
        };
        let found = parts.iter().any(|part| matches(pattern, part));
        found
            .then_some(())
            .ok_or_else(|| format!("the destination read {parts:?}"))
    }
}

impl Preparation {
    /// Whether the line belongs to the preparation, which then has it.
    fn takes(&mut self, line: &str) -> bool {
        match line.split_once(": ") {
            Some(("env", text)) => {
                let (name, value) = text.split_once('=').expect("env takes NAME=value");
                self.environment.push((name.to_owned(), value.to_owned()));
            }
            Some(("set", text)) => self.settings.push(serde_json::from_str(text).unwrap()),
            Some(("login", text)) => {
                let (name, password) = text.split_once(' ').expect("a name and a password");
                self.logins
                    .push(json!({ "name": name, "password": password }));
            }
            Some(("sink", text)) => self.extensions.push(text.to_owned()),
            _ => return false,
        }
        true
    }
}

/// Whether `text` is `pattern`, in which each … stands for any text, also none.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((front, rest)) = pattern.split_once('…') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(front) else {
        return false;
    };
    let places = text
        .char_indices()
        .map(|(place, _)| place)
        .chain([text.len()]);
    places
        .into_iter()
        .any(|place| matches(rest, &text[place..]))
}

/// The bytes that a text with escapes stands for; everything else is itself, in UTF-8.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match rest.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).expect("two hexadecimal digits")
            }
            other => panic!("no such escape: {other:?}"),
        });
    }
    bytes
}

#[test]
fn patterns_match_as_described() {
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
    }
    check("250 Ok", "250 Ok", true);
    check("250 Ok", "250 Okay", false);
    check("250 …", "250 2.0.0 Ok", true);
    check("250 …Ok", "250 2.0.0 Ok", true);
    check("250 …Ok…", "250 2.0.0 Ok <a1>", true);
    check("250 …Ok", "250 2.0.0 Okay", false);
    check("25…", "354 go", false);
}
