//! What a sink does, stage by stage.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;

/// What happens at one stage.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// This reply, without its CRLF.
    Say(String),
    /// This reply once the gate is open.
    SayAfter(Gate, String),
    /// This reply, late.
    SayIn(Duration, String),
    /// The connection is closed in order.
    HangUp,
    /// The connection is reset.
    Reset,
    /// Nothing is said, and the connection stays open.
    Silence,
    /// Nothing is read any more either.
    Deafness,
}

impl Answer {
    pub(crate) fn say(reply: &str) -> Answer {
        Answer::Say(reply.to_owned())
    }

    pub(crate) fn say_in(wait: Duration, reply: &str) -> Answer {
        Answer::SayIn(wait, reply.to_owned())
    }

    pub(crate) fn say_after(gate: &Gate, reply: &str) -> Answer {
        Answer::SayAfter(gate.clone(), reply.to_owned())
    }
}

/// Closed until the scene opens it, then open for good.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    pub(crate) fn closed() -> Gate {
        Gate(watch::Sender::new(false))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        // The sender is this very gate, so the channel cannot be closed while it is waited for.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// The whole behaviour of a sink. A new one accepts everything and offers nothing but PIPELINING,
/// 8BITMIME and ENHANCEDSTATUSCODES.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) greeting: Answer,
    pub(crate) capabilities: Vec<String>,
    pub(crate) start_tls: Answer,
    pub(crate) mail: Answer,
    /// By address; everybody else is accepted.
    pub(crate) recipients: HashMap<String, Answer>,
    /// For everybody who is not named in `recipients`.
    pub(crate) any_recipient: Answer,
    pub(crate) data: Answer,
    /// Happens when this many bytes of a message's data have come; only `HangUp`, `Reset`,
    /// `Silence` and `Deafness` make sense.
    pub(crate) inside_data: Option<(usize, Answer)>,
    pub(crate) end_of_data: Answer,
    /// Bytes of each message that are kept.
    pub(crate) kept_bytes: usize,
}

impl Script {
    pub(crate) fn accepting() -> Script {
        Script {
            greeting: Answer::say("220 sink.example.net ESMTP"),
            capabilities: ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"]
                .map(str::to_owned)
                .to_vec(),
            start_tls: Answer::say("502 5.5.1 Not offered"),
            mail: Answer::say("250 2.1.0 Sender ok"),
            recipients: HashMap::new(),
            any_recipient: Answer::say("250 2.1.5 Recipient ok"),
            data: Answer::say("354 Go ahead"),
            inside_data: None,
            end_of_data: Answer::say("250 2.0.0 Taken by the sink"),
            kept_bytes: usize::MAX,
        }
    }

    /// Offers one more extension.
    pub(crate) fn offering(mut self, capability: &str) -> Script {
        self.capabilities.push(capability.to_owned());
        self
    }

    pub(crate) fn greeting(mut self, answer: Answer) -> Script {
        self.greeting = answer;
        self
    }

    /// Offers STARTTLS and answers it so; behind a 220 comes the handshake.
    pub(crate) fn start_tls(mut self, answer: Answer) -> Script {
        self.start_tls = answer;
        self.offering("STARTTLS")
    }

    pub(crate) fn mail(mut self, answer: Answer) -> Script {
        self.mail = answer;
        self
    }

    pub(crate) fn recipient(mut self, address: &str, answer: Answer) -> Script {
        self.recipients.insert(address.to_owned(), answer);
        self
    }

    pub(crate) fn any_recipient(mut self, answer: Answer) -> Script {
        self.any_recipient = answer;
        self
    }

    pub(crate) fn inside_data(mut self, bytes: usize, answer: Answer) -> Script {
        self.inside_data = Some((bytes, answer));
        self
    }

    pub(crate) fn end_of_data(mut self, answer: Answer) -> Script {
        self.end_of_data = answer;
        self
    }

    pub(crate) fn keeping(mut self, bytes: usize) -> Script {
        self.kept_bytes = bytes;
        self
    }

    /// Accepts everything from now on and keeps what the sink offers.
    pub(crate) fn heal(&mut self) {
        let offered = std::mem::take(&mut self.capabilities);
        let kept_bytes = self.kept_bytes;
        *self = Script {
            capabilities: offered,
            kept_bytes,
            ..Script::accepting()
        };
        self.capabilities
            .retain(|capability| capability != "STARTTLS");
    }
}
