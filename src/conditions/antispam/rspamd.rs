//! rspamd, over HTTP: the message is the body of `POST /checkv2`, what is known of its transaction stands
//! in header fields, and the answer is JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::try_unfold;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Client, Response, StatusCode};
use serde::Deserialize;

use super::super::check::MessageCheck;
use super::super::draft::Draft;
use super::super::service::ServiceError;
use super::super::words;
use super::Opinion;
use crate::limits;
use crate::settings::conditions::Score;
use crate::settings::service_address::ServiceAddress;
use crate::system_error::with_causes;

/// Asks about a message. The caller bounds how long that may take.
///
/// # Errors
/// In words that follow the service's name.
pub(super) async fn ask(
    client: &Result<Client, String>,
    server: &ServiceAddress,
    asked: &MessageCheck<'_>,
) -> Result<Opinion, ServiceError> {
    let draft = asked.draft;
    let client = client.as_ref().map_err(String::clone)?;
    let ServiceAddress::Tcp { .. } = server else {
        return Err("it is asked over TCP only".to_owned().into());
    };
    // The client says only that sending failed.
    let is_unreadable = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&is_unreadable);
    let blocks = try_unfold((draft.reader(), noted), |(mut reader, noted)| async move {
        let block = reader.next().await;
        noted.store(block.is_err(), Ordering::Relaxed);
        std::io::Result::Ok(block?.map(|block| (block, (reader, noted))))
    });
    let response = client
        .post(format!("http://{server}/checkv2"))
        .headers(transaction(draft, &asked.conditions.tools.hostname))
        .header(CONTENT_LENGTH, draft.message().size_bytes())
        .body(Body::wrap_stream(blocks))
        .send()
        .await
        .map_err(|error| {
            let why = with_causes(&error.without_url());
            match is_unreadable.load(Ordering::Relaxed) {
                true => ServiceError::NotShown(why),
                false => ServiceError::Service(why),
            }
        })?;
    let status = response.status();
    let answer = bounded(response).await?;
    if status != StatusCode::OK {
        let text = String::from_utf8_lossy(&answer);
        let why = format!("it answers {status}: {}", words::cut(&text));
        // It is there, and does not like the question.
        return Err(match status.is_client_error() {
            true => ServiceError::Message(why),
            false => ServiceError::Service(why),
        });
    }
    read(&answer).map_err(ServiceError::Service)
}

/// The neutral question: whether it is there. Whoever does not know it, such as a proxy that lets only
/// messages through, is there all the same; one that says that rspamd is not says so with a 5xx.
///
/// # Errors
/// In words that follow the service's name.
pub(super) async fn ask_neutrally(
    client: &Result<Client, String>,
    server: &ServiceAddress,
) -> Result<(), String> {
    let client = client.as_ref().map_err(String::clone)?;
    let asking = client.get(format!("http://{server}/ping")).send().await;
    let response = asking.map_err(|error| with_causes(&error.without_url()))?;
    let status = response.status();
    match status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
        true => Err(format!("it answers {status}")),
        false => Ok(()),
    }
}

/// What is known of the transaction: the client's, since that is what senders are judged by, whatever
/// was changed of the envelope since.
fn transaction(draft: &Draft, hostname: &str) -> HeaderMap {
    let message = draft.arrived();
    let mut header = HeaderMap::new();
    let mut tell = |name: &'static str, value: &str| {
        let value: Vec<u8> = value.bytes().map(printable).collect();
        let length = value.len();
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            header.append(HeaderName::from_static(name), value);
        }
        name.len() + length
    };
    if let Some(address) = message.client.address {
        tell("ip", &address.to_string());
    }
    tell("helo", &message.client.helo);
    if let Some(login) = &message.client.login {
        tell("user", login);
    }
    tell("queue-id", &message.id.to_string());
    // “Hostname” would be the client's, as its address is resolved: that is left to rspamd.
    tell("mta-name", hostname);
    tell("from", &format!("<{}>", message.envelope.sender.as_str()));
    let mut left = limits::RSPAMD_RECIPIENTS_BYTES;
    for recipient in &message.envelope.recipients {
        let told = tell("rcpt", &format!("<{}>", recipient.address.as_str()));
        left = left.saturating_sub(told);
        if left == 0 {
            break;
        }
    }
    header
}

/// Whatever would end a field is replaced.
fn printable(byte: u8) -> u8 {
    if byte.is_ascii_control() { b'?' } else { byte }
}

async fn bounded(mut response: Response) -> Result<Vec<u8>, String> {
    let mut answer = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| with_causes(&error.without_url()))?;
        let Some(chunk) = chunk else {
            return Ok(answer);
        };
        if answer.len() + chunk.len() > limits::SERVICE_ANSWER_BYTES {
            let most = limits::SERVICE_ANSWER_BYTES;
            return Err(format!("its answer is longer than {most} bytes"));
        }
        answer.extend_from_slice(&chunk);
    }
}

/// What we read of an answer; it says much more.
#[derive(Debug, Deserialize)]
struct Said {
    score: f64,
    required_score: Option<f64>,
    action: String,
    #[serde(default)]
    symbols: BTreeMap<String, Symbol>,
}

#[derive(Debug, Deserialize)]
struct Symbol {
    score: Option<f64>,
}

