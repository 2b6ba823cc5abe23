//! No page is wider than a telephone: what does not fit scrolls where it stands, and not the page.

use std::collections::{BTreeSet, VecDeque};

use reqwest::Method;
use serde_json::json;

use super::{PASSWORD, later, send, set_up};
use crate::support::appliance::{Appliance, Plan};
use crate::support::browser::Browser;
use crate::support::messages;

/// Pixels.
const TELEPHONE: u32 = 360;
/// More than there are; a crawl that goes in circles ends.
const PAGES_MOST: usize = 100;
/// Pages that the crawl must have met, or it proves nothing.
const PAGES: &[&str] = &[
    "/",
    "/queue",
    "/queue/{id}",
    "/messages",
    "/messages/{id}",
    "/audit",
    "/account",
    "/settings",
    "/settings/delivery",
    "/settings/next-hops",
    "/settings/next-hops/entry",
    "/settings/next-hops/test",
    "/settings/listeners",
    "/settings/access",
    "/settings/logins",
    "/settings/conditions",
    "/settings/conditions/antispam",
    "/settings/conditions/antivirus",
    "/settings/conditions/blackhole-lists",
    "/settings/conditions/blackhole-lists/zone",
    "/settings/conditions/content-filter",
    "/settings/conditions/content-filter/rule",
    "/settings/conditions/directory",
    "/settings/conditions/encryption",
    "/settings/conditions/ldap-masquerading",
    "/settings/conditions/ldap-relaying",
    "/settings/conditions/milter",
    "/settings/conditions/own",
    "/settings/conditions/received-for",
    "/settings/conditions/sender-check",
    "/settings/retention",
    "/settings/alerts",
    "/settings/accounts",
    "/settings/accounts/{id}",
    "/settings/tokens",
];

/// How wide the window is, and how wide the page with all folds open.
async fn widths(browser: &Browser) -> (u32, u32) {
    const MEASURE: &str = "
        document.querySelectorAll('details').forEach((fold) => { fold.open = true; });
        return [innerWidth, document.documentElement.scrollWidth];";
    let measured = browser.driver.execute(MEASURE, Vec::new()).await.unwrap();
    measured.convert().unwrap()
}

async fn fits(browser: &Browser, what: &str) {
    let (window, page) = widths(browser).await;
    assert_eq!(window, TELEPHONE);
    assert!(page <= window, "{what} is {page} px wide");
}

/// The paths that the page links to.
async fn links(browser: &Browser) -> Vec<String> {
    const COLLECT: &str = "
        const links = [...document.querySelectorAll('a[href]')];
        return links.filter((link) => link.origin === location.origin && !link.pathname.endsWith('/source'))
            .map((link) => link.pathname);";
    let found = browser.driver.execute(COLLECT, Vec::new()).await.unwrap();
    found.convert().unwrap()
}

/// The path with what differs from row to row left out.
fn kind_of(path: &str) -> String {
    for parent in ["/queue", "/messages", "/settings/accounts"] {
        let below = path
            .strip_prefix(parent)
            .and_then(|rest| rest.strip_prefix('/'));
        if below.is_some_and(|below| !below.is_empty()) {
            return format!("{parent}/{{id}}");
        }
    }
    path.to_owned()
}

/// Names as long as they come, wherever a page shows one.
async fn fill_with_long_names(appliance: &Appliance) {
    let long = "a-rather-long-label-of-a-domain-name";
    let domain = format!("{long}.{long}.example.net");
    appliance
        .set(json!({
            "retry_schedule_seconds": [3_600],
            "next_hops": [{"domain": domain, "address": format!("smtp://{long}.example.net:2525")}],
            "paused_next_hops": [format!("{long}.example.org:25")],
            "content_filter": {"rules": [{
                "name": "r".repeat(60), "part": "text", "pattern": "p".repeat(200),
                "action": "redirect", "argument": format!("{}@{domain}", "a".repeat(60)),
            }]},
        }))
        .await;
    for (path, body) in [
        (
            "accounts",
            json!({"name": "x".repeat(64), "role": "viewer", "password": PASSWORD}),
        ),
        (
            "tokens",
            json!({"name": "token-with-a-rather-long-name-of-many-words-in-it", "scope": "read_only"}),
        ),
        (
            "smtp-logins",
            json!({"name": format!("printer@{long}.example.net"), "note": "y".repeat(100), "password": PASSWORD}),
        ),
    ] {
        let path = format!("/api/v1/{path}");
        let (status, answer) = appliance.call(Method::POST, &path, Some(body)).await;
        assert_eq!(status.as_u16(), 201, "{path}: {answer}");
    }
    let sender = format!("<{}@example.org>", "s".repeat(60));
    let recipient = format!("<{}@example.com>", "r".repeat(60));
    let small = messages::small("one");
    send(appliance, &sender, &[&recipient, "<b@example.com>"], &small).await;
    appliance.wait_for_queue(2).await;
    appliance.trail("outcome=queued", |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_is_wider_than_a_telephone() {
    let sink = later().await;
    let appliance = Plan::new()
        .next_hop(sink.address())
        .environment("FASTPATH_ADMIN_PASSWORD", super::ONE_TIME)
        .start()
        .await;
    let browser = Browser::as_wide_as(TELEPHONE, &appliance).await;
    browser.open("/setup").await;
    fits(&browser, "/setup").await;
    set_up(&browser).await;
    fill_with_long_names(&appliance).await;

    let mut next = VecDeque::from(["/".to_owned(), "/settings/next-hops/test".to_owned()]);
    let mut met = BTreeSet::new();
    while let Some(path) = next.pop_front() {
        if met.len() >= PAGES_MOST || !met.insert(kind_of(&path)) {
            continue;
        }
        browser.open(&path).await;
        browser.find("main").await;
        fits(&browser, &path).await;
        next.extend(links(&browser).await);
    }
    for page in PAGES {
        assert!(met.contains(*page), "{page} was not met: {met:?}");
    }

    // The folded list of the settings' pages opens without a script's help, and is there at once where
    // there is room.
    browser.open("/settings/access").await;
    let list = browser.find(".settings-pages").await;
    assert!(!list.is_displayed().await.unwrap());
    browser.press_summary("Settings: Access").await;
    assert!(list.is_displayed().await.unwrap());

    browser.open("/queue").await;
    browser.click("tbody input[name=id]").await;
    browser.click("button[name=selected][value=purge]").await;
    browser.find("form.answer").await;
    fits(&browser, "the confirmation").await;
    browser.open("/messages?since=nonsense").await;
    fits(&browser, "a search with a problem").await;
    browser.open("/messages?weather=rain").await;
    browser.sees("“weather” is unknown here").await;
    fits(&browser, "a page that says why there is none").await;
    browser.open("/").await;
    browser.press("Log out").await;
    browser.sees("Log in").await;
    fits(&browser, "/login").await;
    browser.quit().await;
}
