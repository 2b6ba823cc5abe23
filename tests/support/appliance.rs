//! The appliance under test: the real binary on a data directory of its own, and its API.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::client::Client;
use super::process::Process;
use super::wait::{self, Looks, PATIENCE};

/// The binary that Cargo built for this test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_fastpath");
/// The bearer token every appliance under test is given.
pub(crate) const TOKEN: &str = "token-of-the-scenes-0123456789abcdef";
/// The name the appliance greets with.
pub(crate) const HOSTNAME: &str = "relay.example.org";
/// Starting includes making a certificate and two databases.
const START_WAIT: Duration = Duration::from_secs(60);

/// How to start an appliance: what the scene wants to be different from a plain one.
#[derive(Clone)]
pub(crate) struct Plan {
    command: &'static str,
    environment: Vec<(String, String)>,
    withheld: Vec<&'static str>,
    under: Vec<String>,
    data_directory: Option<PathBuf>,
}

impl Plan {
    /// A plain `fastpath serve` that looks up MX records, as nobody wants in a test: give a next hop.
    pub(crate) fn new() -> Plan {
        Plan {
            command: "serve",
            environment: Vec::new(),
            withheld: Vec::new(),
            under: Vec::new(),
            data_directory: None,
        }
    }

    /// Runs another command that serves, such as `demo`.
    pub(crate) fn command(mut self, command: &'static str) -> Plan {
        self.command = command;
        self
    }

    /// Everything goes to this destination.
    pub(crate) fn next_hop(self, address: SocketAddr) -> Plan {
        self.environment("FASTPATH_NEXT_HOP", &format!("smtp://{address}"))
    }

    /// One more environment variable.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Plan {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes back a variable that every appliance is given.
    pub(crate) fn without(mut self, name: &'static str) -> Plan {
        self.withheld.push(name);
        self
    }

    /// Starts the binary as the arguments of another program, which must exec it in its own process.
    pub(crate) fn under(mut self, program: Vec<String>) -> Plan {
        self.under = program;
        self
    }

    /// Uses this data directory instead of a fresh one; the caller removes it.
    pub(crate) fn data_directory(mut self, path: &Path) -> Plan {
        self.data_directory = Some(path.to_owned());
        self
    }

    /// Starts and waits until the appliance says that it is ready.
    pub(crate) async fn start(self) -> Appliance {
        let place = Arc::new(
            tempfile::Builder::new()
                .prefix("fastpath-scene-")
                .tempdir()
                .unwrap(),
        );
        let data_directory = self
            .data_directory
            .clone()
            .unwrap_or_else(|| place.path().join("data"));
        launch(self, place, data_directory).await
    }
}

/// Where a running appliance can be reached.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    smtp: SocketAddr,
    web: SocketAddr,
}

/// A running appliance. It is killed when this is dropped; when that happens in a panic, the end of
/// its log is printed with it.
pub(crate) struct Appliance {
    child: Child,
    process: Process,
    plan: Plan,
    /// Owns the directory that has the log and, unless the plan says otherwise, the data.
    place: Arc<TempDir>,
    data_directory: PathBuf,
    addresses: Addresses,
    http: reqwest::Client,
}

/// The command line of `plan`, with nothing of this process's own settings in its environment.
fn command_line(plan: &Plan, data_directory: &Path) -> Command {
    let mut words: Vec<&str> = plan.under.iter().map(String::as_str).collect();
    words.extend([BINARY, plan.command]);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FASTPATH_")) {
        command.env_remove(name);
    }
    command
        .env("FASTPATH_DATA_DIR", data_directory)
        .env("FASTPATH_SMTP_LISTEN", "127.0.0.1:0")
        .env("FASTPATH_WEB_LISTEN", "127.0.0.1:0")
        .env("FASTPATH_HOSTNAME", HOSTNAME)
        .env("FASTPATH_API_TOKEN", TOKEN)
        .envs(plan.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for name in &plan.withheld {
        command.env_remove(name);
    }
    command
}

async fn launch(plan: Plan, place: Arc<TempDir>, data_directory: PathBuf) -> Appliance {
    // The addresses of an earlier start on this directory would be taken for this one's.
    let addresses_file = data_directory.join("addresses.json");
    let _ = fs::remove_file(&addresses_file);
    let log = File::options()
        .append(true)
        .create(true)
        .open(place.path().join("log"))
        .unwrap();
    let mut child = command_line(&plan, &data_directory)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("the binary can be started");
    let process = Process(child.id().expect("it has not been waited for"));
    let http = reqwest::Client::builder()
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let looks = Looks::at("the appliance to be ready", START_WAIT);
    let addresses = loop {
        if let Some(status) = child.try_wait().unwrap() {
            let end = tail(&place.path().join("log"));
            panic!("the appliance ended while starting: {status}\n{end}");
        }
        if let Some(addresses) = read_addresses(&addresses_file)
            && is_ready(&http, addresses).await
        {
            break addresses;
        }
        looks.again().await;
    };
    Appliance {
        child,
        process,
        plan,
        place,
        data_directory,
        addresses,
        http,
    }
}

async fn is_ready(http: &reqwest::Client, addresses: Addresses) -> bool {
    let url = format!("http://{}/readyz", addresses.web);
    http.get(url)
        .send()
        .await
        .is_ok_and(|response| response.status() == StatusCode::OK)
}

