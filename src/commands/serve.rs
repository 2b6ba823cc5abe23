//! `fastpath serve`: runs the appliance until a signal stops it.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::options::{LogFormat, ServeOptions};
use super::{Failure, logging};
use crate::administration::SetupKey;
use crate::appliance::Appliance;
use crate::boot::container::{self, Keeping};
use crate::boot::{self, Addresses, DataDirectory, Tightened};
use crate::limits;

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(options: ServeOptions) -> Result<(), Failure> {
    let directory = DataDirectory::open(&options.boot.data_directory)?;
    let _log = logging::begin(&options.log)?;
    let warning = loss_at_the_end(&options);
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let shutdown = shutdown_on_signal()?;
        let reload = reload_on_signal()?;
        let appliance = open(&options, &directory).await?;
        if let Some(warning) = warning {
            warn!(directory = %directory.path().display(), "{warning}");
        }
        tell_setup(&options, &appliance);
        if options.log.format == LogFormat::Text {
            let setup = appliance.accounts().setup_key();
            let (addresses, pages) = (appliance.addresses(), pages(&appliance));
            print!("{}", summary(&options, addresses, &pages, setup, warning));
        }
        appliance.run(shutdown, reload).await
    });
    directory.remove_addresses();
    runtime.shutdown_timeout(limits::THREADS_WAIT);
    Ok(result?)
}

/// The threads that everything runs on.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    boot::raise_descriptor_limit();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(limits::BLOCKING_THREADS)
        .build()
        .map_err(Failure::io)
}

/// Opens an appliance and writes down where it listens.
pub(super) async fn open(
    options: &ServeOptions,
    directory: &DataDirectory,
) -> anyhow::Result<Appliance> {
    tell_tightened(directory);
    let appliance = Appliance::open(&options.boot, directory, &options.first_start).await?;
    let web = appliance.addresses().web;
    if !web.ip().is_loopback() && !appliance.administration().settings().requires_https() {
        warn!(address = %web, "plain HTTP is taken on an address that others reach: ask for HTTPS in the settings of the listeners");
    }
    directory
        .write_addresses(appliance.addresses())
        .context("the addresses cannot be written to the data directory")?;
    Ok(appliance)
}

/// What of the data directory was open to others, for the log.
fn tell_tightened(directory: &DataDirectory) {
    let Tightened {
        directories,
        files,
        left,
    } = directory.tightened();
    let path = directory.path().display();
    if directories + files > 0 {
        info!(directory = %path, directories, files, "what others could read of the data directory is for its owner only now");
    }
    if let Some((left, error)) = left {
        let left = left.display();
        warn!(directory = %path, %left, %error, "others may be able to read a part of the data directory");
    }
}

/// How to set it up, for the log.
fn tell_setup(options: &ServeOptions, appliance: &Appliance) {
    let page = format!("{}setup", pages(appliance));
    match appliance.accounts().setup_key() {
        Some(SetupKey::Made(password)) => warn!(
            page,
            one_time_password = password.expose(),
            "nobody administers this appliance yet: set it up in a browser"
        ),
        Some(SetupKey::Given) => warn!(
            page,
            "nobody administers this appliance yet: set it up in a browser, with FASTPATH_ADMIN_PASSWORD"
        ),
        None if options.first_start.admin_password.is_some() => {
            info!("ignored: FASTPATH_ADMIN_PASSWORD counts until the appliance is set up");
        }
        None => {}
    }
}

/// Where the pages are, for a browser.
pub(super) fn pages(appliance: &Appliance) -> String {
    let requires_https = appliance.administration().settings().requires_https();
    let scheme = if requires_https { "https" } else { "http" };
    format!("{scheme}://{}/", appliance.addresses().web)
}

/// Cancelled by SIGTERM (a service manager's), SIGINT (Ctrl-C) and SIGQUIT, which elsewhere is the gentle one.
pub(super) fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be awaited")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be awaited")?;
    let mut quit = signal(SignalKind::quit()).context("SIGQUIT cannot be awaited")?;
    let shutdown = CancellationToken::new();
    let cancelled = shutdown.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = quit.recv() => "SIGQUIT",
        };
        info!(signal = name, "stopping");
        cancelled.cancel();
    });
    Ok(shutdown)
}

