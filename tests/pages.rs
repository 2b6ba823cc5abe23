//! The pages in a real browser: what an administrator does with them, and what strangers cannot make
//! them do.

mod conditions;
mod narrow;

use reqwest::Method;
use serde_json::json;
use thirtyfour::By;

use crate::support::appliance::{Appliance, Plan};
use crate::support::browser::Browser;
use crate::support::messages;
use crate::support::raw_sink::{Answer, RawSink, Script};
use crate::support::wait::{self, PATIENCE};

const ONE_TIME: &str = "one time for the scenes";
const PASSWORD: &str = "correct horse battery staple";

/// An appliance that nobody has set up, in front of `sink`.
async fn fresh(sink: &RawSink) -> Appliance {
    Plan::new()
        .next_hop(sink.address())
        .environment("FASTPATH_ADMIN_PASSWORD", ONE_TIME)
        .start()
        .await
}

/// Sets the appliance up as any administrator would.
async fn set_up(browser: &Browser) {
    browser.open("/").await;
    browser.sees("Nobody administers this appliance yet").await;
    browser.fill("#one_time", ONE_TIME).await;
    browser.fill("#name", "ada").await;
    browser.fill("#password", PASSWORD).await;
    browser.fill("#repeat", PASSWORD).await;
    browser.press("Set up").await;
    browser.sees("Why disk").await;
}

/// An appliance with its administrator's browser.
async fn administered(sink: &RawSink) -> (Appliance, Browser) {
    let appliance = fresh(sink).await;
    let browser = Browser::before(&appliance).await;
    set_up(&browser).await;
    (appliance, browser)
}

