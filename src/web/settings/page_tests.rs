use axum::http::StatusCode;

use super::entry_page::ENTRY_PAGES;
use super::page::pages;
use crate::settings::catalogue::SettingGroup;
use crate::web::testing::Site;

/// The page has the field of every setting of these groups, with its label.
async fn shows_all(site: &Site, path: &str, groups: &[SettingGroup]) {
    let page = site.see(path).await;
    assert_eq!(page.status, StatusCode::OK, "{path}");
    for group in groups {
        page.has(&[group.heading]);
        for setting in group.settings {
            let shown = format!("name=\"shown.{}\"", group.path_of(setting));
            page.has(&[&shown, setting.label]);
        }
    }
}

#[tokio::test]
async fn every_setting_of_a_section_has_its_field() {
    let site = Site::open().await;
    for page in pages() {
        shows_all(&site, &page.path, page.section.groups).await;
    }
    for page in &ENTRY_PAGES {
        shows_all(&site, page.path, page.list.groups).await;
    }
    site.close().await;
}
