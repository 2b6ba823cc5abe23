//! What the scenes of the conditions share: an appliance with a destination that takes everything, and
//! questions about what became of a message.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::support::appliance::{Appliance, Plan};
use crate::support::client::{Client, Reply};
use crate::support::messages;
use crate::support::raw_sink::{Arrival, RawSink, Script};

/// An appliance with its destination.
pub(crate) struct Stage {
    pub(crate) appliance: Appliance,
    pub(crate) sink: RawSink,
}

impl Stage {
    /// One with these settings.
    pub(crate) async fn with(settings: Value) -> Stage {
        let sink = RawSink::start(Script::accepting()).await;
        let appliance = Plan::new().next_hop(sink.address()).start().await;
        appliance.set(settings).await;
        Stage { appliance, sink }
    }

    /// The reply to the data of a message from `sender`.
    pub(crate) async fn send(&self, sender: &str, recipients: &[&str], content: &[u8]) -> Reply {
        let mut client = self.appliance.client().await;
        let recipients: Vec<String> = recipients.iter().map(|one| format!("<{one}>")).collect();
        let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
        let reply = client
            .message(&format!("<{sender}>"), &recipients, content)
            .await;
        client.quit().await;
        reply
    }

    /// The reply to the data of a message that a client at 127.0.0.`client` brings; its sender is
    /// `client9@example.org`, or whatever the number is.
    pub(crate) async fn send_from(&self, client: u8, content: &[u8]) -> Reply {
        let source = Ipv4Addr::new(127, 0, 0, client);
        let sender = format!("<client{client}@example.org>");
        let mut client = Client::greeted_from(source, self.appliance.smtp()).await;
        let reply = client.message(&sender, &["<b@example.net>"], content).await;
        client.quit().await;
        reply
    }

    /// Sends a small message that must be taken; gives what the trail says of it.
    pub(crate) async fn taken(&self, sender: &str) -> Value {
        let reply = self
            .send(sender, &["b@example.net"], &messages::small(sender))
            .await;
        assert_eq!(reply.code, 250, "{reply}");
        self.trail(sender).await
    }

    /// What the trail says of the message from `sender`.
    pub(crate) async fn trail(&self, sender: &str) -> Value {
        let query = format!("sender={sender}");
        self.appliance.trail(&query, |_| true).await
    }

    /// The message from `sender` took the standard path because of the condition.
    pub(crate) async fn assert_diverted(&self, sender: &str, condition: &str) {
        let trail = self.trail(sender).await;
        let reason = format!("condition:{condition}");
        assert_eq!(trail["path"], "standard", "{trail}");
        let reasons = trail["reasons"].as_array().unwrap();
        assert!(reasons.iter().any(|one| *one == *reason), "{trail}");
        let said = trail["examined"].as_str().unwrap();
        assert!(said.contains(&format!("{condition}: ")), "{trail}");
        let counted = self.diverted(condition).await;
        assert!(counted > 0, "{reason} is not counted");
    }

    /// The message from `sender` stayed in memory on the fast path.
    pub(crate) async fn assert_fast(&self, sender: &str) {
        let trail = self.trail(sender).await;
        assert_eq!(trail["path"], "fast", "{trail}");
        assert_eq!(trail["storage"], "memory", "{trail}");
        assert_eq!(trail["reasons"], serde_json::json!([]), "{trail}");
    }

    /// How many messages of the last day a condition diverted.
    pub(crate) async fn diverted(&self, condition: &str) -> u64 {
        let statistics = self.appliance.statistics().await;
        let reasons = &statistics["windows"]["day"]["disk_reasons"];
        reasons[format!("condition:{condition}")]
            .as_u64()
            .unwrap_or(0)
    }

    /// The message with this subject, once it has arrived.
    pub(crate) async fn arrived(&self, subject: &str) -> Arrival {
        let found = || {
            let named =
                |content: &[u8]| messages::header(content, "Subject").as_deref() == Some(subject);
            let mut accepted = self.sink.accepted().into_iter();
            accepted.find(|arrival| named(&arrival.content))
        };
        self.sink.wait_for(subject, || found().is_some()).await;
        found().expect("it was waited for")
    }
}
