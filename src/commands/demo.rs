//! `fastpath demo`: the appliance with an embedded destination and sample traffic.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::environment::Environment;
use super::options::{self, ServeArgs, ServeOptions};
use super::report_box::ReportBox;
use super::sample_messages::SENDER_DOMAIN;
use super::sink::{SinkServer, Verbosity};
use super::{Failure, load_generator, logging, serve};
use crate::accounts::{Role, spelled_secret};
use crate::administration::{AccountChange, AccountError, Accounts, Actor};
use crate::boot::{Addresses, DataDirectory};
use crate::limits;
use crate::statistics::Statistics;
use crate::statistics::counters::Counter;
use crate::statistics::tally::AnsweredTally;

const SINK: SocketAddr = SocketAddr::new(LOOPBACK, 2600);
const REPORT_BOX: SocketAddr = SocketAddr::new(LOOPBACK, 2601);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The demo speaks itself: the log says only what is wrong, unless more is asked for.
const LOG: &str = "warn";
/// The account that a newcomer uses.
const NAME: &str = "demo";

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(written: &ServeArgs, environment: &Environment) -> Result<(), Failure> {
    let mut options = written.check(environment)?;
    if !options.log.is_chosen {
        LOG.clone_into(&mut options.log.filter);
    }
    let temporary = match options::data_directory(written.data_dir.as_deref(), environment) {
        Some(_) => None,
        None => Some(TemporaryDirectory::new()),
    };
    if let Some(temporary) = &temporary {
        options.boot.data_directory.clone_from(&temporary.0);
    }
    let directory = DataDirectory::open(&options.boot.data_directory)?;
    let _log = logging::begin(&options.log)?;
    let runtime = serve::runtime()?;
    let result = runtime.block_on(show(&options, &directory));
    directory.remove_addresses();
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(result?)
}

/// A directory that is gone when the demo ends.
#[derive(Debug)]
struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn new() -> Self {
        let name = format!("fastpath-demo-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What cannot be removed is left to the system, as all temporary files are.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn show(options: &ServeOptions, directory: &DataDirectory) -> anyhow::Result<()> {
    let shutdown = serve::shutdown_on_signal()?;
    let bind = |address| SinkServer::bind(address, Verbosity::Quiet);
    let sink = bind(SINK).or_else(|_| bind(any_port(SINK)));
    let sink = sink.context("the embedded destination cannot listen")?;
    let report_box = match ReportBox::bind(REPORT_BOX).await {
        Ok(report_box) => report_box,
        Err(_) => ReportBox::bind(any_port(REPORT_BOX)).await?,
    };
    let (destination, reports) = (sink.address, report_box.count());
    let patch = settings(destination, report_box.address);
    // The destination blocks its threads and never returns: it ends with the process.
    std::thread::Builder::new()
        .name("sink".to_owned())
        .spawn(move || sink.serve())
        .context("the embedded destination cannot run")?;
    let end = CancellationToken::new();
    tokio::spawn(report_box.serve(end.clone()));

    let appliance = serve::open(options, directory).await?;
    // Before the first message: without these, mail would leave the machine.
    appliance
        .administration()
        .change(patch, Actor::command("demo"))
        .await?;
    let password = let_in(appliance.accounts()).await?;
    let addresses = appliance.addresses().clone();
    print!(
        "{}",
        welcome(
            &addresses,
            &serve::pages(&appliance),
            directory.path(),
            destination,
            &password
        )
    );
    let door = addresses
        .smtp
        .first()
        .copied()
        .context("no address for mail")?;
    tokio::spawn(load_generator::run(door, shutdown.clone()));
    let statistics = Arc::clone(appliance.statistics());
    tokio::spawn(report(statistics, reports, shutdown.clone()));

    let result = appliance.run(shutdown, Arc::default()).await;
    end.cancel();
    result
}

/// Makes the administrator of the tour, or gives them a new password, which it returns.
async fn let_in(accounts: &Accounts) -> anyhow::Result<String> {
    let password = spelled_secret(limits::SPELLED_PASSWORD_GROUPS);
    let actor = Actor::command("demo");
    let role = Role::Administrator;
    let made = accounts.create(NAME, role, password.clone(), &actor).await;
    if let Err(AccountError::Invalid(_)) = made {
        // The name is taken: the data directory is of an earlier tour.
        let change = AccountChange {
            role: Some(role),
            password: Some(password.clone()),
            without_second_factor: true,
        };
        accounts.amend(NAME, change, &actor).await?;
    } else {
        made?;
    }
    Ok(password)
}

/// For when `address` is taken.
fn any_port(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), 0)
}

