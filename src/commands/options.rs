//! The options of `serve` and `demo`: as written, and as run.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use super::environment::Environment;
use super::{Exit, Failure};
use crate::administration::FirstStart;
use crate::boot::{self, BootOptions};
use crate::limits;
use crate::settings::next_hop::ServerAddress;

const DATA_DIRECTORY: &str = "FASTPATH_DATA_DIR";
const SMTP_LISTEN: (&str, &str) = ("--smtp-listen", "FASTPATH_SMTP_LISTEN");
pub(super) const WEB_LISTEN: (&str, &str) = ("--web-listen", "FASTPATH_WEB_LISTEN");
const HOSTNAME: (&str, &str) = ("--hostname", "FASTPATH_HOSTNAME");
const LOG_FORMAT: (&str, &str) = ("--log-format", "FASTPATH_LOG_FORMAT");
const LOG: (&str, &str) = ("--log", "FASTPATH_LOG");
const NEXT_HOP: &str = "FASTPATH_NEXT_HOP";
const TRUSTED_NETWORKS: &str = "FASTPATH_TRUSTED_NETWORKS";
const RELAY_DOMAINS: &str = "FASTPATH_RELAY_DOMAINS";
/// Set by our image: some engines leave no other mark.
const CONTAINER: &str = "FASTPATH_CONTAINER";

const DEFAULT_DATA_DIRECTORY: &str = "./fastpath-data";
const DEFAULT_SMTP_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2525);
pub(super) const DEFAULT_WEB_LISTEN: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8025);
const DEFAULT_LOG: &str = "info";

const ENVIRONMENT_HELP: &str = "\
Environment variables that set the first settings (ignored once the data directory has a database):
  FASTPATH_NEXT_HOP=smtp://host:port  where all mail goes; unset: each domain's mail exchangers (MX)
  FASTPATH_TRUSTED_NETWORKS           networks whose clients may send to any domain, separated by commas
  FASTPATH_RELAY_DOMAINS              domains that every client may send to, separated by commas
  FASTPATH_ADMIN_PASSWORD             the one-time password for /setup; unset: one is made and logged
  FASTPATH_API_TOKEN                  an API token that may read and change everything
The last two can be read from files: FASTPATH_ADMIN_PASSWORD_FILE, FASTPATH_API_TOKEN_FILE. The password
has at least 12 characters, the token at least 20.";

/// What the command line says.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = ENVIRONMENT_HELP)]
pub struct ServeArgs {
    /// Directory for databases, spool and certificate [FASTPATH_DATA_DIR; ./fastpath-data]
    #[arg(long, value_name = "DIRECTORY")]
    pub data_dir: Option<PathBuf>,
    /// Where mail is accepted; can be repeated [FASTPATH_SMTP_LISTEN, separated by commas; 127.0.0.1:2525]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub smtp_listen: Vec<String>,
    /// Where the pages and the API are served [FASTPATH_WEB_LISTEN; 127.0.0.1:8025]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub web_listen: Option<String>,
    /// Host name in the greeting and in Received fields [FASTPATH_HOSTNAME; the machine's name]
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Format of the log: text or json [FASTPATH_LOG_FORMAT; text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// What is logged: error, warn, info, debug, or a filter by module [FASTPATH_LOG; info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// In which form.
    pub format: LogFormat,
    /// What of it, in tracing's filter language; checked.
    pub filter: String,
    /// The filter was asked for, not the default.
    pub is_chosen: bool,
}

/// In which form the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One object a line.
    Json,
}

/// What is run: everything is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// Where things are.
    pub boot: BootOptions,
    /// What counts on the first start.
    pub first_start: FirstStart,
    /// How the log is written.
    pub log: LogOptions,
    /// The environment says that this is a container.
    pub in_container: bool,
}

impl ServeArgs {
    /// Adds what the environment says and the defaults, and checks all of it.
    ///
    /// # Errors
    /// The first value that does not hold, by the name of its option or variable.
    pub fn check(&self, environment: &Environment) -> Result<ServeOptions, Failure> {
        Ok(ServeOptions {
            boot: BootOptions {
                data_directory: data_directory_or_default(self.data_dir.as_deref(), environment),
                smtp_listen: self.check_smtp_listen(environment)?,
                web_listen: match given(self.web_listen.as_deref(), WEB_LISTEN, environment)? {
                    Some(given) => given.parse(address)?,
                    None => DEFAULT_WEB_LISTEN,
                },
                hostname: self.check_hostname(environment)?.into(),
            },
            first_start: check_first_start(environment)?,
            log: self.check_log(environment)?,
            in_container: environment.text(CONTAINER)?.is_some(),
        })
    }

    fn check_smtp_listen(&self, environment: &Environment) -> Result<Vec<SocketAddr>, Failure> {
        let written = (!self.smtp_listen.is_empty()).then(|| self.smtp_listen.join(","));
        match given(written.as_deref(), SMTP_LISTEN, environment)? {
            Some(given) => given.parse(distinct_addresses),
            None => Ok(vec![DEFAULT_SMTP_LISTEN]),
        }
    }

    fn check_hostname(&self, environment: &Environment) -> Result<String, Failure> {
        if let Some(given) = given(self.hostname.as_deref(), HOSTNAME, environment)? {
            return given.parse(host_name);
        }
        host_name(&boot::machine_name()).map_err(|problem| {
            let problem = format!("the machine's name does not serve, give another: {problem}");
            Failure::usage(HOSTNAME.0, problem)
        })
    }

