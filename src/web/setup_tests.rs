use axum::http::StatusCode;

use crate::web::testing::{ELSEWHERE, ONE_TIME, Site};

fn form(one_time: &str, name: &str, password: &str, repeat: &str) -> String {
    format!("one_time={one_time}&name={name}&password={password}&repeat={repeat}")
}

#[tokio::test]
async fn setup_works_once_and_is_gone() {
    let site = Site::fresh().await;
    let page = site.ask(ELSEWHERE, "GET /setup", &[], "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("FASTPATH_ADMIN_PASSWORD"));
    let login = site.ask(ELSEWHERE, "GET /login", &[], "").await;
    assert_eq!(login.location(), "/setup");

    let one_time = ONE_TIME.replace(' ', "+");
    let password = "a+long+password";
    for (typed, problem) in [
        (
            form("guess", "anna", password, password),
            "one_time-problem",
        ),
        (form(&one_time, "a b", password, password), "name-problem"),
        (
            form(&one_time, "anna", "short", "short"),
            "password-problem",
        ),
        (form(&one_time, "anna", password, "other"), "repeat-problem"),
    ] {
        let answer = site.submit("/setup", "", &typed).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed}");
        let shown = format!("class=\"problem\" id=\"{problem}\"");
        assert!(answer.text.contains(&shown), "{typed}: {}", answer.text);
        for secret in ["a long password", ONE_TIME, "guess"] {
            assert!(!answer.text.contains(secret), "{secret} is there");
        }
    }
    let typed = form(&one_time, "anna", password, password);
    let done = site.submit("/setup", "", &typed).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/"));
    let account = site.see_as(&done.cookie(), "/account").await;
    assert!(account.text.contains("anna"));

    for request in ["GET /setup", "POST /setup"] {
        let gone = site.ask(ELSEWHERE, request, &[&done.cookie()], "").await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND, "{request}");
    }
    let again = site.submit("/setup", "", &typed).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    site.close().await;
}