/// Everything goes to the destination, reports to their box, and retries come within seconds.
fn settings(destination: SocketAddr, report_box: SocketAddr) -> Map<String, Value> {
    let settings = json!({
        "default_next_hop": format!("smtp://{destination}"),
        "next_hops": [{"domain": SENDER_DOMAIN, "address": format!("smtp://{report_box}")}],
        "retry_schedule_seconds": [5, 10, 20, 30],
        "expire_after_seconds": 600,
    });
    match settings {
        Value::Object(fields) => fields,
        _ => unreachable!("it is written as an object"),
    }
}

/// What to look at, and what to try.
fn welcome(
    addresses: &Addresses,
    pages: &str,
    data_directory: &Path,
    destination: SocketAddr,
    password: &str,
) -> String {
    let mut text = format!(
        "Fastpath {} · demo\n\n{}",
        env!("CARGO_PKG_VERSION"),
        serve::where_things_are(addresses, pages, data_directory)
    );
    let _ = writeln!(text, "  log in     as {NAME} with {password}");
    let _ = writeln!(
        text,
        "  delivers   to an embedded destination on {destination}"
    );
    text.push_str(
        "\nSample messages of 1 to 200 KiB arrive, about eight a second.\n\
         Watch them on the page above, or send one yourself:\n\n",
    );
    if let Some(door) = addresses.smtp.first() {
        for (recipient, what) in [
            ("anna", "delivered before the 250"),
            ("later", "deferred twice, delivered from the queue"),
            ("refuse", "refused, with the destination’s own reply"),
            ("slow", "answered at the deadline, delivered later"),
        ] {
            let address = format!("{recipient}@example.net");
            let _ = writeln!(
                text,
                "  swaks --server {door} --from me@{SENDER_DOMAIN} --to {address:<20} # {what}"
            );
        }
    }
    text.push_str("\nStop it with Ctrl-C.\n\n");
    text
}

/// One line of figures now and then, while they change.
async fn report(statistics: Arc<Statistics>, reports: Arc<Counter>, shutdown: CancellationToken) {
    let mut last = 0;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(limits::DEMO_REPORT_INTERVAL) => {}
        }
        let tally = statistics.since_start().tally;
        if tally.messages.total() > last {
            last = tally.messages.total();
            // A closed output is no reason to end.
            let _ = writeln!(io::stdout(), "{}", figures(&tally, reports.value()));
        }
    }
}

fn figures(tally: &AnsweredTally, reports: u64) -> String {
    let messages = tally.messages;
    let percent = messages.ratio().unwrap_or_default() * 100.0;
    format!(
        "{:>6} answered · {percent:.1} % never touched a disk · {} split · {} on disk · reports: {reports}",
        messages.total(),
        messages.split,
        messages.disk,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::statistics::tally::ByStorage;

    #[test]
    fn the_settings_hold() {
        let base =
            Settings::new(crate::settings::SettingsDocument::default()).expect("the defaults hold");
        let demo = base
            .patched(&settings(SINK, REPORT_BOX))
            .expect("the demo's hold");
        let name = |domain: &str| demo.next_hop_for(domain).name().to_string();
        assert_eq!(name("example.net"), "127.0.0.1:2600");
        assert_eq!(name(SENDER_DOMAIN), "127.0.0.1:2601");
    }

    #[test]
    fn the_figures_are_one_line() {
        let tally = AnsweredTally {
            messages: ByStorage {
                memory: 971,
                split: 20,
                disk: 9,
            },
            ..AnsweredTally::default()
        };
        assert_eq!(
            figures(&tally, 3),
            "  1000 answered · 97.1 % never touched a disk · 20 split · 9 on disk · reports: 3"
        );
    }

    #[test]
    fn the_welcome_names_addresses_and_things_to_try() {
        let addresses = Addresses {
            smtp: vec!["127.0.0.1:2525".parse().expect("an address")],
            web: "127.0.0.1:8025".parse().expect("an address"),
        };
        let text = welcome(
            &addresses,
            "http://127.0.0.1:8025/",
            Path::new("/data"),
            SINK,
            "k7qd-02xw",
        );
        for part in [
            "http://127.0.0.1:8025/",
            "  data       /data",
            "  log in     as demo with k7qd-02xw",
            "swaks --server 127.0.0.1:2525 --from me@sender.example --to later@example.net",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
