use serde_json::{Value, json};

use super::*;
use crate::delivery::tests::scripted_server::ScriptedServer;
use crate::message::Envelope;
use crate::path::testing::{Scene, TestClient, message_at, next_hop};

const ACCEPTS: &str = "
    C: MAIL
    C: RCPT
    S: 250 2.1.0 sender ok
    S: 250 2.1.5 recipient ok
";
const REFUSES: &str = "
    C: MAIL
    C: RCPT
    S: 250 2.1.0 sender ok
    S: 550 5.1.1 unknown
";

fn start(message: &Message, path: PathChoice) -> CutThroughStart {
    CutThroughStart {
        client: message.client.clone(),
        envelope: Envelope {
            recipients: Vec::new(),
            ..message.envelope.clone()
        },
        declared_size: None,
        path,
    }
}

/// A message for one recipient at this next hop, after its RCPT.
async fn addressed(
    scene: &Scene,
    server: &ScriptedServer,
    path: PathChoice,
) -> (Result<(), Reply>, DeliveryMode, Arc<Message>) {
    let message = message_at(&[server.address]);
    let mut mode = DeliveryMode::default();
    let cut_through = CutThrough::new(Arc::clone(&scene.context));
    let checked = cut_through
        .check_recipient(RecipientCheck {
            recipient: &message.envelope.recipients[0],
            party: message.client.party(),
            settings: &scene.settings,
            mode: &mut mode,
            start: Some(start(&message, path)),
        })
        .await;
    (checked, mode, message)
}

#[tokio::test]
async fn the_first_recipient_decides_the_mode() {
    let antivirus = json!({"antivirus": {"enabled": true, "server": "127.0.0.1:1"}});
    let own = json!({"own_conditions": [
        {"name": "mine", "sender_pattern": "^a@", "leads_to": "cut_through"},
    ]});
    let other = json!({"own_conditions": [
        {"name": "mine", "sender_pattern": "^b@", "leads_to": "cut_through"},
    ]});
    let many = json!({"own_conditions": [{"name": "mine", "sender_pattern": "^a@"}]});
    let table: [(Value, PathChoice, &str); 6] = [
        (json!({}), PathChoice::Fast, "spooled"),
        (json!({}), PathChoice::CutThrough, "cut through"),
        (
            antivirus,
            PathChoice::CutThrough,
            "spooled: antivirus needs the content",
        ),
        (own, PathChoice::Fast, "cut through"),
        (other, PathChoice::Fast, "spooled"),
        (many, PathChoice::CutThrough, "spooled: condition:mine"),
    ];
    for (patch, path, expected) in table {
        let scene = Scene::new(patch.clone()).await;
        let server = next_hop(ACCEPTS).await;
        let (checked, mode, _) = addressed(&scene, &server, path).await;
        assert_eq!(checked, Ok(()), "{patch}");
        let found = match mode {
            DeliveryMode::Undecided => "undecided".to_owned(),
            DeliveryMode::Rejected(reply) => reply.to_string(),
            DeliveryMode::Spooled(None) => "spooled".to_owned(),
            DeliveryMode::Spooled(Some(why)) => format!("spooled: {why}"),
            DeliveryMode::CutThrough(_) => "cut through".to_owned(),
        };
        assert!(
            found.contains(expected) || found == expected,
            "{patch} {found}"
        );
    }
}

#[tokio::test]
async fn a_refused_recipient_has_its_next_hop_s_reply() {
    let scene = Scene::new(json!({})).await;
    let server = next_hop(REFUSES).await;
    let (checked, mode, message) = addressed(&scene, &server, PathChoice::CutThrough).await;
    assert_eq!(checked.map_err(|reply| reply.code), Err(550));
    let DeliveryMode::CutThrough(mut transaction) = mode else {
        panic!("{mode:?}");
    };
    assert_eq!(
        (transaction.accepted, transaction.turned_away.len()),
        (0, 1)
    );
    assert!(!transaction.has_takers());
    let start = transaction.start(&message).await;
    assert!(matches!(start, ContentStart::Refused), "{start:?}");
}

/// What the client hears of content that went to a next hop with this end of its dialogue.
async fn ended(dialogue: &str, is_there: bool, per_recipient: bool) -> EndOfDataReply {
    let scene = Scene::new(json!({})).await;
    let server = next_hop(&(ACCEPTS.to_owned() + "C: DATA\nS: 354 go on\n" + dialogue)).await;
    let (checked, mode, message) = addressed(&scene, &server, PathChoice::CutThrough).await;
    assert_eq!(checked, Ok(()));
    let DeliveryMode::CutThrough(mut transaction) = mode else {
        panic!("{mode:?}");
    };
    let started = transaction.start(&message).await;
    assert!(matches!(started, ContentStart::Content), "{started:?}");
    transaction
        .pass(&mut b"Subject: x\r\n\r\nbody\r\n".to_vec())
        .await;
    let end = CutThroughEnd {
        transaction,
        message,
        has_content: true,
        per_recipient,
        ended_at: Instant::now(),
    };
    let cut_through = CutThrough::new(Arc::clone(&scene.context));
    let reply = cut_through.end(end, &mut TestClient { is_there }).await;
    scene.context.delivery.close().await;
    server.finish().await;
    assert_eq!(scene.waiting().await, 0);
    reply
}

#[tokio::test]
async fn the_end_has_the_next_hop_s_reply() {
    for (dialogue, expected) in [
        ("content\nS: 250 2.0.0 taken\n", "250 2.0.0 Delivered "),
        ("content\nS: 450 4.2.0 later\n", "450 4.2.0"),
        ("content\nS: 554 5.7.1 no\n", "554 5.7.1"),
        ("content\nclose\n", "451 4.4.2"),
    ] {
        let found = ended(dialogue, true, false).await;
        let reply = found.reply.to_string();
        assert!(reply.starts_with(expected), "{reply} {expected}");
        assert!(found.per_recipient.is_empty() && !found.close);
        let each = ended(dialogue, true, true).await.per_recipient;
        assert_eq!(each.len(), 1);
        assert_eq!(each[0].code, found.reply.code);
    }
}

#[tokio::test]
async fn a_client_that_left_before_the_end_is_owed_nothing() {
    let found = ended("client closes\n", false, false).await;
    assert!(found.close && found.reply.is_transient(), "{}", found.reply);
}
