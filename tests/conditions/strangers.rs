//! What one client's mail does to the services of the conditions is nobody else's trouble. The scenes'
//! clamd is a stand-in: a real one is not slow on demand.

use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::client::Reply;
use crate::support::messages;
use crate::support::services::clamd::eicar;
use crate::support::services::scripted_clamd::{SLOW, ScriptedClamd};
use crate::support::wait::{self, PATIENCE};

fn settings(clamd: &ScriptedClamd, more: Value) -> Value {
    let mut antivirus = json!({
        "enabled": true, "server": clamd.address().to_string(), "disables_fast_path": false,
    });
    let (Value::Object(all), Value::Object(more)) = (&mut antivirus, more) else {
        unreachable!("both are objects");
    };
    all.extend(more);
    json!({ "antivirus": antivirus })
}

fn slow() -> Vec<u8> {
    messages::small(SLOW)
}

fn virus() -> Vec<u8> {
    format!("Subject: virus\r\n\r\n{}\r\n", eicar()).into_bytes()
}

/// The replies to one message of each of `clients`, all of them at one time.
async fn all_at_once(stage: &Stage, clients: &[u8], content: &[u8]) -> Vec<Reply> {
    let sending = clients
        .iter()
        .map(|client| stage.send_from(*client, content));
    futures_util::future::join_all(sending).await
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_the_scanner_is_slow_with_are_nobody_else_s_trouble() {
    for when in ["defer", "pass"] {
        let clamd = ScriptedClamd::start().await;
        let more = json!({"timeout_seconds": 1, "when_unavailable": when});
        let stage = Stage::with(settings(&clamd, more)).await;
        for _ in 0..2 {
            let codes = all_at_once(&stage, &[9, 10, 11, 12], &slow()).await;
            let expected = if when == "defer" { 451 } else { 250 };
            assert!(
                codes.iter().all(|reply| reply.code == expected),
                "{codes:?}"
            );
            let reply = stage.send_from(13, &messages::small("ordinary")).await;
            assert_eq!(reply.code, 250, "{when}: {reply}");
            let reply = stage.send_from(13, &virus()).await;
            assert_eq!(reply.code, 554, "{when}: {reply}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_leaves_half_of_the_checks_to_others() {
    let clamd = ScriptedClamd::start().await;
    let more = json!({"timeout_seconds": 60, "connections_max": 4, "disables_fast_path": true});
    let stage = Stage::with(settings(&clamd, more)).await;
    let hog = [9; 6];
    let content = slow();
    let hogging = all_at_once(&stage, &hog, &content);
    let others = async {
        clamd.wait_for_slow(2).await;
        for client in [10, 11] {
            let reply = stage.send_from(client, &messages::small("ordinary")).await;
            assert_eq!(reply.code, 250, "{reply}");
        }
        assert_eq!(clamd.slow_begun(), 2, "it has half of four");
        clamd.end_slow(hog.len());
    };
    let (replies, ()) = tokio::join!(hogging, others);
    assert!(replies.iter().all(|reply| reply.code == 250), "{replies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_unchecked_because_the_scanner_is_busy() {
    let clamd = ScriptedClamd::start().await;
    let more = json!({
        "timeout_seconds": 2, "connections_max": 1, "when_unavailable": "pass",
    });
    let stage = Stage::with(settings(&clamd, more)).await;
    let content = slow();
    let hogging = stage.send_from(9, &content);
    let other = async {
        clamd.wait_for_slow(1).await;
        stage.send_from(10, &virus()).await
    };
    let (own, other) = tokio::join!(hogging, other);
    // It was looked at, and the scanner could not tell: that is what the policy is for.
    assert_eq!(own.code, 250, "{own}");
    assert_ne!(other.code, 250, "{other}");
    let trail = stage.trail("client10@example.org").await;
    let said = trail["examined"].as_str().unwrap();
    let busy = "antivirus: deferred, clamd is asked by too many";
    assert!(other.code == 554 || said == busy, "{other}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_that_is_gone_is_found_out_and_found_again() {
    let clamd = ScriptedClamd::start().await;
    let more = json!({"timeout_seconds": 1, "when_unavailable": "pass"});
    let stage = Stage::with(settings(&clamd, more)).await;
    clamd.hang(true);
    all_at_once(&stage, &[9, 10, 11], &messages::small("lost")).await;
    let state = async || {
        let answer = stage.appliance.read("/api/v1/conditions").await;
        let services = answer["services"].as_array().unwrap();
        services[0]["left_alone_seconds"].as_f64()
    };
    assert_eq!(state().await, None, "messages alone decide nothing");

    let reply = stage.send_from(12, &messages::small("neutral")).await;
    assert_eq!(reply.code, 250, "{reply}");
    let said = stage.trail("client12@example.org").await["examined"].to_string();
    assert!(said.contains("no answer within 1.0 s"), "{said}");
    assert!(state().await.is_some());
    // What passes is shown to it all the same, and gets little of its time.
    let reply = stage.send_from(13, &messages::small("left alone")).await;
    assert_eq!(reply.code, 250, "{reply}");
    let said = stage.trail("client13@example.org").await["examined"].to_string();
    assert!(said.contains("no answer within 1.0 s"), "{said}");

    clamd.hang(false);
    wait::until_true("a virus to be found again", PATIENCE, || async {
        stage.send_from(14, &virus()).await.code == 554
    })
    .await;
    assert_eq!(state().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_address_is_asked_at_once() {
    let wrong = ScriptedClamd::start().await;
    wrong.hang(true);
    let stage = Stage::with(settings(&wrong, json!({"timeout_seconds": 1}))).await;
    for clients in [&[9, 10, 11][..], &[12], &[13]] {
        for reply in all_at_once(&stage, clients, &messages::small("lost")).await {
            assert_eq!(reply.code, 451, "{reply}");
        }
    }
    let said = stage.trail("client13@example.org").await["examined"].to_string();
    assert!(said.contains("left alone"), "{said}");
    let right = ScriptedClamd::start().await;
    stage.appliance.set(settings(&right, json!({}))).await;
    let reply = stage.send_from(14, &messages::small("found")).await;
    assert_eq!(reply.code, 250, "{reply}");
    let said = stage.trail("client14@example.org").await["examined"].to_string();
    assert_eq!(said, "\"antivirus: passed\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_not_forged_by_a_message_that_is_all_header() {
    let clamd = ScriptedClamd::start().await;
    let stage = Stage::with(settings(&clamd, json!({"when_found": "tag"}))).await;
    let forged = b"Subject: forged\r\nX-Virus-Found: none\r\n";
    let reply = stage.send_from(9, forged).await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrival = stage.arrived("forged").await;
    assert_eq!(messages::header(&arrival.content, "X-Virus-Found"), None);
}
