//! `fastpath sink`: an embedded test destination, for trying things out; never the front door
//! (docs/decisions/0001-mailin-embedded-is-the-sink.md).
//!
//! It answers by recipient, up to a `+` in the local part: `later@…` is deferred the first two times
//! for each sender, `refuse@…` is refused, `slow@…` gets its answer late, all others at once.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use mailin_embedded::{Handler, Response, Server, SslConfig, response};
use parking_lot::Mutex;

use super::{Failure, options};
use crate::limits;

const DEFAULT_LISTEN: &str = "127.0.0.1:2600";

/// What the command line says.
#[derive(Clone, Debug, Args)]
pub(super) struct SinkArgs {
    /// Where mail is accepted
    #[arg(long, value_name = "ADDRESS:PORT", default_value = DEFAULT_LISTEN)]
    listen: String,
}

impl SinkArgs {
    /// The address.
    pub(super) fn check(&self) -> Result<SocketAddr, Failure> {
        options::address(&self.listen).map_err(|problem| Failure::usage("--listen", problem))
    }
}

/// Runs until the process ends.
pub(super) fn run(listen: &SocketAddr) -> Result<(), Failure> {
    let sink = SinkServer::bind(*listen, Verbosity::Verbose)
        .map_err(|error| Failure::io(format!("cannot listen on {listen} (--listen): {error}")))?;
    println!("The sink takes mail on {}", sink.address);
    println!(
        "  later@…   deferred the first {} times",
        limits::SINK_DEFERRALS
    );
    println!("  refuse@…  refused");
    println!(
        "  slow@…    accepted after {} s",
        limits::SINK_SLOW_WAIT.as_secs()
    );
    println!("  others    accepted at once");
    sink.serve()
}

/// Whether every message is a line on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Verbosity {
    Verbose,
    #[default]
    Quiet,
}

/// A destination that is bound.
#[derive(Debug)]
pub(super) struct SinkServer {
    listener: TcpListener,
    /// Where it listens.
    pub(super) address: SocketAddr,
    voice: Verbosity,
}

impl SinkServer {
    /// Binds `address`; clients may connect from here on.
    pub(super) fn bind(address: SocketAddr, voice: Verbosity) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            voice,
        })
    }

    /// Serves on this thread. Returns only when it cannot.
    pub(super) fn serve(self) -> Result<(), Failure> {
        let mut server = Server::new(SinkHandler {
            voice: self.voice,
            ..SinkHandler::default()
        });
        server
            .with_name("sink.fastpath")
            .with_num_threads(limits::SINK_THREADS)
            .with_tcp_listener(self.listener);
        server.with_ssl(SslConfig::None).map_err(Failure::io)?;
        server.serve().map_err(Failure::io)
    }
}

/// What the sink does about one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Accept,
    Defer,
    Refuse,
    Slow,
}

impl Manner {
    fn of(recipient: &str) -> Self {
        let local_part = recipient.split(['@', '+']).next().unwrap_or_default();
        match local_part.to_ascii_lowercase().as_str() {
            "later" => Self::Defer,
            "refuse" => Self::Refuse,
            "slow" => Self::Slow,
            _ => Self::Accept,
        }
    }
}

/// One client's conversation; the counts of deferrals are shared by all.
#[derive(Clone, Debug, Default)]
struct SinkHandler {
    voice: Verbosity,
    deferrals: Arc<Mutex<HashMap<(String, String), u32>>>,
    sender: String,
    recipients: Vec<String>,
    size_bytes: u64,
}

impl SinkHandler {
    /// Counts a deferral; false when there were enough, and the next message begins anew.
    fn defers(&self, recipient: &str) -> bool {
        // A count that a panic left behind is as good as any.
        let mut deferrals = self.deferrals.lock();
        if deferrals.len() >= limits::SINK_DEFERRALS_COUNTED {
            deferrals.clear();
        }
        let pair = (self.sender.clone(), recipient.to_owned());
        let count = deferrals.entry(pair.clone()).or_default();
        *count += 1;
        let defers = *count <= limits::SINK_DEFERRALS;
        if !defers {
            deferrals.remove(&pair);
        }
        defers
    }

    fn say(&self, what: &str, recipients: &str) {
        if self.voice == Verbosity::Verbose {
            let sender = &self.sender;
            // A closed output is no reason to refuse mail.
            let _ = writeln!(io::stdout(), "{what:<9} from <{sender}> to {recipients}");
        }
    }
}

impl Handler for SinkHandler {
    fn mail(&mut self, _ip: IpAddr, _domain: &str, from: &str) -> Response {
        from.clone_into(&mut self.sender);
        self.recipients.clear();
        self.size_bytes = 0;
        response::OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        match Manner::of(to) {
            Manner::Defer if self.defers(to) => {
                self.say("deferred", to);
                Response::custom(450, "4.2.0 Come back later".to_owned())
            }
            Manner::Refuse => {
                self.say("refused", to);
                Response::custom(550, "5.1.1 Nobody of that name here".to_owned())
            }
            Manner::Accept | Manner::Defer | Manner::Slow => {
                self.recipients.push(to.to_owned());
                response::OK
            }
        }
    }

    fn data(&mut self, line: &[u8]) -> io::Result<()> {
        self.size_bytes += line.len() as u64;
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        let is_slow = |recipient: &String| Manner::of(recipient) == Manner::Slow;
        if self.recipients.iter().any(is_slow) {
            wait(limits::SINK_SLOW_WAIT);
        }
        let recipients = format!("{} ({} bytes)", self.recipients.join(", "), self.size_bytes);
        self.say("accepted", &recipients);
        Response::custom(250, "2.0.0 The sink has it".to_owned())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "each of the sink's sessions has a thread of its own"
)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rcpt(conversation: &mut SinkHandler, sender: &str, recipient: &str) -> u16 {
        conversation.mail(IpAddr::from([127, 0, 0, 1]), "test", sender);
        conversation.rcpt(recipient).code
    }

    #[test]
    fn the_recipient_decides_the_answer() {
        let mut conversation = SinkHandler::default();
        for (recipient, code) in [
            ("anna@example.net", 250),
            ("refuse@example.net", 550),
            ("Refuse+tag@example.net", 550),
            ("refused@example.net", 250),
            ("slow@example.net", 250),
        ] {
            let answer = rcpt(&mut conversation, "a@example.org", recipient);
            assert_eq!(answer, code, "{recipient}");
        }
    }

    #[test]
    fn later_is_deferred_twice_for_each_sender() {
        let mut first = SinkHandler::default();
        let mut second = first.clone();
        let later = "later@example.net";
        let answers = [
            rcpt(&mut first, "a@example.org", later),
            rcpt(&mut second, "b@example.org", later),
            rcpt(&mut second, "a@example.org", later),
            rcpt(&mut first, "a@example.org", later),
            rcpt(&mut first, "a@example.org", later),
        ];
        assert_eq!(answers, [450, 450, 450, 250, 450]);
    }
}
