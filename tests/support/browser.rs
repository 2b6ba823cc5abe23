//! A real browser: Chromium behind chromedriver, which scripts/peers.sh brings in.

use std::process::Stdio;

use serde_json::json;
use thirtyfour::LoggingPrefsLogLevel;
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::appliance::Appliance;
use super::peers;
use super::wait::{self, PATIENCE};

/// A browser with one window, and the driver process that steers it. Quit it at the end of a scene:
/// a browser whose driver is killed may live on for a moment.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    home: String,
    /// Where the driver listens.
    port: u16,
    _process: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// A new browser that knows nobody, in front of `appliance`.
    pub(crate) async fn before(appliance: &Appliance) -> Browser {
        Browser::with(appliance, None).await
    }

    /// The same with a window of so many pixels, which may be fewer than a window on a screen has.
    pub(crate) async fn as_wide_as(pixels: u32, appliance: &Appliance) -> Browser {
        Browser::with(appliance, Some(pixels)).await
    }

    async fn with(appliance: &Appliance, pixels: Option<u32>) -> Browser {
        let (process, port) = start_driver().await;
        let profile = tempfile::tempdir().unwrap();
        let mut capabilities = DesiredCapabilities::chrome();
        let binary = peers::program("chromium");
        capabilities.set_binary(binary.to_str().unwrap()).unwrap();
        let directory = format!("--user-data-dir={}", profile.path().display());
        for argument in [
            "--headless=new",
            // Root, as continuous integration is, has no sandbox; a container has little /dev/shm.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--window-size=1280,1200",
            &directory,
        ] {
            capabilities.add_arg(argument).unwrap();
        }
        capabilities
            .set_browser_log_level(LoggingPrefsLogLevel::All)
            .unwrap();
        if let Some(pixels) = pixels {
            let metrics = json!({
                "width": pixels, "height": 740, "pixelRatio": 1.0, "mobile": false, "touch": false,
            });
            let emulation = json!({ "deviceMetrics": metrics });
            capabilities
                .add_experimental_option("mobileEmulation", emulation)
                .unwrap();
        }
        let driver = wait::within(
            "a browser session",
            PATIENCE * 2,
            WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities),
        )
        .await
        .unwrap();
        Browser {
            driver,
            home: appliance.url(""),
            port,
            _process: process,
            _profile: profile,
        }
    }

    /// Opens a path of the appliance.
    pub(crate) async fn open(&self, path: &str) {
        self.driver
            .goto(format!("{}{path}", self.home))
            .await
            .unwrap();
    }

    /// Gives the page so many pixels, as a telephone would: a window cannot be made as narrow.
    pub(crate) async fn width(&self, pixels: u32) {
        let session = self.driver.handle().session_id();
        let address = format!(
            "http://127.0.0.1:{}/session/{session}/goog/cdp/execute",
            self.port
        );
        let screen = json!({
            "cmd": "Emulation.setDeviceMetricsOverride",
            "params": {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": false},
        });
        let asked = reqwest::Client::new().post(address).json(&screen).send();
        let answer = wait::within("the width of the page", PATIENCE, asked).await;
        assert!(answer.unwrap().status().is_success());
    }

    /// The one element that a CSS selector finds, as soon as it is there.
    pub(crate) async fn find(&self, selector: &str) -> WebElement {
        wait::until(selector, PATIENCE, || async {
            self.driver.find(By::Css(selector)).await.ok()
        })
        .await
    }

    /// How many elements a CSS selector finds now.
    pub(crate) async fn count(&self, selector: &str) -> usize {
        let found = self.driver.find_all(By::Css(selector)).await;
        found.map_or(0, |found| found.len())
    }

    /// Types into a field in place of what stands there.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Clicks on what a CSS selector finds.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        element.scroll_into_view().await.unwrap();
        element.click().await.unwrap();
    }

    /// Clicks on the button, or the link, with these words.
    pub(crate) async fn press(&self, words: &str) {
        let path =
            format!("//button[normalize-space()='{words}'] | //a[normalize-space()='{words}']");
        let element = wait::until(&format!("“{words}” to press"), PATIENCE, || async {
            self.driver.find(By::XPath(path.as_str())).await.ok()
        })
        .await;
        element.scroll_into_view().await.unwrap();
        element.click().await.unwrap();
    }

    /// Opens or closes what is folded behind words that begin like this.
    pub(crate) async fn press_summary(&self, words: &str) {
        let path = format!("//summary[starts-with(normalize-space(), '{words}')]");
        let summary = wait::until(&format!("“{words}” to unfold"), PATIENCE, || async {
            self.driver.find(By::XPath(path.as_str())).await.ok()
        })
        .await;
        summary.scroll_into_view().await.unwrap();
        summary.click().await.unwrap();
    }

    /// The text of the page as it is seen.
    pub(crate) async fn text(&self) -> String {
        let body = self.driver.find(By::Css("body")).await;
        match body {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until the page shows this text.
    pub(crate) async fn sees(&self, text: &str) {
        wait::until_true(&format!("the page to show “{text}”"), PATIENCE, || async {
            self.text().await.contains(text)
        })
        .await;
    }

    /// The path of the page, with its query.
    pub(crate) async fn path(&self) -> String {
        let url = self.driver.current_url().await.unwrap();
        match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        }
    }

    /// What the browser complained of since the last look: scripts that failed, breaches of the
    /// content security policy, files that were not there.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.unwrap();
        let complaints = log.into_iter().filter(|entry| {
            // Advice to developers is of the level below.
            matches!(entry.level.as_str(), "WARNING" | "SEVERE")
        });
        complaints.map(|entry| entry.message).collect()
    }

    /// Ends the browser, then its driver.
    pub(crate) async fn quit(self) {
        let _ = wait::within("the browser to quit", PATIENCE, self.driver.quit()).await;
    }
}

/// chromedriver on a port that it chooses itself and says.
async fn start_driver() -> (Child, u16) {
    let mut process = Command::new(peers::program("chromedriver"))
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let port = wait::within("chromedriver to listen", PATIENCE, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let port = line
                .split("successfully on port ")
                .nth(1)
                .and_then(|rest| rest.trim_end_matches('.').parse().ok());
            if let Some(port) = port {
                return port;
            }
        }
        panic!("chromedriver ended without a port");
    })
    .await;
    // Its pipe must not fill up, nor break.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (process, port)
}