fn read_addresses(path: &Path) -> Option<Addresses> {
    let addresses: Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    Some(Addresses {
        smtp: addresses["smtp"][0].as_str()?.parse().ok()?,
        web: addresses["web"].as_str()?.parse().ok()?,
    })
}

/// The last lines of a log, which is what a failed scene is judged by.
fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

impl Appliance {
    pub(crate) fn smtp(&self) -> SocketAddr {
        self.addresses.smtp
    }

    /// Where the pages and the API are.
    pub(crate) fn web(&self) -> SocketAddr {
        self.addresses.web
    }

    pub(crate) fn data_directory(&self) -> &Path {
        &self.data_directory
    }

    /// The process, for its memory and its writes.
    pub(crate) fn process(&self) -> Process {
        self.process
    }

    /// Everything the appliance has logged, over all its starts in this scene.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("log")).unwrap()
    }

    /// A client that has read the greeting and said EHLO.
    pub(crate) async fn client(&self) -> Client {
        Client::greeted(self.smtp()).await
    }

    /// SIGKILL, and the end of the process.
    pub(crate) async fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        let _ = wait::within("the killed process to end", PATIENCE, self.child.wait()).await;
    }

    /// SIGTERM; the exit status must come within `patience`.
    pub(crate) async fn terminate(&mut self, patience: Duration) -> ExitStatus {
        self.process.signal(Signal::TERM);
        wait::within("the end after SIGTERM", patience, self.child.wait())
            .await
            .unwrap()
    }

    /// Whether the process still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Starts again on the same data directory; the process must have ended. Ports may change.
    pub(crate) async fn restart(mut self) -> Appliance {
        assert!(
            !self.is_running(),
            "restart begins where the process has ended"
        );
        launch(
            self.plan.clone(),
            self.place.clone(),
            self.data_directory.clone(),
        )
        .await
    }

    /// An API call to an appliance that may be gone by then.
    pub(crate) async fn try_call(&self, method: Method, path: &str, body: Option<Value>) {
        let request = self.http.request(method, self.url(path)).bearer_auth(TOKEN);
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let _ = request.send().await;
    }

    /// An API call. `body` is sent as JSON; what comes back is JSON, or null when it is not.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = self.http.request(method, self.url(path)).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the API answers");
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The address of a path on the web listener.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses.web)
    }

    /// A GET that must succeed.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let (status, value) = self.call(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "GET {path}: {value}");
        value
    }

    /// Changes settings, which must be accepted.
    pub(crate) async fn set(&self, settings: Value) {
        let (status, answer) = self
            .call(Method::PATCH, "/api/v1/settings", Some(settings.clone()))
            .await;
        assert_eq!(status, StatusCode::OK, "PATCH {settings}: {answer}");
    }

    /// The rows of the retry queue that match a query such as `state=uncertain`.
    pub(crate) async fn queue(&self, query: &str) -> Vec<Value> {
        let answer = self.read(&format!("/api/v1/queue?{query}")).await;
        answer["items"]
            .as_array()
            .cloned()
            .unwrap_or_else(|| panic!("no items: {answer}"))
    }

    /// How many recipients wait in the retry queue.
    pub(crate) async fn queue_total(&self) -> u64 {
        let answer = self.read("/api/v1/queue").await;
        answer["total"]
            .as_u64()
            .unwrap_or_else(|| panic!("no total: {answer}"))
    }

    /// Waits until the retry queue has exactly `recipients` rows.
    pub(crate) async fn wait_for_queue(&self, recipients: u64) {
        let what = format!("{recipients} recipients in the queue");
        wait::until_true(&what, PATIENCE, || async {
            self.queue_total().await == recipients
        })
        .await;
    }

    /// Waits until exactly `sessions` are open.
    pub(crate) async fn wait_for_sessions(&self, sessions: u64) {
        let line = format!("fastpath_sessions_open {sessions}");
        wait::until_true(&line, PATIENCE, || async {
            let request = self.http.get(self.url("/metrics")).bearer_auth(TOKEN);
            let metrics = request.send().await.expect("metrics are given");
            let metrics = metrics.text().await.unwrap();
            metrics.lines().any(|found| found == line)
        })
        .await;
    }

    /// A queue action on exactly these rows; returns how many were affected.
    pub(crate) async fn act(&self, action: &str, ids: &[Value]) -> u64 {
        let body = json!({ "action": action, "ids": ids });
        let (status, answer) = self
            .call(Method::POST, "/api/v1/queue/actions", Some(body))
            .await;
        assert_eq!(status, StatusCode::OK, "{action}: {answer}");
        answer["affected"]
            .as_u64()
            .unwrap_or_else(|| panic!("no affected: {answer}"))
    }

    /// The live statistics.
    pub(crate) async fn statistics(&self) -> Value {
        self.read("/api/v1/statistics/live").await
    }

    /// Waits for the one trail that `query` finds and that is complete enough for `wanted`: the
    /// trail is written about once a second, behind the reply.
    pub(crate) async fn trail(&self, query: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait::until(&format!("a trail for {query}"), PATIENCE, || async {
            let answer = self.read(&format!("/api/v1/messages?{query}")).await;
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            items.into_iter().find(|trail| wanted(trail))
        })
        .await
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "---- the appliance's log ends so ----\n{}",
                tail(&self.place.path().join("log"))
            );
        }
    }
}