    fn check_log(&self, environment: &Environment) -> Result<LogOptions, Failure> {
        let format = given(self.log_format.as_deref(), LOG_FORMAT, environment)?;
        let filter = given(self.log.as_deref(), LOG, environment)?;
        Ok(LogOptions {
            format: format.map_or(Ok(LogFormat::Text), |given| given.parse(log_format))?,
            is_chosen: filter.is_some(),
            filter: filter.map_or(Ok(DEFAULT_LOG.to_owned()), |given| given.parse(log_filter))?,
        })
    }
}

fn check_first_start(environment: &Environment) -> Result<FirstStart, Failure> {
    let first_start = FirstStart {
        next_hop: variable(NEXT_HOP, environment, str::parse::<ServerAddress>)?,
        trusted_networks: variable(TRUSTED_NETWORKS, environment, |text| list(text, network))?,
        relay_domains: variable(RELAY_DOMAINS, environment, |text| list(text, lower_case))?,
        admin_password: environment
            .secret("FASTPATH_ADMIN_PASSWORD", limits::PASSWORD_CHARACTERS_MIN)?,
        api_token: environment.secret("FASTPATH_API_TOKEN", limits::API_TOKEN_CHARACTERS_MIN)?,
    };
    // The settings know what a domain, a network and a server are.
    let Err(errors) = first_start.settings() else {
        return Ok(first_start);
    };
    let problems = errors.0.into_iter().map(|(field, problem)| {
        let variable = FirstStart::variable_of(field.split(['.', '[']).next().unwrap_or(&field));
        format!("{variable}: {problem}")
    });
    let problems: Vec<_> = problems.collect();
    Err(Failure::new(Exit::Usage, problems.join("; ")))
}

/// The data directory that the command line names, else the environment; none when neither does.
pub(super) fn data_directory(option: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    option
        .or_else(|| environment.path(DATA_DIRECTORY))
        .map(Path::to_owned)
}

/// The same, or the default.
pub(super) fn data_directory_or_default(
    option: Option<&Path>,
    environment: &Environment,
) -> PathBuf {
    data_directory(option, environment).unwrap_or_else(|| DEFAULT_DATA_DIRECTORY.into())
}

/// The data directory of a command beside `serve`.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct DataDirectoryArgs {
    /// The appliance's data directory [FASTPATH_DATA_DIR; ./fastpath-data]
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) data_dir: Option<PathBuf>,
}

impl DataDirectoryArgs {
    pub(super) fn path(&self, environment: &Environment) -> PathBuf {
        data_directory_or_default(self.data_dir.as_deref(), environment)
    }
}

/// A text with the name of the option or variable that gives it.
#[derive(Debug)]
pub(super) struct GivenText<'a> {
    text: String,
    name: &'a str,
}

impl GivenText<'_> {
    pub(super) fn parse<T, P: Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, P>,
    ) -> Result<T, Failure> {
        parse(&self.text).map_err(|problem| Failure::usage(self.name, problem))
    }
}

/// What the command line says, else what the environment says.
pub(super) fn given<'a>(
    written: Option<&str>,
    (option, variable): (&'a str, &'a str),
    environment: &Environment,
) -> Result<Option<GivenText<'a>>, Failure> {
    let (name, text) = match written {
        Some(text) => (option, Some(text.to_owned())),
        None => (variable, environment.text(variable)?),
    };
    Ok(text.map(|text| GivenText { text, name }))
}

/// The value of a variable that has no option; none when it is not set.
fn variable<T, P: Display>(
    name: &str,
    environment: &Environment,
    parse: impl FnOnce(&str) -> Result<T, P>,
) -> Result<Option<T>, Failure> {
    let given = environment.text(name)?;
    let given = given.map(|text| GivenText { text, name });
    given.map(|given| given.parse(parse)).transpose()
}

/// An address to listen on or to ask.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("“{text}” is not an address and a port, such as 127.0.0.1:2525"))
}

fn distinct_addresses(text: &str) -> Result<Vec<SocketAddr>, String> {
    let addresses = list(text, address)?;
    for (place, address) in addresses.iter().enumerate() {
        if address.port() != 0 && addresses[..place].contains(address) {
            return Err(format!("{address} stands twice"));
        }
    }
    Ok(addresses)
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    let format = <LogFormat as ValueEnum>::from_str(text, true);
    format.map_err(|_| format!("“{text}” is neither text nor json"))
}

fn list<T, P>(text: &str, parse: impl Fn(&str) -> Result<T, P>) -> Result<Vec<T>, P> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(parse)
        .collect()
}

/// A network, or a single address.
fn network(text: &str) -> Result<IpNet, String> {
    IpNet::from_str(text)
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("“{text}” is not a network, such as 192.0.2.0/24"))
}

fn lower_case(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(text.to_ascii_lowercase())
}

/// A name to greet with: labels of letters, digits and hyphens (RFC 5321 §4.1.2).
fn host_name(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if text.len() <= limits::DOMAIN_BYTES && text.split('.').all(is_label) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "“{text}” is not a host name, such as relay.example.net"
        ))
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    tracing_subscriber::EnvFilter::builder()
        .parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("“{text}” is not a log filter: {error}"))
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
