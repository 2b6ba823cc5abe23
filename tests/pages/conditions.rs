//! Conditions in the browser: switched on, they divert the next message and say so; switched off, they
//! are as if they had never been there.

use thirtyfour::By;

use super::{administered, complains_of_nothing, send};
use crate::support::browser::Browser;
use crate::support::messages;
use crate::support::raw_sink::{RawSink, Script};
use crate::support::services::clamd::{Clamd, eicar};

/// Switches antivirus and saves.
async fn switch(browser: &Browser, on: bool) {
    browser.open("/settings/conditions/antivirus").await;
    let choice = format!("input[type=radio][name='antivirus.enabled'][value={on}]");
    browser.click(&choice).await;
    browser.press("Save").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_is_switched_on_and_off_for_the_next_message() {
    let clamd = Clamd::start().await;
    let sink = RawSink::start(Script::accepting()).await;
    let (appliance, browser) = administered(&sink).await;
    let trail = async |sender: &str| {
        let content = messages::small(sender);
        send(
            &appliance,
            &format!("<{sender}>"),
            &["<b@example.net>"],
            &content,
        )
        .await;
        let query = format!("sender={sender}");
        appliance.trail(&query, |_| true).await
    };
    // Without its server it is not switched on, and the message stands at the field.
    switch(&browser, true).await;
    browser.find("[id='antivirus.server-problem']").await;
    browser.sees("is needed to switch this on").await;
    assert_eq!(trail("before@example.org").await["path"], "fast");

    let address = clamd.address().to_string();
    browser.fill("[id='antivirus.server']", &address).await;
    browser.press("Save").await;
    browser
        .sees("Saved: in force from the next message on.")
        .await;
    let on = trail("on@example.org").await;
    assert_eq!(on["path"], "standard", "{on}");
    assert_eq!(on["examined"], "antivirus: passed");
    let infected = format!("Subject: x\r\n\r\n{}\r\n", eicar());
    let mut client = appliance.client().await;
    let reply = client
        .message("<c@example.org>", &["<b@example.net>"], infected.as_bytes())
        .await;
    assert_eq!(reply.code, 554, "{reply}");
    client.quit().await;

    // The overview counts what it diverted and leads there; the dashboard says why disk, and who was asked.
    browser.open("/settings/conditions").await;
    let diverted = browser
        .find("td.number a[href*='condition%3Aantivirus']")
        .await;
    assert_eq!(diverted.text().await.unwrap(), "1");
    diverted.click().await.unwrap();
    browser.sees("on@example.org").await;
    browser.open("/").await;
    browser.sees("condition antivirus").await;
    let services = browser.find("#services-section tbody tr").await;
    let words = services.text().await.unwrap();
    assert!(
        words.starts_with("clamd") && words.contains("closed"),
        "{words}"
    );

    switch(&browser, false).await;
    browser
        .sees("Saved: in force from the next message on.")
        .await;
    assert_eq!(trail("off@example.org").await["path"], "fast");
    complains_of_nothing(&browser).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_of_ones_own_are_made_changed_and_removed() {
    let sink = RawSink::start(Script::accepting()).await;
    let (appliance, browser) = administered(&sink).await;
    browser.open("/settings/conditions").await;
    let add = browser.driver.find(By::LinkText("Add a condition")).await;
    add.unwrap().click().await.unwrap();
    browser.fill("#name", "Many").await;
    browser.press("Save").await;
    browser.sees("is no name").await;
    browser.fill("#name", "many").await;
    browser.press("Save").await;
    browser.sees("needs something that it looks at").await;
    browser.click("input[name='on.recipients_more_than']").await;
    browser.fill("input[name=recipients_more_than]", "1").await;
    browser.press("Save").await;
    browser.sees("more than 1 recipients").await;
    let two = ["<b@example.net>", "<c@example.net>"];
    send(&appliance, "<a@example.org>", &two, &messages::small("two")).await;
    let trail = appliance.trail("sender=a@example.org", |_| true).await;
    assert_eq!(trail["reasons"][0], "condition:many", "{trail}");

    browser.open("/settings/conditions/own?name=many").await;
    browser.press("Remove many").await;
    browser
        .sees("Removed: in force from the next message on.")
        .await;
    send(&appliance, "<d@example.org>", &two, &messages::small("two")).await;
    let trail = appliance.trail("sender=d@example.org", |_| true).await;
    assert_eq!(trail["path"], "fast", "{trail}");
    complains_of_nothing(&browser).await;
    browser.quit().await;
}
