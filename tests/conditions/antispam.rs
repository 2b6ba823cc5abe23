//! Antispam: rspamd and spamd decide, with rules of the test's own.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::messages;
use crate::support::raw_sink::Arrival;
use crate::support::services::gtube;
use crate::support::services::rspamd::{ADD_HEADER, GREYLIST, REJECT, REWRITE_SUBJECT, Rspamd};
use crate::support::services::spamd::Spamd;

fn settings(engine: &str, server: SocketAddr, more: Value) -> Value {
    let mut antispam = json!({"enabled": true, "engine": engine, "server": server.to_string()});
    let (Value::Object(all), Value::Object(more)) = (&mut antispam, more) else {
        unreachable!("both are objects");
    };
    all.extend(more);
    json!({ "antispam": antispam })
}

async fn with_rspamd(rspamd: &Rspamd, more: Value) -> Stage {
    Stage::with(settings("rspamd", rspamd.address(), more)).await
}

async fn with_spamd(spamd: &Spamd, more: Value) -> Stage {
    Stage::with(settings("spamd", spamd.address(), more)).await
}

/// Sends a message that is worth so many points; gives the code of the reply and what was said of it.
async fn judged(stage: &Stage, sender: &str, points: u32) -> (u16, String) {
    let content = messages::small(&format!("worth {points} points"));
    judged_content(stage, sender, &content).await
}

async fn judged_content(stage: &Stage, sender: &str, content: &[u8]) -> (u16, String) {
    let reply = stage.send(sender, &["b@example.net"], content).await;
    let trail = stage.trail(sender).await;
    let said = trail["examined"].as_str().unwrap();
    let said = said.strip_prefix("antispam: ").unwrap().to_owned();
    (reply.code, said)
}

