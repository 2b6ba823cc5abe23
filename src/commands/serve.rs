//! `fastpath serve`: runs the appliance until it is told to stop.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::options::{Checked, LogFormat};
use super::{Failure, logging};
use crate::appliance::Appliance;
use crate::boot::container::{self, Keeping};
use crate::boot::{self, Addresses, DataDirectory};

/// Threads that still read or write a file at the end get this long.
const THREADS_WAIT: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(options: Checked) -> Result<(), Failure> {
    let directory = DataDirectory::open(&options.boot.data_directory)?;
    let _log = logging::begin(&options.log)?;
    let warning = loss_at_the_end(&options);
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let shutdown = shutdown_on_signal()?;
        let appliance = begin(&options, &directory).await?;
        if let Some(warning) = warning {
            warn!(directory = %directory.path().display(), "{warning}");
        }
        if options.log.format == LogFormat::Text {
            print!("{}", summary(&options, appliance.addresses(), warning));
        }
        appliance.run(shutdown).await
    });
    directory.remove_addresses();
    runtime.shutdown_timeout(THREADS_WAIT);
    Ok(result?)
}

/// The threads that everything runs on.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    boot::raise_descriptor_limit();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::io)
}

/// Starts an appliance and writes down where it listens.
pub(super) async fn begin(
    options: &Checked,
    directory: &DataDirectory,
) -> anyhow::Result<Appliance> {
    let appliance = Appliance::start(&options.boot, directory, &options.first_start).await?;
    let web = appliance.addresses().web;
    if !web.ip().is_loopback() {
        warn!(address = %web, "the pages and the API travel unencrypted on an address that others reach");
    }
    directory
        .write_addresses(appliance.addresses())
        .context("the addresses cannot be written to the data directory")?;
    Ok(appliance)
}

/// Cancelled by SIGTERM (a service manager's) and SIGINT (Ctrl-C).
pub(super) fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be awaited")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be awaited")?;
    let shutdown = CancellationToken::new();
    let cancelled = shutdown.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        info!(signal = name, "stopping");
        cancelled.cancel();
    });
    Ok(shutdown)
}

/// What is lost when the container that we run in ends; none when nothing is, or when it is no
/// container.
fn loss_at_the_end(options: &Checked) -> Option<&'static str> {
    if !options.in_container && !container::is_marked() {
        return None;
    }
    Keeping::of(&options.boot.data_directory).warning()
}

/// What a person who just started it wants to know.
fn summary(options: &Checked, addresses: &Addresses, warning: Option<&str>) -> String {
    let mut text = format!(
        "Fastpath {} takes mail as {}\n",
        env!("CARGO_PKG_VERSION"),
        options.boot.hostname
    );
    text.push_str(&where_things_are(addresses, &options.boot.data_directory));
    if let Some(warning) = warning {
        let place = options.boot.data_directory.display();
        let _ = writeln!(
            text,
            "\n  WARNING    {warning}.\n             Give it a volume: --volume fastpath-data:{place}\n"
        );
    }
    text.push_str("Stop it with Ctrl-C.\n");
    text
}

/// The addresses and the token's file, indented.
pub(super) fn where_things_are(addresses: &Addresses, data_directory: &Path) -> String {
    let mut text = String::new();
    for address in &addresses.smtp {
        let _ = writeln!(text, "  mail       {address}");
    }
    let _ = writeln!(text, "  page       http://{}/", addresses.web);
    let _ = writeln!(text, "  data       {}", data_directory.display());
    let token = data_directory.join("api-token");
    let _ = writeln!(text, "  API token  in {}", token.display());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::environment::Environment;
    use crate::commands::options::Written;

    #[test]
    fn the_summary_says_where_things_are() {
        let written = Written {
            data_dir: Some("/data".into()),
            hostname: Some("relay.example.net".to_owned()),
            ..Written::default()
        };
        let options = written.check(&Environment::default()).expect("it holds");
        let addresses = Addresses {
            smtp: options.boot.smtp_listen.clone(),
            web: options.boot.web_listen,
        };
        let expected = format!(
            "Fastpath {} takes mail as relay.example.net
  mail       127.0.0.1:2525
  page       http://127.0.0.1:8025/
  data       /data
  API token  in /data/api-token
Stop it with Ctrl-C.
",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(summary(&options, &addresses, None), expected);
        let warned = summary(&options, &addresses, Some("it is lost"));
        let warning = "  WARNING    it is lost.\n             Give it a volume: --volume fastpath-data:/data\n";
        assert!(warned.contains(warning), "{warned}");
    }
}
