use serde_json::{Value, json};

use super::*;
use crate::message::Path;
use crate::path::testing::{
    DEFERS, IS_LEFT, REFUSES, Scene, TAKES, TestClient, message_at, next_hops,
};

/// What becomes of a message for a recipient at each of these next hops.
async fn deliver(scene: &Scene, dialogues: &[&str], per_recipient: bool) -> Disposition {
    let (servers, message) = next_hops(dialogues).await;
    let dispatch = scene.dispatch(message, per_recipient);
    let shutdown = CancellationToken::new();
    let mut client = TestClient { is_there: true };
    let path = FastPath::new(Arc::clone(&scene.context));
    let disposition = path.deliver(&dispatch, &[], &mut client, &shutdown).await;
    scene.context.delivery.close().await;
    for server in servers {
        server.finish().await;
    }
    disposition
}

/// Section 3 of the design, from the next hops' replies to ours.
#[tokio::test]
async fn one_reply_tells_what_became_of_all() {
    let queue = || json!({});
    let pass = || json!({"when_deferred": "pass"});
    let report = || json!({"when_refused": "report"});
    let table: [(&[&str], Value, &str, u64); 9] = [
        (&[TAKES], queue(), "250 2.0.0 Delivered ", 0),
        (&[TAKES, TAKES], queue(), "250 2.0.0 Delivered ", 0),
        (&[REFUSES], queue(), "550 5.1.1", 0),
        (&[REFUSES], report(), "250 2.0.0 Accepted ", 1),
        (&[DEFERS], queue(), "250 2.0.0 Queued ", 1),
        (&[DEFERS], pass(), "450 4.2.0", 0),
        (&[DEFERS, REFUSES], pass(), "450 4.2.0", 0),
        (&[TAKES, REFUSES], pass(), "250 2.0.0 Accepted ", 1),
        (&[TAKES, DEFERS], pass(), "250 2.0.0 Queued ", 1),
    ];
    for (dialogues, patch, expected, waiting) in table {
        let scene = Scene::new(patch.clone()).await;
        let found = deliver(&scene, dialogues, false).await;
        let reply = found.reply.to_string();
        assert!(reply.starts_with(expected), "{patch} {reply} {expected}");
        assert_eq!(scene.waiting().await, waiting, "{patch} {reply}");
        let settled = match found.reply.is_positive() {
            true => (0..dialogues.len()).collect(),
            false => Vec::new(),
        };
        assert_eq!(found.settled, settled, "{patch} {reply}");
        assert_eq!(found.stored, waiting > 0, "{patch} {reply}");
        assert_eq!(found.path, Path::Fast);
        assert!(found.each.is_empty() && !found.client_gone && !found.needs_fingerprint);
    }
}

#[tokio::test]
async fn with_a_reply_for_each_only_what_waits_is_stored() {
    let queue = || json!({});
    let pass = || json!({"when_deferred": "pass"});
    let report = || json!({"when_refused": "report"});
    type Row = (
        &'static [&'static str],
        Value,
        &'static [&'static str],
        u64,
        &'static [usize],
    );
    let table: [Row; 5] = [
        (
            &[TAKES, REFUSES],
            queue(),
            &["250 2.0.0 Delivered", "550 5.1.1"],
            0,
            &[0],
        ),
        (
            &[TAKES, REFUSES],
            report(),
            &["250 2.0.0 Delivered", "250 2.0.0 Queued"],
            1,
            &[0, 1],
        ),
        (
            &[DEFERS, TAKES],
            queue(),
            &["250 2.0.0 Queued", "250 2.0.0 Delivered"],
            1,
            &[0, 1],
        ),
        (
            &[DEFERS, TAKES],
            pass(),
            &["450 4.2.0", "250 2.0.0 Delivered"],
            0,
            &[1],
        ),
        (
            &[REFUSES, DEFERS],
            pass(),
            &["550 5.1.1", "450 4.2.0"],
            0,
            &[],
        ),
    ];
    for (dialogues, patch, expected, waiting, settled) in table {
        let scene = Scene::new(patch.clone()).await;
        let found = deliver(&scene, dialogues, true).await;
        let replies: Vec<String> = found.each.iter().map(ToString::to_string).collect();
        for (reply, expected) in replies.iter().zip(expected) {
            assert!(reply.starts_with(expected), "{patch} {replies:?}");
        }
        assert_eq!(replies.len(), expected.len());
        assert_eq!(scene.waiting().await, waiting, "{patch} {replies:?}");
        assert_eq!(found.settled, settled, "{patch} {replies:?}");
        assert_eq!(
            found.reply.is_positive(),
            !settled.is_empty(),
            "{}",
            found.reply
        );
    }
}

#[tokio::test]
async fn what_cannot_be_stored_stays_with_the_client() {
    for (dialogues, expected, settled, needs_fingerprint) in [
        (&[DEFERS][..], "452 4.3.1", &[][..], false),
        (
            &[TAKES, DEFERS],
            "451 4.3.0 Delivered to some recipients only",
            &[0],
            true,
        ),
    ] {
        let scene = Scene::new(json!({})).await;
        scene.fill_disk();
        let found = deliver(&scene, dialogues, false).await;
        let reply = found.reply.to_string();
        assert!(reply.starts_with(expected), "{reply}");
        assert_eq!(found.settled, settled, "{reply}");
        assert_eq!(found.needs_fingerprint, needs_fingerprint, "{reply}");
        assert_eq!(scene.waiting().await, 0);
        let found = deliver(&scene, dialogues, true).await;
        let last = found.each.last().expect("there is one for each");
        assert!(last.is_transient(), "{last}");
        assert_eq!(found.settled, settled, "{last}");
    }
}

#[tokio::test]
async fn a_client_that_left_is_owed_nothing() {
    let scene = Scene::new(json!({})).await;
    let (mut servers, message) = next_hops(&[IS_LEFT]).await;
    let dispatch = scene.dispatch(message, false);
    let mut client = TestClient { is_there: false };
    let shutdown = CancellationToken::new();
    let path = FastPath::new(Arc::clone(&scene.context));
    let found = path.deliver(&dispatch, &[], &mut client, &shutdown).await;
    assert!(found.client_gone && found.settled.is_empty());
    servers.remove(0).finish().await;
    assert_eq!(scene.waiting().await, 0);
}

#[tokio::test]
async fn who_has_it_already_is_not_asked_again() {
    let scene = Scene::new(json!({})).await;
    let nowhere = "127.0.0.1:1".parse().expect("an address");
    let dispatch = scene.dispatch(message_at(&[nowhere]), false);
    let mut client = TestClient { is_there: true };
    let shutdown = CancellationToken::new();
    let path = FastPath::new(Arc::clone(&scene.context));
    let delivered = path.deliver(&dispatch, &[true], &mut client, &shutdown);
    let reply = delivered.await.reply.to_string();
    assert!(reply.ends_with("(already delivered)"), "{reply}");
}