fn read(answer: &[u8]) -> Result<Opinion, String> {
    let said: Said = serde_json::from_slice(answer).map_err(|error| {
        let why = words::cut(&error.to_string());
        format!("its answer makes no sense: {why}")
    })?;
    let score = Score::nearest(said.score).ok_or("its score is no number")?;
    let mut symbols: Vec<(String, f64)> = said
        .symbols
        .into_iter()
        .map(|(name, symbol)| (name, symbol.score.unwrap_or(0.0)))
        .collect();
    symbols.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let names: Vec<&str> = symbols.iter().map(|(name, _)| name.as_str()).collect();
    Ok(Opinion {
        score,
        required: said.required_score.and_then(Score::nearest),
        action: Some(said.action),
        symbols: words::cut(&names.join(", ")),
    })
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::super::super::service_stream::http_client;
    use super::super::super::testing::{message, saying};
    use super::*;
    use crate::message::{Client, Message};

    fn check(answer: &str, expected: Result<(&str, Option<&str>, &str, &str), &str>) {
        let found = read(answer.as_bytes());
        match (found, expected) {
            (Ok(found), Ok((score, required, action, symbols))) => {
                assert_eq!(found.score.to_string(), score, "{answer}");
                let found_required = found.required.map(|required| required.to_string());
                assert_eq!(found_required.as_deref(), required, "{answer}");
                assert_eq!(found.action.as_deref(), Some(action), "{answer}");
                assert_eq!(found.symbols, symbols, "{answer}");
            }
            (Err(why), Err(part)) => assert!(why.contains(part), "{answer}: {why}"),
            (found, expected) => panic!("{answer}: {found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn answers_are_read() {
        check(
            r#"{"is_skipped":false,"score":7.2,"required_score":15.0,"action":"add header","thresholds":{"reject":15},
                "symbols":{"A":{"name":"A","score":0.2,"metric_score":0.2,"options":["x"]},"Z":{"name":"Z","score":7.0},
                "B":{"name":"B","score":-1.5}},"messages":{},"message-id":"undef","time_real":0.07}"#,
            Ok(("7.2", Some("15.0"), "add header", "Z, A, B")),
        );
        check(
            r#"{"score":0.0,"action":"no action","required_score":null,"symbols":{}}"#,
            Ok(("0.0", None, "no action", "")),
        );
        check(
            r#"{"score":-3,"required_score":15,"action":"reject","symbols":{"GTUBE":{"score":null}}}"#,
            Ok(("-3.0", Some("15.0"), "reject", "GTUBE")),
        );
        check(r#"{"error":"invalid command"}"#, Err("missing field"));
        check(r#"{"score":"7","action":"reject"}"#, Err("invalid type"));
        check(r#"{"score":1e999,"action":"reject"}"#, Err("out of range"));
        check(r#"{"score":7.2,"action":"rej"#, Err("makes no sense"));
        check("", Err("makes no sense"));
        check("<html>", Err("makes no sense"));
    }

    #[tokio::test]
    async fn whoever_speaks_http_is_there_unless_it_says_otherwise() {
        let client = http_client();
        for (answer, is_there) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong", true),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 501 Unknown\r\nContent-Length: 0\r\n\r\n", true),
            (
                "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
                false,
            ),
            ("220 mail.example.net ESMTP\r\n", false),
            ("", false),
        ] {
            let server = saying(&[answer]).await;
            let found = ask_neutrally(&client, &server).await;
            assert_eq!(found.is_ok(), is_there, "{answer}: {found:?}");
        }
    }

    #[tokio::test]
    async fn it_learns_of_the_transaction() {
        let recipients = ["bert@example.net", "jörg@example.com"];
        let arrived = message("\"a,b\"@example.org", &recipients, b"Subject: x\r\n\r\n");
        let client = Client {
            helo: "client\r\nUser: root\0".into(),
            login: Some("anna".into()),
            ..arrived.client.clone()
        };
        let message = Message {
            client,
            ..(*arrived).clone()
        };
        let draft = Draft::of(Arc::new(message)).await.expect("readable");
        let header = transaction(&draft, "relay.example.org");
        let told = |name: &str| -> Vec<String> {
            let values = header.get_all(name).iter();
            values
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect()
        };
        assert_eq!(told("ip"), ["192.0.2.1"]);
        assert_eq!(told("helo"), ["client??User: root?"]);
        assert_eq!(told("mta-name"), ["relay.example.org"]);
        assert_eq!(told("queue-id"), [draft.arrived().id.to_string()]);
        assert_eq!(told("from"), ["<\"a,b\"@example.org>"]);
        assert_eq!(told("rcpt"), ["<bert@example.net>", "<jörg@example.com>"]);
        assert_eq!(told("user"), ["anna"]);
        assert!(told("hostname").is_empty());
    }

    #[tokio::test]
    async fn it_learns_of_as_many_recipients_as_it_takes() {
        let addresses: Vec<String> = (0..limits::RECIPIENTS)
            .map(|number| format!("{number:0>60}@{}.example.net", "d".repeat(60)))
            .collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let message = message("", &addresses, b"\r\n");
        let draft = Draft::of(message).await.expect("readable");
        let header = transaction(&draft, "relay.example.org");
        let told = header.get_all("rcpt").iter();
        let bytes: usize = told.map(|value| "rcpt".len() + value.len()).sum();
        let most = limits::RSPAMD_RECIPIENTS_BYTES;
        assert!((most..most + 400).contains(&bytes), "{bytes}");
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(answer in any::<Vec<u8>>()) {
            let _ = read(&answer);
        }

        #[test]
        fn scores_are_what_they_were(score in -1_000.0..1_000.0_f64, name in "[A-Z_]{1,20}") {
            let answer = format!(r#"{{"score":{score:?},"action":"reject","symbols":{{"{name}":{{"score":1}}}}}}"#);
            let opinion = read(answer.as_bytes()).expect("an answer");
            prop_assert_eq!(Some(opinion.score), Score::nearest(score));
            prop_assert_eq!(opinion.symbols, name);
        }
    }
}
