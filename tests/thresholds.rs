//! The threshold: exactly so many bytes stay in memory, one more does not, and the figures say so.

use serde_json::{Value, json};

use crate::support::appliance::{Appliance, Plan};
use crate::support::messages;
use crate::support::raw_sink::{RawSink, Script};

/// DESIGN: the default threshold, which is the patent's.
const THRESHOLD: usize = 32_768;

struct Scene {
    appliance: Appliance,
    sink: RawSink,
}

impl Scene {
    async fn with(settings: Value) -> Scene {
        let sink = RawSink::start(Script::accepting()).await;
        let appliance = Plan::new().next_hop(sink.address()).start().await;
        appliance.set(settings).await;
        Scene { appliance, sink }
    }

    /// Sends a content of exactly `bytes` bytes; it must be answered 250 and arrive unchanged.
    async fn send(&self, subject: &str, bytes: usize) {
        let content = messages::of_size(subject, bytes);
        let mut client = self.appliance.client().await;
        let reply = client
            .message("<a@example.org>", &["<b@example.net>"], &content)
            .await;
        assert_eq!(reply.code, 250, "{reply}");
        client.quit().await;
        let found = || {
            let named =
                |content: &[u8]| messages::header(content, "Subject").as_deref() == Some(subject);
            self.sink
                .accepted()
                .into_iter()
                .find(|arrival| named(&arrival.content))
        };
        self.sink.wait_for(subject, || found().is_some()).await;
        let arrival = found().expect("it was waited for");
        messages::assert_unchanged(&arrival.content, &content);
    }

    /// How many messages had which storage, and the ratio, since the start.
    async fn stored(&self) -> (u64, u64, u64, Value) {
        let statistics = self.appliance.statistics().await;
        let messages = &statistics["since_start"]["messages"];
        let number = |storage: &str| {
            messages[storage]
                .as_u64()
                .unwrap_or_else(|| panic!("{statistics}"))
        };
        (
            number("memory"),
            number("split"),
            number("disk"),
            statistics["since_start"]["ratio"].clone(),
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_byte_more_than_the_threshold_splits() {
    let scene = Scene::with(json!({})).await;
    assert_eq!(scene.stored().await, (0, 0, 0, Value::Null));

    scene.send("exactly", THRESHOLD).await;
    assert_eq!(scene.stored().await, (1, 0, 0, json!(1.0)));

    scene.send("one-more", THRESHOLD + 1).await;
    assert_eq!(scene.stored().await, (1, 1, 0, json!(0.5)));

    let trail = scene
        .appliance
        .trail("sender=a@example.org", |trail| trail["storage"] == "split")
        .await;
    assert_eq!(trail["path"], "fast", "{trail}");
    assert!(trail.to_string().contains("over_threshold"), "{trail}");
    let statistics = scene.appliance.statistics().await;
    assert_eq!(
        statistics["since_start"]["disk_reasons"]["over_threshold"], 1,
        "{statistics}"
    );
    assert_eq!(
        statistics["resident"]["disk_bytes"], 0,
        "the tail was not freed: {statistics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_only_takes_the_standard_path_beyond_the_threshold() {
    let scene = Scene::with(json!({ "over_threshold": "disk_only" })).await;
    scene.send("exactly", THRESHOLD).await;
    scene.send("one-more", THRESHOLD + 1).await;
    assert_eq!(scene.stored().await, (1, 0, 1, json!(0.5)));
    let statistics = scene.appliance.statistics().await;
    assert_eq!(
        statistics["since_start"]["paths"]["standard"], 1,
        "{statistics}"
    );
    scene.appliance.wait_for_queue(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threshold_zero_puts_everything_on_disk() {
    let scene = Scene::with(json!({ "memory_threshold_bytes": 0 })).await;
    scene.send("small", 600).await;
    scene.send("large", 100_000).await;
    let (memory, split, disk, ratio) = scene.stored().await;
    assert_eq!((memory, split + disk, ratio), (0, 2, json!(0.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_threshold_counts_for_the_next_message() {
    let scene = Scene::with(json!({ "memory_threshold_bytes": 1_000 })).await;
    scene.send("over", 2_000).await;
    scene
        .appliance
        .set(json!({ "memory_threshold_bytes": 2_000 }))
        .await;
    scene.send("within", 2_000).await;
    assert_eq!(scene.stored().await, (1, 1, 0, json!(0.5)));
}