/// The browser has met nothing but forms that were refused and pages that are not for it.
async fn complains_of_nothing(browser: &Browser) {
    let complaints = browser.complaints().await;
    let is_refusal = |line: &&String| {
        let mut codes = ["422", "404", "401", "403"].iter();
        codes.any(|code| line.contains(&format!("status of {code}")))
    };
    let unexpected: Vec<&String> = complaints.iter().filter(|line| !is_refusal(line)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

async fn later() -> RawSink {
    let later = Answer::say("450 4.2.1 Mailbox busy");
    RawSink::start(Script::accepting().any_recipient(later)).await
}

/// Hands a message over, which must be answered by 250.
async fn send(appliance: &Appliance, sender: &str, recipients: &[&str], content: &[u8]) {
    let mut client = appliance.client().await;
    let reply = client.message(sender, recipients, content).await;
    assert_eq!(reply.code, 250, "{reply}");
    client.quit().await;
}

/// What stands in the dashboard's headline figure.
async fn ratio(browser: &Browser) -> String {
    let figure = browser.find("[data-live=ratio]").await;
    figure.text().await.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sets_it_up_watches_it_and_steers_it() {
    let sink = RawSink::start(Script::accepting()).await;
    let (appliance, browser) = administered(&sink).await;

    // The figure moves while mail flows, and nobody loads the page again.
    assert_eq!(ratio(&browser).await, "—");
    send(
        &appliance,
        "<a@example.org>",
        &["<b@example.net>"],
        &messages::small("one"),
    )
    .await;
    wait::until_true("the ratio to move", PATIENCE, || async {
        ratio(&browser).await == "100.0 %"
    })
    .await;

    // A threshold that is changed in the browser splits the next message.
    browser.open("/settings").await;
    browser
        .click("input[type=radio][name=memory_threshold_bytes][value=other]")
        .await;
    browser
        .fill("input[name='memory_threshold_bytes.other']", "a little")
        .await;
    browser.press("Save").await;
    browser.find("#memory_threshold_bytes-problem").await;
    let typed = browser
        .find("input[name='memory_threshold_bytes.other']")
        .await;
    let typed = typed.prop("value").await.unwrap();
    assert_eq!(typed.as_deref(), Some("a little"), "what was typed is kept");
    browser
        .fill("input[name='memory_threshold_bytes.other']", "1 KiB")
        .await;
    browser.press("Save").await;
    browser.find(".notice").await;
    let content = messages::of_size("two", 8_192);
    send(
        &appliance,
        "<a@example.org>",
        &["<b@example.net>"],
        &content,
    )
    .await;
    browser.open("/").await;
    wait::until_true("half of the messages split", PATIENCE, || async {
        ratio(&browser).await == "50.0 %"
    })
    .await;
    browser.open("/messages?storage=split").await;
    browser.sees("over threshold").await;
    browser.open("/audit").await;
    browser
        .sees("Memory threshold (memory_threshold_bytes)")
        .await;
    browser.sees("ada").await;

    // Out, and in again to where one wanted to go.
    browser.press("Log out").await;
    browser.sees("Log in").await;
    browser.open("/queue").await;
    assert!(browser.path().await.starts_with("/login"));
    browser.fill("#name", "ada").await;
    browser.fill("#password", "not the password").await;
    browser.press("Log in").await;
    browser.find("#problem").await;
    browser.fill("#password", PASSWORD).await;
    browser.press("Log in").await;
    browser.sees("Nobody waits").await;
    assert_eq!(browser.path().await, "/queue");

    // What is over is over.
    browser.open("/setup").await;
    assert!(!browser.text().await.contains("One-time password"));
    complains_of_nothing(&browser).await;
    browser.quit().await;
}

/// Presses an action for the selected rows and confirms it.
async fn act(browser: &Browser, action: &str) {
    browser
        .click(&format!("button[name=selected][value={action}]"))
        .await;
    browser.click("form.answer button").await;
    browser.find(".notice").await;
}

async fn state_becomes(appliance: &Appliance, state: &str) {
    wait::until_true(&format!("a row that is {state}"), PATIENCE, || async {
        appliance.queue(&format!("state={state}")).await.len() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_messages_are_retried_held_and_purged_by_hand() {
    let sink = later().await;
    let (appliance, browser) = administered(&sink).await;
    appliance
        .set(json!({ "retry_schedule_seconds": [3_600] }))
        .await;
    send(
        &appliance,
        "<a@example.org>",
        &["<b@example.net>"],
        &messages::small("one"),
    )
    .await;
    browser.open("/queue").await;
    browser.sees("b@example.net").await;
    browser.sees("450 4.2.1 Mailbox busy").await;

    // A refresh does not lose the selection.
    browser.click("tbody input[name=id]").await;
    browser.sees("1 selected").await;
    browser.driver.refresh().await.unwrap();
    browser.sees("1 selected").await;
    let chosen = browser.find("tbody input[name=id]").await;
    assert!(chosen.is_selected().await.unwrap());

    act(&browser, "hold").await;
    state_becomes(&appliance, "held").await;
    browser.click("tbody input[name=id]").await;
    act(&browser, "release").await;
    state_becomes(&appliance, "waiting").await;

    // The page of the row has the same buttons, its attempts and its source.
    browser.click("tbody th a").await;
    browser.sees("What happened").await;
    browser.sees("450 4.2.1 Mailbox busy").await;
    sink.heal();
    act(&browser, "retry").await;
    appliance.wait_for_queue(0).await;
    assert_eq!(sink.wait_for_accepted(1).await.len(), 1);

    let busy = Answer::say("450 4.2.1 Mailbox busy");
    sink.change(|script| script.any_recipient = busy);
    send(
        &appliance,
        "<a@example.org>",
        &["<c@example.net>"],
        &messages::small("two"),
    )
    .await;
    browser.open("/queue").await;
    browser.click("tbody input[name=id]").await;
    act(&browser, "purge").await;
    appliance.wait_for_queue(0).await;
    browser.sees("Nobody waits").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_rows_that_match_are_purged_at_once() {
    let sink = later().await;
    let (appliance, browser) = administered(&sink).await;
    appliance
        .set(json!({ "retry_schedule_seconds": [3_600], "path": "standard" }))
        .await;
    let recipients: Vec<String> = (0..1_000)
        .map(|number| format!("<user{number}@bulk.example>"))
        .collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    for subject in ["1", "2", "3", "4", "5"] {
        send(
            &appliance,
            "<bulk@example.org>",
            &recipients,
            &messages::small(subject),
        )
        .await;
    }
    send(
        &appliance,
        "<a@example.org>",
        &["<b@example.net>"],
        &messages::small("kept"),
    )
    .await;
    appliance.wait_for_queue(5_001).await;

    browser.open("/queue?destination=bulk.example").await;
    browser.press_summary("All that match: 5,000").await;
    browser.click("button[name=all][value=purge]").await;
    browser.sees("5,000").await;

    // What changes between the question and the answer is not purged unseen.
    send(
        &appliance,
        "<bulk@example.org>",
        &["<late@bulk.example>"],
        &messages::small("late"),
    )
    .await;
    browser.click("form.answer button").await;
    browser.sees("Nothing was done").await;
    browser.sees("5,001").await;
    assert_eq!(appliance.queue_total().await, 5_002);
    browser.click("form.answer button").await;
    appliance.wait_for_queue(1).await;
    browser.find(".notice").await;
    browser.quit().await;
}

/// Texts that would run if a page took them for its own, where mail can bring them.
#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_write_stays_text() {
    const SCRIPT: &str = "<script>window.ran=1</script><img src=x onerror=window.ran=1>";
    const HELO: &str = "x'onmouseover='window.ran=1'&ltb&gt";
    let sink = RawSink::start(Script::accepting().any_recipient(Answer::say(&format!(
        "450 4.2.1 {SCRIPT}\" onmouseover=\"window.ran=1"
    ))))
    .await;
    let (appliance, browser) = administered(&sink).await;
    let mut client = crate::support::client::Client::connect(appliance.smtp()).await;
    client.expect(220).await;
    // What is no name is refused, and what is taken for one is escaped like everything else.
    client
        .command("EHLO <script>window.ran=1</script>", 250)
        .await;
    client.command(&format!("EHLO {HELO}"), 250).await;
    let sender = "<\"<script>window.ran=1</script>\"@example.org>";
    let recipient = "<\"<svg/onload=window.ran=1>'`\"@example.net>";
    let content = format!(
        "Subject: {SCRIPT}\r\nFrom: \"{SCRIPT}\" <a@example.org>\r\n\r\n<html><body>{SCRIPT}</body></html>\r\n"
    );
    let reply = client
        .message(sender, &[recipient], content.as_bytes())
        .await;
    assert_eq!(reply.code, 250, "{reply}");

    let rows = appliance.queue("").await;
    let row = &rows[0];
    let message = row["message_id"].as_str().unwrap();
    appliance.trail("outcome=queued", |_| true).await;
    for path in [
        "/".to_owned(),
        "/queue".to_owned(),
        "/queue?recipient=%22%3E%3Cscript%3Ewindow.ran%3D1%3C%2Fscript%3E".to_owned(),
        format!("/queue/{}", row["id"]),
        format!("/queue/{}/source", row["id"]),
        "/messages".to_owned(),
        "/messages?sender=%22%3E%3Cscript%3Ewindow.ran%3D1%3C%2Fscript%3E".to_owned(),
        format!("/messages/{message}"),
        "/audit?who=%3Cscript%3Ewindow.ran%3D1%3C%2Fscript%3E".to_owned(),
    ] {
        browser.open(&path).await;
        wait::until_true(&format!("{path} to be there"), PATIENCE, || async {
            !browser.text().await.trim().is_empty()
        })
        .await;
        let ran = browser
            .driver
            .execute("return window.ran === undefined", Vec::new())
            .await
            .unwrap();
        assert_eq!(ran.json(), &json!(true), "a script ran on {path}");
        assert_eq!(browser.complaints().await, Vec::<String>::new(), "{path}");
    }
    // The texts are there to be read.
    browser.open("/queue").await;
    browser.sees("<svg/onload=window.ran=1>").await;
    browser.sees("450 4.2.1 <script>").await;
    browser.open(&format!("/messages/{message}")).await;
    browser.sees(HELO).await;
    browser.quit().await;
}

/// How far the elements that a selector finds reach beyond the window at its right, in pixels.
async fn out_of_sight(browser: &Browser, selector: &str) -> Vec<i64> {
    let script = format!(
        "return [...document.querySelectorAll('{selector}')].map(element =>
             Math.max(0, Math.ceil(element.getBoundingClientRect().right - window.innerWidth)))"
    );
    let found = browser.driver.execute(script, Vec::new()).await.unwrap();
    found.convert().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_it_arrived_is_seen_on_a_telephone() {
    let words = "450 4.2.1 Mailbox busy, and many words about why and for how long it will be";
    let later = Answer::say(words);
    let sink = RawSink::start(Script::accepting().any_recipient(later)).await;
    let (appliance, browser) = administered(&sink).await;
    let recipient = format!("<{}@a-long-name-of-a-domain.example.net>", "r".repeat(40));
    let sender = format!("<{}@a-long-name-of-a-domain.example.org>", "s".repeat(40));
    send(&appliance, &sender, &[&recipient], &messages::small("one")).await;
    appliance.trail("outcome=queued", |_| true).await;
    for width in [360, 768, 1_280] {
        browser.width(width).await;
        browser.open("/messages").await;
        for part in [".trail .tag", ".trail .words span", ".trail .address span"] {
            let beyond = out_of_sight(&browser, part).await;
            assert!(!beyond.is_empty(), "{part} is there at {width}");
            assert!(
                beyond.iter().all(|pixels| *pixels == 0),
                "{part} at {width}: {beyond:?}"
            );
        }
    }
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_whose_session_ends_elsewhere_leads_to_the_way_in() {
    let sink = later().await;
    let (appliance, browser) = administered(&sink).await;
    browser.find("[data-feed].live").await;
    let body = json!({ "password": "another password of hers" });
    let (status, answer) = appliance
        .call(Method::PATCH, "/api/v1/accounts/ada", Some(body))
        .await;
    assert_eq!(status.as_u16(), 200, "{answer}");
    // Nobody touches the page.
    browser.find("#password").await;
    assert!(browser.path().await.starts_with("/login"));
    assert!(!browser.text().await.contains("Why disk"));
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_tokens_go_after_a_question() {
    let sink = later().await;
    let (appliance, browser) = administered(&sink).await;
    let body = json!({ "name": "vera", "role": "viewer", "password": PASSWORD });
    let (status, answer) = appliance
        .call(Method::POST, "/api/v1/accounts", Some(body))
        .await;
    assert_eq!(status.as_u16(), 201, "{answer}");
    browser.open("/settings/tokens").await;
    browser.fill("#name", "backup").await;
    browser.click("input[name=scope][value=operate]").await;
    browser.press("Make the token").await;
    browser.sees("It is shown only now").await;
    browser.click("a[aria-label='Revoke backup']").await;
    browser.sees("Revoke the token “backup”?").await;
    browser.press("Cancel").await;
    browser.sees("Programs that may use the API").await;

    browser.open("/settings/accounts/vera").await;
    browser.press("Remove vera…").await;
    browser.sees("Remove vera?").await;
    browser.press("Remove vera").await;
    browser.sees("The account is gone").await;
    // One's own power is asked about with what goes with it.
    browser.open("/settings/accounts/ada").await;
    browser.click("input[name=role][value=viewer]").await;
    browser.press("Change the role").await;
    browser.sees("It is yours").await;
    browser.sees("backup").await;
    browser.press("Cancel").await;
    browser.find("input[name=role][value=administrator]").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_and_cannot_touch() {
    let sink = later().await;
    let (appliance, browser) = administered(&sink).await;
    let body = json!({ "name": "vera", "role": "viewer", "password": PASSWORD });
    let (status, answer) = appliance
        .call(Method::POST, "/api/v1/accounts", Some(body))
        .await;
    assert_eq!(status.as_u16(), 201, "{answer}");
    send(
        &appliance,
        "<a@example.org>",
        &["<b@example.net>"],
        &messages::small("one"),
    )
    .await;
    browser.press("Log out").await;
    browser.fill("#name", "vera").await;
    browser.fill("#password", PASSWORD).await;
    browser.press("Log in").await;
    browser.sees("Why disk").await;
    browser.open("/queue").await;
    browser.sees("b@example.net").await;
    assert_eq!(browser.count("button[name=selected]").await, 0);
    assert_eq!(browser.count("nav a[href='/settings']").await, 0);
    browser.open("/settings").await;
    browser.sees("administrator").await;
    let form = browser.driver.find(By::Css("form#memory")).await;
    assert!(form.is_err(), "there is no form for a viewer");
    browser.quit().await;
}