/// The fields that say that a message is spam.
fn tags(arrival: &Arrival) -> [Option<String>; 3] {
    ["X-Spam-Flag", "X-Spam-Score", "X-Spam-Symbols"]
        .map(|name| messages::header(&arrival.content, name))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rspamd_advises_is_done() {
    let rspamd = Rspamd::start("").await;
    // These scores mean nothing while its advice is followed.
    let scores = json!({"tag_score": 1, "refuse_score": 2});
    let stage = with_rspamd(&rspamd, scores).await;
    for (points, code, verdict, action) in [
        (GREYLIST - 1, 250, "passed", "no action"),
        (GREYLIST, 250, "passed", "greylist"),
        (ADD_HEADER, 250, "passed", "add header"),
        (REWRITE_SUBJECT, 250, "passed", "rewrite subject"),
        (REJECT, 554, "refused", "reject"),
    ] {
        let sender = format!("worth-{points}@example.org");
        let expected =
            format!("{verdict}, score {points}.0 of {REJECT}.0, action {action}, SUBJECT_WORTH");
        assert_eq!(judged(&stage, &sender, points).await, (code, expected));
        if code != 250 {
            continue;
        }
        stage.assert_diverted(&sender, "antispam").await;
        let arrival = stage.arrived(&format!("worth {points} points")).await;
        let is_tagged = points >= ADD_HEADER;
        let expected = [
            "YES".to_owned(),
            format!("{points}.0 (required {REJECT}.0)"),
            "SUBJECT_WORTH".to_owned(),
        ]
        .map(|value| is_tagged.then_some(value));
        assert_eq!(tags(&arrival), expected);
        let sent = messages::small(&format!("worth {points} points"));
        assert!(
            arrival.content.ends_with(&sent),
            "it arrives as it was sent"
        );
    }
    let content = messages::small("try later");
    let (code, said) = judged_content(&stage, "later@example.org", &content).await;
    assert_eq!(code, 451, "{said}");
    assert!(
        said.starts_with("deferred, ") && said.contains("action soft reject"),
        "{said}"
    );
    let content = format!("Subject: gtube\r\n\r\n{}\r\n", gtube());
    let (code, said) = judged_content(&stage, "gtube@example.org", content.as_bytes()).await;
    assert_eq!(code, 554, "{said}");
    assert!(said.contains("GTUBE"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_decide_where_rspamds_advice_is_ignored() {
    let rspamd = Rspamd::start("").await;
    let scores = json!({
        "follow_action": false, "tag_score": 2, "defer_score": 3, "refuse_score": 5.5,
    });
    let stage = with_rspamd(&rspamd, scores).await;
    for (points, code, verdict) in [
        (1, 250, "passed"),
        (2, 250, "passed"),
        (3, 451, "deferred"),
        (5, 451, "deferred"),
        (6, 554, "refused"),
    ] {
        let sender = format!("worth-{points}@example.org");
        let (found, said) = judged(&stage, &sender, points).await;
        assert_eq!(found, code, "{points}: {said}");
        assert!(said.starts_with(verdict), "{points}: {said}");
    }
    assert_eq!(tags(&stage.arrived("worth 1 points").await)[0], None);
    let tagged = stage.arrived("worth 2 points").await;
    assert_eq!(tags(&tagged)[0].as_deref(), Some("YES"));
}

#[tokio::test(flavor = "multi_thread")]
async fn spamd_gives_a_score_and_the_settings_decide() {
    let spamd = Spamd::start().await;
    let scores = json!({"tag_score": 4, "defer_score": 7, "refuse_score": 9});
    let stage = with_spamd(&spamd, scores).await;
    for (points, code, verdict) in [
        (3, 250, "passed"),
        (4, 250, "passed"),
        (7, 451, "deferred"),
        (9, 554, "refused"),
    ] {
        let sender = format!("worth-{points}@example.org");
        let expected = format!("{verdict}, score {points}.0 of 5.0, SUBJECT_WORTH_{points}");
        assert_eq!(judged(&stage, &sender, points).await, (code, expected));
        if code == 250 {
            stage.assert_diverted(&sender, "antispam").await;
        }
    }
    assert_eq!(
        tags(&stage.arrived("worth 3 points").await),
        [None, None, None]
    );
    let tagged = stage.arrived("worth 4 points").await;
    let expected = ["YES", "4.0 (required 5.0)", "SUBJECT_WORTH_4"];
    assert_eq!(tags(&tagged), expected.map(|value| Some(value.to_owned())));
    let content = format!("Subject: gtube\r\n\r\n{}\r\n", gtube());
    let (code, said) = judged_content(&stage, "gtube@example.org", content.as_bytes()).await;
    assert_eq!(code, 554, "{said}");
    assert_eq!(said, "refused, score 1000.0 of 5.0, GTUBE");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_fast_path_it_is_checked_in_memory() {
    let rspamd = Rspamd::start("").await;
    let spamd = Spamd::start().await;
    let more = || json!({"disables_fast_path": false});
    let stage = with_rspamd(&rspamd, more()).await;
    for (engine, server) in [("rspamd", rspamd.address()), ("spamd", spamd.address())] {
        stage.appliance.set(settings(engine, server, more())).await;
        let sender = format!("{engine}@example.org");
        stage.taken(&sender).await;
        stage.assert_fast(&sender).await;
        // Large enough for a spool file, and for many blocks.
        let subject = format!("large for {engine}");
        let large = messages::of_size(&subject, 300_000);
        let sender = format!("large-{engine}@example.org");
        let (code, said) = judged_content(&stage, &sender, &large).await;
        assert_eq!(code, 250, "{said}");
        assert!(said.starts_with("passed, score 0.0"), "{said}");
        messages::assert_unchanged(&stage.arrived(&subject).await.content, &large);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_says_of_their_own_mail_that_it_is_none() {
    let rspamd = Rspamd::start("").await;
    let stage = with_rspamd(&rspamd, json!({})).await;
    for (subject, flag) in [("worth 0 points", None), ("worth 7 points", Some("YES"))] {
        let honest = format!("Subject: {subject}\r\n\r\nhello\r\n");
        let content =
            format!("X-Spam-Flag: NO\r\nx-spam-score: -99\r\nX-SPAM-FLAG: NO\r\n{honest}");
        let sender = format!("{}@example.org", subject.replace(' ', "-"));
        let (code, said) = judged_content(&stage, &sender, content.as_bytes()).await;
        assert_eq!(code, 250, "{said}");
        let arrival = stage.arrived(subject).await;
        assert_eq!(tags(&arrival)[0].as_deref(), flag);
        let text = String::from_utf8_lossy(&arrival.content).into_owned();
        assert!(text.ends_with(&honest) && !text.contains("-99"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spam_may_wait_for_an_operator() {
    let rspamd = Rspamd::start("").await;
    let stage = with_rspamd(&rspamd, json!({"when_spam_is_refused": "quarantine"})).await;
    let (code, said) = judged(&stage, "spam@example.org", 20).await;
    assert_eq!(code, 250, "{said}");
    let rows = stage.appliance.queue("state=quarantined").await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["reason"], "condition:antispam");
    let words = rows[0]["last_reply"].as_str().unwrap();
    assert!(words.starts_with("antispam: score 20.0 of 15.0"), "{words}");
    assert!(stage.sink.accepted().is_empty(), "nothing leaves by itself");
    stage
        .appliance
        .act("release", &[rows[0]["id"].clone()])
        .await;
    let released = stage.arrived("worth 20 points").await;
    assert_eq!(tags(&released)[0].as_deref(), Some("YES"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_recipients_are_no_hindrance() {
    let rspamd = Rspamd::start("").await;
    let spamd = Spamd::start().await;
    let stage = with_rspamd(&rspamd, json!({})).await;
    let domain = format!(
        "{0}.{0}.example.net",
        "a-rather-long-label-of-a-domain-name"
    );
    // More than rspamd takes in the header of a request.
    let recipients: Vec<String> = (0..900).map(|one| format!("r{one}@{domain}")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    for (engine, server) in [("rspamd", rspamd.address()), ("spamd", spamd.address())] {
        stage
            .appliance
            .set(settings(engine, server, json!({})))
            .await;
        let sender = format!("{engine}@example.org");
        let content = messages::small(&sender);
        let reply = stage.send(&sender, &recipients, &content).await;
        assert_eq!(reply.code, 250, "{reply}");
        let said = stage.trail(&sender).await["examined"].to_string();
        assert!(said.contains("passed, score 0.0"), "{said}");
    }
}

/// A server that takes connections and says nothing at all.
async fn silent() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_that_cannot_tell_gives_the_answer_that_is_set() {
    let nobody = {
        // A port that nobody listens on any more.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let stage = Stage::with(json!({})).await;
    for engine in ["rspamd", "spamd"] {
        for (number, server) in [nobody, silent().await].into_iter().enumerate() {
            for (answer, code) in [("defer", 451), ("pass", 250)] {
                let more = json!({"when_unavailable": answer, "timeout_seconds": 1});
                stage.appliance.set(settings(engine, server, more)).await;
                let sender = format!("{engine}-{answer}-{number}@example.org");
                let began = Instant::now();
                let content = messages::small(&sender);
                let (found, said) = judged_content(&stage, &sender, &content).await;
                assert_eq!(found, code, "{said}");
                assert!(began.elapsed() < Duration::from_secs(20), "it hangs");
                let verdict = if code == 250 {
                    "passed unchecked"
                } else {
                    "deferred"
                };
                assert!(said.starts_with(&format!("{verdict}, {engine}")), "{said}");
            }
        }
    }
}