/// Told by SIGHUP (a renewed certificate's hook, a rotated log's, a terminal that closes): what was read from
/// files is read again. Signals that mean something to other servers do nothing.
fn reload_on_signal() -> anyhow::Result<Arc<Notify>> {
    let mut hang_up = signal(SignalKind::hangup()).context("SIGHUP cannot be awaited")?;
    // Once there is a handler the process does not end.
    for kind in [
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
        SignalKind::alarm(),
        SignalKind::io(),
        // A file that would be larger than a limit allows: its write fails.
        SignalKind::from_raw(Signal::XFSZ.as_raw()),
    ] {
        drop(signal(kind).context("a signal cannot be handled")?);
    }
    let reload = Arc::new(Notify::new());
    let told = Arc::clone(&reload);
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            info!(signal = "SIGHUP", "reading the certificate again");
            told.notify_one();
        }
    });
    Ok(reload)
}

/// What is lost when the container that we run in ends; none when nothing is, or when it is no
/// container.
fn loss_at_the_end(options: &ServeOptions) -> Option<&'static str> {
    if !options.in_container && !container::is_marked() {
        return None;
    }
    Keeping::of(&options.boot.data_directory).warning()
}

/// What a person who just started it wants to know.
fn summary(
    options: &ServeOptions,
    addresses: &Addresses,
    pages: &str,
    setup: Option<SetupKey<'_>>,
    warning: Option<&str>,
) -> String {
    let mut text = format!(
        "Fastpath {} takes mail as {}\n",
        env!("CARGO_PKG_VERSION"),
        options.boot.hostname
    );
    let data_directory = &options.boot.data_directory;
    text.push_str(&where_things_are(addresses, pages, data_directory));
    match setup {
        Some(SetupKey::Made(password)) => {
            let password = password.expose();
            let _ = writeln!(
                text,
                "  set up     {pages}setup with the one-time password {password}"
            );
        }
        Some(SetupKey::Given) => {
            let _ = writeln!(
                text,
                "  set up     {pages}setup with FASTPATH_ADMIN_PASSWORD"
            );
        }
        None => {}
    }
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

/// The addresses and the data directory, indented.
pub(super) fn where_things_are(
    addresses: &Addresses,
    pages: &str,
    data_directory: &Path,
) -> String {
    let mut text = String::new();
    for address in &addresses.smtp {
        let _ = writeln!(text, "  mail       {address}");
    }
    let _ = writeln!(text, "  page       {pages}");
    let _ = writeln!(text, "  data       {}", data_directory.display());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::Secret;
    use crate::commands::environment::Environment;
    use crate::commands::options::ServeArgs;

    const PAGES: &str = "http://127.0.0.1:8025/";

    #[test]
    fn the_summary_says_where_things_are() {
        let written = ServeArgs {
            data_dir: Some("/data".into()),
            hostname: Some("relay.example.net".to_owned()),
            ..ServeArgs::default()
        };
        let options = written.check(&Environment::default()).expect("it holds");
        let addresses = Addresses {
            smtp: options.boot.smtp_listen.clone(),
            web: options.boot.web_listen,
        };
        let made = Secret::new("k7qd-02xw".to_owned());
        for (setup, line) in [
            (None, ""),
            (
                Some(SetupKey::Made(&made)),
                "  set up     http://127.0.0.1:8025/setup with the one-time password k7qd-02xw\n",
            ),
            (
                Some(SetupKey::Given),
                "  set up     http://127.0.0.1:8025/setup with FASTPATH_ADMIN_PASSWORD\n",
            ),
        ] {
            let expected = format!(
                "Fastpath {} takes mail as relay.example.net
  mail       127.0.0.1:2525
  page       http://127.0.0.1:8025/
  data       /data
{line}Stop it with Ctrl-C.
",
                env!("CARGO_PKG_VERSION")
            );
            assert_eq!(summary(&options, &addresses, PAGES, setup, None), expected);
        }
        let warned = summary(&options, &addresses, PAGES, None, Some("it is lost"));
        let warning = "  WARNING    it is lost.\n             Give it a volume: --volume fastpath-data:/data\n";
        assert!(warned.contains(warning), "{warned}");
    }
}
