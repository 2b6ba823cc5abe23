use axum::http::StatusCode;

use crate::settings::conditions::Score;
use crate::web::testing::{FORM, LOOPBACK, Site};

const PATH: &str = "/settings/conditions/antispam";

async fn check(site: &Site, request: &str, body: &str, status: StatusCode, parts: &[&str]) {
    let request = format!("{request} {PATH}");
    let answer = site.ask(LOOPBACK, &request, &[FORM], body).await;
    assert_eq!(answer.status, status, "{body}: {}", answer.text);
    answer.has(parts);
}

#[tokio::test]
async fn scores_are_switched_on_and_off() {
    let site = Site::open().await;
    let shown = [
        r#"name="antispam.tag_score" value="5.0""#,
        r#"name="shown.antispam.defer_score" value="off""#,
        r#"name="antispam.refuse_score" value="15.0""#,
    ];
    check(&site, "GET", "", StatusCode::OK, &shown).await;
    let typed = "antispam.enabled=true&antispam.engine=spamd&antispam.server=unix:/run/spamd.sock\
        &on.antispam.tag_score=on&antispam.tag_score=6.25&antispam.refuse_score=15.0";
    check(&site, "POST", typed, StatusCode::SEE_OTHER, &[]).await;
    let settings = site.context.administration.settings();
    assert_eq!(settings.antispam.tag_score, Score::nearest(6.25));
    assert_eq!(settings.antispam.refuse_score, None);
    check(&site, "GET", "", StatusCode::OK, &[r#"value="6.25""#]).await;

    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    for (typed, problem) in [
        (
            "on.antispam.refuse_score=on&antispam.refuse_score=6",
            "must be higher than the score that tags, 6.25",
        ),
        (
            "on.antispam.tag_score=on&antispam.tag_score=6,5",
            "a score is a number",
        ),
        ("antispam.engine=rspamd", "rspamd is asked over TCP"),
    ] {
        check(&site, "POST", typed, unprocessable, &[problem]).await;
    }
}
