use super::*;
use crate::accounts::Role;
use crate::accounts::TokenHash;
use crate::administration::Actor;
use crate::limits;
use crate::web::testing::{Answer, Site};

const PASSWORD: &str = "a+long+password";

/// Somebody who is logged in: the site and their cookie.
async fn logged_in() -> (Site, String) {
    let site = Site::open().await;
    let (accounts, actor) = (&site.context.accounts, Actor::command("test"));
    let made = accounts.create("anna", Role::Viewer, "a long password".into(), &actor);
    made.await.expect("made");
    let cookie = log_in(&site, PASSWORD).await.cookie();
    (site, cookie)
}

async fn log_in(site: &Site, password: &str) -> Answer {
    let form = format!("name=anna&password={password}");
    site.submit("/login", "", &form).await
}

#[tokio::test]
async fn the_password_is_changed() {
    let (site, cookie) = logged_in().await;
    for (typed, problem) in [
        (
            "current=wrong&password=another+one+here&repeat=another+one+here",
            "current",
        ),
        (
            "current=a+long+password&password=short&repeat=short",
            "password",
        ),
        (
            "current=a+long+password&password=another+one+here&repeat=x",
            "repeat",
        ),
    ] {
        let answer = site.submit("/account/password", &cookie, typed).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed}");
        let shown = format!("class=\"problem\" id=\"{problem}-problem\"");
        assert!(answer.text.contains(&shown), "{typed}: {}", answer.text);
        assert!(!answer.text.contains("another one here"), "{typed}");
    }
    let right = "current=a+long+password&password=another+one+here&repeat=another+one+here";
    let answer = site.submit("/account/password", &cookie, right).await;
    assert_eq!(answer.location(), "/account?done=password");
    let before = site.see_as(&cookie, "/account").await;
    assert_eq!(before.location(), "/login?to=/account");
    let cookie = answer.cookie();
    let page = site.see_as(&cookie, "/account?done=password").await;
    assert!(page.text.contains("Your password is changed"));
    let old = log_in(&site, PASSWORD).await;
    assert_eq!(old.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(log_in(&site, "another+one+here").await.location(), "/");
    site.close().await;
}

#[tokio::test]
async fn one_time_codes_are_switched_on_and_off() {
    let (site, cookie) = logged_in().await;
    let wrong = site
        .submit("/account/second-factor", &cookie, "current=wrong")
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let typed = format!("current={PASSWORD}");
    let begun = site.submit("/account/second-factor", &cookie, &typed).await;
    assert_eq!(begun.location(), "/account#second-factor");
    let page = site.see_as(&cookie, "/account").await;
    assert!(page.text.contains("<svg") && !page.text.contains("style="));

    let token = cookie.rsplit('=').next().expect("a token");
    let account = site.context.accounts.named("anna").await;
    let login = Login {
        account: account.expect("it is there").id,
        session: TokenHash::of(token),
    };
    let now = Timestamp::now();
    let secret = site.context.accounts.enrolment(login, now);
    let secret = secret.expect("it waits");
    assert!(page.text.contains(&secret.spelled()));
    let path = "/account/second-factor/confirm";
    let wrong = site.submit(path, &cookie, "code=nonsense").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("id=\"code-problem\""));
    let code = format!("code={}", secret.code_at(now.as_second()));
    let codes = site.submit(path, &cookie, &code).await;
    assert_eq!(codes.status, StatusCode::OK);
    let shown = codes.text.matches("<li class=\"secret\">").count();
    assert_eq!(shown, limits::RECOVERY_CODES, "{}", codes.text);

    let page = site.see_as(&cookie, "/account").await;
    assert!(page.text.contains("You have 10 recovery codes"));
    assert!(
        !page.text.contains(&secret.spelled()),
        "it is not shown again"
    );
    let off = site
        .submit("/account/second-factor/off", &cookie, &typed)
        .await;
    assert_eq!(off.location(), "/account?done=off");
    site.close().await;
}

#[tokio::test]
async fn other_sessions_are_shown_and_ended() {
    let (site, cookie) = logged_in().await;
    let other = log_in(&site, PASSWORD).await.cookie();
    let page = site.see_as(&cookie, "/account").await;
    assert_eq!(page.text.matches("192.0.2.7").count(), 2, "{}", page.text);
    assert_eq!(page.text.matches("this one").count(), 1);
    let ended = site.submit("/account/sessions/end", &cookie, "").await;
    assert_eq!(ended.location(), "/account?done=ended");
    let gone = site.see_as(&other, "/account").await;
    assert_eq!(gone.location(), "/login?to=/account");
    let stays = site.see_as(&cookie, "/account").await;
    assert_eq!(stays.status, StatusCode::OK);
    site.close().await;
}
