//! The pages in a real browser.

use crate::support::appliance::Plan;
use crate::support::browser::Browser;

#[tokio::test(flavor = "multi_thread")]
async fn look() {
    let appliance = Plan::new().command("demo").start().await;
    let browser = Browser::before(&appliance).await;
    browser.open("/").await;
    browser.sees("never touched a disk").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.quit().await;
}
