//! Messages, settings and tools for the tests of the conditions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::check::{EnvelopeCheck, MessageCheck};
use super::draft::Draft;
use super::facts::EnvelopeFacts;
use super::new_body::NewBody;
use super::resources::CheckResources;
use super::service::Asker;
use super::services::Conditions;
use super::verdict::RecipientCopy;
use crate::clients::{ClientId, FairPermit, FairSemaphore};
use crate::dns::Dns;
use crate::message::{MemoryBudget, Message, MessageIds, Spool, testing};
use crate::openpgp::Keyring;
use crate::settings::conditions::WhenUnavailable;
use crate::settings::service_address::ServiceAddress;
pub(super) use crate::settings::testing::settings;
use crate::settings::{Publisher, Settings};

/// A message from 192.0.2.1, held in memory.
pub(super) fn message(sender: &str, recipients: &[&str], content: &[u8]) -> Arc<Message> {
    Arc::new(Message {
        prefix: Bytes::from_static(b"Received: by us;\r\n\tnow\r\n"),
        ..testing::message(sender, recipients, content)
    })
}

/// Somebody of this name who asks for so long.
pub(super) fn asker(name: &str, wait: Duration) -> Asker {
    Asker {
        party: ClientId::Login(name.into()),
        deadline: Instant::now() + wait,
        when_unavailable: WhenUnavailable::Defer,
    }
}

/// A server that says each of these once, to one connection after the other, whatever it hears; then it is
/// gone.
pub(super) async fn saying(answers: &[&'static str]) -> ServiceAddress {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let answers = answers.to_vec();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            // Closed over what was not read, the connection would be reset, and the answer lost.
            let mut heard = [0; 4_096];
            let _ = stream.read(&mut heard).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
            while matches!(stream.read(&mut heard).await, Ok(1..)) {}
        }
    });
    address.parse().expect("an address")
}

/// All places, taken by as many others.
pub(super) async fn all_taken(places: &Arc<FairSemaphore>, total: usize) -> Vec<FairPermit> {
    let mut taken = Vec::new();
    for number in 0..total {
        let party = ClientId::Login(number.to_string().into());
        taken.push(places.take(party).await);
    }
    taken
}

/// What stands behind the header in the place of what arrived, in ASCII.
pub(super) fn new_body(text: &str) -> NewBody {
    NewBody {
        body: testing::body(format!("\r\n{text}").as_bytes()),
        eight_bit: false,
    }
}

/// Longer than any check takes.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// Conditions whose services were not asked yet, with a directory for their spool.
pub(super) fn conditions() -> (TempDir, Conditions) {
    let (directory, tools) = tools();
    (directory, Conditions::new(tools))
}

/// A check of a message for so long, by the condition at the first position of its kind.
pub(super) fn of_message<'a>(
    conditions: &'a Conditions,
    settings: &'a Settings,
    draft: &'a Draft,
    wait: Duration,
) -> MessageCheck<'a> {
    MessageCheck {
        conditions,
        settings,
        draft,
        deadline: Instant::now() + wait,
        position: 0,
    }
}

/// A check of a message's envelope.
pub(super) fn of_envelope<'a>(
    conditions: &'a Conditions,
    settings: &'a Settings,
    message: &'a Message,
    asker: Asker,
) -> EnvelopeCheck<'a> {
    EnvelopeCheck {
        conditions,
        settings,
        envelope: EnvelopeFacts::of(message, None),
        asker,
    }
}

/// Tools with a spool in a directory that goes with it.
pub(super) fn tools() -> (TempDir, CheckResources) {
    tools_with(Keyring::default())
}

/// The same with these OpenPGP keys.
pub(super) fn tools_with(keyring: Keyring) -> (TempDir, CheckResources) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let spool = Spool::open(directory.path().join("spool"), "boot").expect("a spool");
    let tools = CheckResources {
        hostname: "relay.example.org".into(),
        ids: Arc::new(MessageIds::after(None)),
        spool,
        budget: MemoryBudget::new(1 << 20),
        keys: Publisher::new(keyring).current(),
        dns: Arc::new(Dns::default()),
    };
    (directory, tools)
}

impl PartialEq for NewBody {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.body, &other.body)
    }
}

impl PartialEq for RecipientCopy {
    fn eq(&self, other: &Self) -> bool {
        self.recipients == other.recipients
            && self.fields == other.fields
            && Arc::ptr_eq(&self.body, &other.body)
    }
}
