//! Who gets in: set up once, log in, and the command line beside the running appliance.

use std::process::{Output, Stdio};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, header};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::appliance::{Appliance, BINARY, Plan};
use crate::support::peers;
use crate::support::wait::{self, PATIENCE};

const PASSWORD: &str = "a+long+password";
/// How the line of the summary begins that a person looks for.
const ONE_TIME: &str = "with the one-time password ";

/// A browser that follows no redirects and keeps no cookies: the scenes look at both.
fn browser() -> Client {
    Client::builder()
        .redirect(Policy::none())
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

async fn post(appliance: &Appliance, path: &str, form: String) -> Response {
    let kind = "application/x-www-form-urlencoded";
    let request = browser()
        .post(appliance.url(path))
        .header(header::CONTENT_TYPE, kind);
    request.body(form).send().await.unwrap()
}

async fn get(appliance: &Appliance, path: &str, cookie: &str) -> Response {
    let request = browser()
        .get(appliance.url(path))
        .header(header::COOKIE, cookie);
    request.send().await.unwrap()
}

fn location(response: &Response) -> &str {
    let location = response.headers().get(header::LOCATION);
    location.map_or("", |value| value.to_str().unwrap())
}

/// The cookie that an answer sets, as a browser sends it back.
fn cookie(response: &Response) -> String {
    let set = response.headers()[header::SET_COOKIE].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

async fn start() -> Appliance {
    Plan::new()
        .next_hop("127.0.0.1:1".parse().unwrap())
        .start()
        .await
}

/// The one-time password, as somebody reads it who has just started the appliance.
async fn one_time_password(appliance: &Appliance) -> String {
    wait::until("the one-time password", PATIENCE, || async {
        let log = appliance.log();
        let line = log.lines().find_map(|line| line.split_once(ONE_TIME));
        line.map(|(_, password)| password.to_owned())
    })
    .await
}

/// Sets the appliance up: the administrator's cookie.
async fn set_up(appliance: &Appliance) -> String {
    let one_time = one_time_password(appliance).await;
    let form = format!("one_time={one_time}&name=admin&password={PASSWORD}&repeat={PASSWORD}");
    let done = post(appliance, "/setup", form).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    cookie(&done)
}

/// Runs `fastpath admin` on the appliance's data directory, with this on its standard input.
async fn admin(appliance: &Appliance, words: &[&str], input: &str) -> Output {
    let mut command = Command::new(BINARY);
    command
        .arg("admin")
        .args(words)
        .env("FASTPATH_DATA_DIR", appliance.data_directory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let ended = wait::within("fastpath admin", PATIENCE, child.wait_with_output());
    ended.await.unwrap()
}

fn said(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_set_up_once() {
    let mut appliance = start().await;
    let stranger = get(&appliance, "/", "").await;
    assert_eq!(location(&stranger), "/setup");
    let cookie = set_up(&appliance).await;
    let page = get(&appliance, "/account", &cookie).await;
    assert_eq!(page.status(), StatusCode::OK);
    let setup = get(&appliance, "/setup", &cookie).await;
    assert_eq!(setup.status(), StatusCode::NOT_FOUND);

    let one_time = one_time_password(&appliance).await;
    assert!(appliance.terminate(Duration::from_secs(10)).await.success());
    let times = appliance.log().matches(&one_time).count();
    let appliance = appliance.restart().await;
    let setup = get(&appliance, "/setup", "").await;
    assert_eq!(setup.status(), StatusCode::NOT_FOUND);
    let stays = get(&appliance, "/account", &cookie).await;
    assert_eq!(stays.status(), StatusCode::OK, "a restart ends no session");
    let stranger = get(&appliance, "/account?done=off", "").await;
    assert_eq!(location(&stranger), "/login?to=/account%3Fdone%3Doff");
    assert_eq!(appliance.log().matches(&one_time).count(), times);
    assert!(!appliance.log().contains("a long password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_password_opens_the_setup_and_is_not_logged() {
    let appliance = Plan::new()
        .next_hop("127.0.0.1:1".parse().unwrap())
        .environment("FASTPATH_ADMIN_PASSWORD", "given-just-once")
        .start()
        .await;
    let form = format!("one_time=given-just-once&name=admin&password={PASSWORD}&repeat={PASSWORD}");
    let done = post(&appliance, "/setup", form).await;
    assert_eq!(
        (done.status(), location(&done)),
        (StatusCode::SEE_OTHER, "/")
    );
    wait::until_true("the log to tell of the setup", PATIENCE, || async {
        appliance.log().contains("/setup is closed from now on")
    })
    .await;
    assert!(!appliance.log().contains("given-just-once"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_reset_beside_the_running_appliance() {
    let appliance = start().await;
    let cookie = set_up(&appliance).await;
    let words = ["reset-password", "admin", "--without-totp"];
    let output = admin(&appliance, &words, "another long one\n").await;
    assert!(said(&output).contains("new password"));
    // Nothing is cached: the session has ended by now.
    let ended = get(&appliance, "/account", &cookie).await;
    assert_eq!(location(&ended), "/login?to=/account");
    let old = format!("name=admin&password={PASSWORD}");
    let old = post(&appliance, "/login", old).await;
    assert_eq!(old.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let new = "name=admin&password=another+long+one&to=/account".to_owned();
    let new = post(&appliance, "/login", new).await;
    assert_eq!(location(&new), "/account");

    let made = said(&admin(&appliance, &["reset-password", "admin"], "").await);
    let made = made
        .lines()
        .find_map(|line| line.strip_prefix("password: "));
    let form = format!("name=admin&password={}", made.expect("it is printed"));
    assert_eq!(location(&post(&appliance, "/login", form).await), "/");
    let nobody = admin(&appliance, &["reset-password", "nobody"], "").await;
    assert_eq!(nobody.status.code(), Some(64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_beside_the_running_appliance() {
    let appliance = start().await;
    let words = ["create-token", "backup", "--scope", "read_only"];
    let token = said(&admin(&appliance, &words, "").await);
    let token = token.trim_end();
    let http = Client::new();
    let url = appliance.url("/api/v1/settings");
    let read = http.get(&url).bearer_auth(token).send().await.unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    let write = http.patch(&url).bearer_auth(token).body("{}").send();
    assert_eq!(write.await.unwrap().status(), StatusCode::FORBIDDEN);
    let again = admin(&appliance, &words, "").await;
    assert_eq!(again.status.code(), Some(64), "the name is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_directory_is_named_and_left_alone() {
    let place = tempfile::TempDir::new().unwrap();
    let directory = place.path().join("nothing");
    let mut command = Command::new(BINARY);
    command
        .args(["admin", "create-token", "x", "--scope", "read_only"])
        .arg("--data-dir")
        .arg(&directory)
        .stdin(Stdio::null());
    let output = peers::run(&mut command, PATIENCE).await;
    assert_eq!(output.status.code(), Some(74));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("nothing"), "{complaint}");
    assert!(!directory.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_logs_in_to_the_tour() {
    let demo = Plan::new().command("demo").start().await;
    let password = wait::until("the tour's password", PATIENCE, || async {
        let log = demo.log();
        let line = log
            .lines()
            .find_map(|line| line.trim().strip_prefix("log in     as demo with "));
        line.map(str::to_owned)
    })
    .await;
    let entered = post(&demo, "/login", format!("name=demo&password={password}")).await;
    assert_eq!(location(&entered), "/");
    let page = get(&demo, "/", &cookie(&entered)).await;
    assert_eq!(page.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_ended_does_not_come_back_from_a_backup() {
    let mut appliance = start().await;
    let cookie = set_up(&appliance).await;
    let place = tempfile::TempDir::new().unwrap();
    let (backup, data) = (place.path().join("backup"), place.path().join("data"));
    let backup = backup.to_str().unwrap();
    said(&admin(&appliance, &["backup", backup], "").await);
    let request = browser().post(appliance.url("/logout"));
    let out = request.header(header::COOKIE, &cookie).send().await;
    assert_eq!(location(&out.unwrap()), "/login?done=out");
    assert!(appliance.terminate(Duration::from_secs(10)).await.success());

    let words = ["restore", backup, "--data-dir", data.to_str().unwrap()];
    said(&admin(&appliance, &words, "").await);
    let restored = Plan::new().data_directory(&data).start().await;
    let page = get(&restored, "/account", &cookie).await;
    assert_eq!(location(&page), "/login?to=/account");
    let form = format!("name=admin&password={PASSWORD}");
    let entered = post(&restored, "/login", form).await;
    assert_eq!(location(&entered), "/");
}
