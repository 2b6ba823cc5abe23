use super::*;
use crate::accounts::Role;
use crate::administration::Actor;
use crate::web::testing::{ELSEWHERE, Site};

const PASSWORD: &str = "a long password";

async fn with_account() -> Site {
    let site = Site::open().await;
    let actor = Actor::command("test");
    let accounts = &site.context.accounts;
    let made = accounts.create("anna", Role::Operator, PASSWORD.into(), &actor);
    made.await.expect("made");
    site
}

fn form(password: &str, to: &str) -> String {
    let password = password.replace(' ', "+");
    format!("name=anna&password={password}&to={to}")
}

#[tokio::test]
async fn people_log_in_and_out() {
    let site = with_account().await;
    let wrong = site.submit("/login", "", &form("wrong", "")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("the name or the password is wrong"));
    assert!(wrong.text.contains("value=\"anna\""), "the name stays");
    assert!(!wrong.text.contains("value=\"wrong\""), "the password not");
    assert!(!wrong.headers.contains_key(header::SET_COOKIE));

    let first = site.submit("/login", "", &form(PASSWORD, "")).await;
    assert_eq!(
        (first.status, first.location()),
        (StatusCode::SEE_OTHER, "/")
    );
    let set = first.headers[header::SET_COOKIE].to_str().expect("ASCII");
    assert!(
        set.ends_with("; HttpOnly; SameSite=Strict; Path=/"),
        "{set}"
    );
    // A session that somebody planted is not taken over, and what the browser forgets has ended.
    let old = first.cookie();
    let second = site.submit("/login", &old, &form(PASSWORD, "")).await;
    assert_ne!(second.cookie(), old);
    let ended = site.see_as(&old, "/").await;
    assert_eq!(ended.location(), "/login");

    let cookie = second.cookie();
    let ask = async |request| site.ask(ELSEWHERE, request, &[&cookie], "").await;
    assert_eq!(ask("GET /").await.status, StatusCode::OK);
    assert_eq!(ask("GET /login?to=/account").await.location(), "/account");
    let out = ask("POST /logout").await;
    assert_eq!(out.location(), "/login?done=out");
    assert_eq!(out.cookie(), "Cookie: fastpath=");
    assert_eq!(ask("GET /").await.location(), "/login");
    let page = ask("GET /login?done=out").await;
    assert!(page.text.contains("You are logged out."));
    site.close().await;
}

#[tokio::test]
async fn it_leads_nowhere_else() {
    let site = with_account().await;
    for (to, location) in [
        ("/queue%3Fstate%3Dheld", "/queue?state=held"),
        ("//elsewhere.example", "/"),
        ("https://elsewhere.example/", "/"),
        ("/%09/elsewhere.example", "/"),
        ("/%5Celsewhere.example", "/"),
    ] {
        let answer = site.submit("/login", "", &form(PASSWORD, to)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{to}");
        assert_eq!(answer.location(), location, "{to}");
    }
    let page = site
        .ask(ELSEWHERE, "GET /login?to=%22%3E%3Cscript%3E", &[], "")
        .await;
    assert!(!page.text.contains("<script"));
    site.close().await;
}

#[tokio::test]
async fn a_code_is_asked_for_on_the_same_page() {
    let site = with_account().await;
    let accounts = &site.context.accounts;
    let cookie = site
        .submit("/login", "", &form(PASSWORD, ""))
        .await
        .cookie();
    let token = cookie.rsplit('=').next().expect("a token");
    let session = crate::accounts::TokenHash::of(token);
    let account = accounts.named("anna").await.expect("it is there").id;
    let login = Login { account, session };
    let (actor, now) = (Actor::command("test"), Timestamp::now());
    let begun = accounts.begin_second_factor(login, PASSWORD.into(), &actor, now);
    begun.await.expect("begun");
    let secret = accounts.enrolment(login, now).expect("it waits");
    let code = secret.code_at(now.as_second());
    let confirmed = accounts.confirm_second_factor(login, &code, &actor, now);
    let recovery_codes = confirmed.await.expect("on");

    let asked = site.submit("/login", "", &form(PASSWORD, "/account")).await;
    assert_eq!(asked.status, StatusCode::OK);
    assert!(!asked.headers.contains_key(header::SET_COOKIE));
    assert!(!asked.text.contains("name=\"password\""), "{}", asked.text);
    let ticket = asked.text.split("name=\"ticket\" value=\"").nth(1);
    let ticket = ticket.and_then(|rest| rest.split('"').next());
    let ticket = ticket.expect("a ticket");
    let answer = async |code: &str| {
        let form = format!("ticket={ticket}&code={code}&to=/account");
        site.submit("/login", "", &form).await
    };
    let wrong = answer("nonsense").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains(ticket), "one may try again");
    let right = answer(recovery_codes[0].expose()).await;
    assert_eq!(right.location(), "/account", "{}", right.text);
    let late = answer(recovery_codes[1].expose()).await;
    assert!(late.text.contains("name=\"password\""), "begin again");
    site.close().await;
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let site = with_account().await;
    let mut tries = 0;
    let refused = loop {
        let answer = site.submit("/login", "", &form("wrong", "")).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            break answer;
        }
        tries += 1;
        // A slow machine earns another try now and then.
        assert!(
            tries <= 2 * crate::limits::ATTEMPTS_PER_NAME,
            "nobody stops it"
        );
    };
    assert!(refused.text.contains("too many tries"), "{}", refused.text);
    site.close().await;
}

#[tokio::test]
async fn a_name_that_nobody_can_have_is_not_shown_again() {
    let site = with_account().await;
    let most = crate::limits::ACCOUNT_NAME_BYTES;
    for (length, is_shown) in [(most, true), (most + 1, false), (20_000, false)] {
        let name = "n".repeat(length);
        let form = format!("name={name}&password=wrong");
        let answer = site.submit("/login", "", &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.text.contains(&name), is_shown, "{length}");
        assert!(answer.text.len() < 8_192, "{length}");
    }
    site.close().await;
}
