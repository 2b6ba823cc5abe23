use serde_json::{Value, json};

use super::*;
use crate::alerts::AlertKind;
use crate::alerts::scripted_server::{ScriptedServer, TAKEN};
use crate::message::Spool;
use crate::own_mark::OwnMark;
use crate::settings::{Publisher, Settings, SettingsDocument, testing};

/// Changes some settings, and waits until the watch has looked with them. Each publication makes it
/// look at once.
async fn look(publisher: &Publisher, alerts: &Alerts, patch: Value) {
    let patch = testing::patch(patch);
    let mut present = alerts.follow();
    // Twice, because the first look may have begun before the change.
    for _ in 0..2 {
        let settings = publisher.current().snapshot();
        publisher.publish(settings.patched(&patch).expect("it holds"));
        let looked = timeout(Duration::from_secs(60), present.changed());
        looked.await.expect("in time").expect("it runs");
    }
}

#[tokio::test]
async fn an_alert_begins_and_ends_once_however_often_it_is_seen() {
    let directory = tempfile::tempdir().expect("a directory");
    let spool = Spool::open(directory.path().join("spool"), "test").expect("a spool");
    let (store, writers) = Store::open(directory.path(), &spool, Some(Timestamp::now()))
        .await
        .expect("a store");
    let mut server = ScriptedServer::start([TAKEN.to_owned()]).await;
    let publisher =
        Publisher::new(Settings::new(SettingsDocument::default()).expect("the defaults hold"));
    let alerts = Alerts::new("relay.example.net".into(), publisher.current());
    let stop = CancellationToken::new();
    let sources = Sources {
        store: store.clone(),
        delivery: Delivery::new(
            "relay.example.net".into(),
            OwnMark::random(),
            publisher.current(),
        ),
        statistics: Arc::new(Statistics::new(Timestamp::now())),
        budget: MemoryBudget::new(1 << 30),
        spool: Arc::clone(&spool),
        trail: Trail::new(
            publisher.current(),
            Arc::new(Statistics::new(Timestamp::now())),
        )
        .0,
        data_directory: directory.path().to_owned(),
    };
    let watching = tokio::spawn(Arc::clone(&alerts).watch(sources, stop.clone()));
    let telling = tokio::spawn(Arc::clone(&alerts).tell(stop.clone()));

    let disk_only = json!({
        "alert_webhook_url": server.url(),
        "alert_disk_free_percent": null, "alert_disk_free_bytes": 1 << 20,
    });
    look(&publisher, &alerts, disk_only).await;
    assert_eq!(*alerts.present(), crate::alerts::ActiveAlerts::default());
    // No disk has as much.
    look(
        &publisher,
        &alerts,
        json!({"alert_disk_free_bytes": 1_u64 << 60}),
    )
    .await;
    look(&publisher, &alerts, json!({"retries_max": 1})).await;
    let present = alerts.present();
    assert_eq!(present.alerts.len(), 1);
    assert_eq!(present.alerts[0].kind(), AlertKind::DiskLow);
    let words = server.request().await.json();
    assert_eq!(
        (&words["event"], &words["alert"]),
        (&json!("begin"), &json!("disk_low"))
    );
    assert!(words["figures"]["free_bytes"].is_u64(), "{words}");

    look(
        &publisher,
        &alerts,
        json!({"alert_disk_free_bytes": 1 << 20}),
    )
    .await;
    look(&publisher, &alerts, json!({"retries_max": 2})).await;
    assert_eq!(*alerts.present(), crate::alerts::ActiveAlerts::default());
    let words = server.request().await.json();
    assert_eq!(
        (&words["event"], &words["alert"]),
        (&json!("end"), &json!("disk_low"))
    );
    assert_eq!(
        words["text"]
            .as_str()
            .map(|text| text.starts_with("Over. ")),
        Some(true)
    );
    assert_eq!(server.unseen(), 0);

    stop.cancel();
    watching.await.expect("it ends");
    telling.await.expect("it ends");
    drop(alerts);
    store.close(writers).await;
}
