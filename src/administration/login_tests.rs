use super::super::testing::{ADDRESS, PASSWORD, Scene, actor, after, noon};
use super::*;
use crate::accounts::{Role, SharedSecret};

/// An account with a second factor: its secret and its recovery codes.
async fn with_second_factor(scene: &Scene, name: &str) -> (SharedSecret, Vec<RecoveryCode>) {
    scene.account(name, Role::Operator).await;
    let login = scene.log_in(name, noon()).await;
    let (accounts, actor) = (&scene.accounts, actor(name));
    let begun = accounts.begin_second_factor(login, PASSWORD.into(), &actor, noon());
    begun.await.expect("begun");
    let secret = accounts.enrolment(login, noon()).expect("it waits");
    let code = secret.code_at(noon().as_second());
    let codes = accounts.confirm_second_factor(login, &code, &actor, noon());
    (secret, codes.await.expect("on"))
}

async fn ticket(scene: &Scene, name: &str, now: Timestamp) -> AccessToken {
    match scene.enter(name, PASSWORD, now).await {
        LoginOutcome::CodeNeeded(ticket) => ticket,
        LoginOutcome::Entered(_) => panic!("{name} got in without a code"),
    }
}

#[tokio::test]
async fn only_the_right_name_and_password_get_in() {
    let scene = Scene::new().await;
    scene.account("anna", Role::Viewer).await;
    for (name, password, gets_in) in [
        ("anna", PASSWORD, true),
        (" Anna ", PASSWORD, true),
        ("anna", "correct horse batter", false),
        ("anna", "", false),
        ("bob", PASSWORD, false),
        ("", "", false),
    ] {
        let accounts = &scene.accounts;
        let entrance = accounts
            .log_in(name, password.into(), ADDRESS, noon())
            .await;
        match entrance {
            Ok(LoginOutcome::Entered(entered)) => {
                assert!(gets_in, "{name} {password}");
                assert!(scene.login(&entered, noon()).await.is_some());
            }
            Err(LoginError::Wrong) => assert!(!gets_in, "{name} {password}"),
            other => panic!("{name} {password}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn every_login_has_a_session_of_its_own() {
    let scene = Scene::new().await;
    scene.account("anna", Role::Viewer).await;
    let first = scene.log_in("anna", noon()).await;
    let second = scene.log_in("anna", noon()).await;
    assert_ne!(first.session, second.session);
    let out = scene.accounts.log_out(first.session, &actor("anna")).await;
    out.expect("out");
    assert!(!scene.lasts(first, noon()).await);
    assert!(scene.lasts(second, noon()).await);
}

#[tokio::test]
async fn sessions_expire() {
    let scene = Scene::new().await;
    scene.account("anna", Role::Viewer).await;
    let seconds = |time: Duration| i64::try_from(time.as_secs()).expect("some hours");
    let (idle, life) = (seconds(limits::SESSION_IDLE), seconds(limits::SESSION_LIFE));
    let login = scene.log_in("anna", noon()).await;
    assert!(scene.lasts(login, after(idle - 1)).await);
    assert!(!scene.lasts(login, after(idle)).await);
    assert!(
        scene.lasts(login, after(-7_200)).await,
        "the clock was set back"
    );

    // Whoever comes back every half hour stays, but not longer than a session lives.
    let mut now = 0;
    while now < life - idle / 2 {
        now += idle / 2;
        let session = scene.accounts.session(&login.session, after(now)).await;
        let session = session.expect("readable").expect("it lasts");
        scene.accounts.saw(&session, after(now));
        let settled = scene.store.queue.settle(Vec::new(), Vec::new()).await;
        settled.expect("the writer answers");
    }
    assert!(scene.lasts(login, after(life - 1)).await);
    assert!(!scene.lasts(login, after(life)).await);
}

#[tokio::test]
async fn that_a_session_is_in_use_is_written_once_a_minute() {
    let scene = Scene::new().await;
    scene.account("anna", Role::Viewer).await;
    let login = scene.log_in("anna", noon()).await;
    for (seconds, expected) in [(30, 0), (59, 0), (60, 60), (61, 60), (119, 60), (120, 120)] {
        let session = scene.store.administration.session(&login.session).await;
        let session = session.expect("readable").expect("it is there");
        scene.accounts.saw(&session, after(seconds));
        let settled = scene.store.queue.settle(Vec::new(), Vec::new()).await;
        settled.expect("the writer answers");
        let session = scene.store.administration.session(&login.session).await;
        let session = session.expect("readable").expect("it is there");
        assert_eq!(session.seen_at, after(expected), "{seconds}");
    }
}

#[tokio::test]
async fn a_code_is_asked_for_and_counts_once() {
    let scene = Scene::new().await;
    let (secret, _) = with_second_factor(&scene, "anna").await;
    let accounts = &scene.accounts;
    let try_code = async |ticket: &AccessToken, code: &str, now| {
        accounts
            .log_in_with_code(ticket.expose(), code, ADDRESS, now)
            .await
    };
    let ticket_at_noon = ticket(&scene, "anna", noon()).await;
    let confirming = secret.code_at(noon().as_second());
    let used = try_code(&ticket_at_noon, &confirming, noon()).await;
    assert!(matches!(used, Err(LoginError::WrongCode)), "{used:?}");
    let wrong = try_code(&ticket_at_noon, "nonsense", noon()).await;
    assert!(matches!(wrong, Err(LoginError::WrongCode)), "{wrong:?}");

    let later = after(60);
    let code = secret.code_at(later.as_second());
    let entered = try_code(&ticket_at_noon, &code, later).await.expect("in");
    assert!(scene.login(&entered, later).await.is_some());
    let again = try_code(&ticket_at_noon, &code, later).await;
    assert!(matches!(again, Err(LoginError::Expired)), "{again:?}");
    let second = ticket(&scene, "anna", later).await;
    let replayed = try_code(&second, &code, later).await;
    assert!(
        matches!(replayed, Err(LoginError::WrongCode)),
        "{replayed:?}"
    );
}

#[tokio::test]
async fn whoever_logs_in_often_is_no_guesser() {
    let scene = Scene::new().await;
    let (secret, _) = with_second_factor(&scene, "anna").await;
    for time in 1..i64::from(limits::CODES_PER_ACCOUNT) + 3 {
        let now = after(60 * time);
        let ticket = ticket(&scene, "anna", now).await;
        let code = secret.code_at(now.as_second());
        let accounts = &scene.accounts;
        let entered = accounts.log_in_with_code(ticket.expose(), &code, ADDRESS, now);
        entered.await.expect("the code is right");
    }
}

#[tokio::test]
async fn a_recovery_code_counts_once() {
    let scene = Scene::new().await;
    let (_, codes) = with_second_factor(&scene, "anna").await;
    for expected in [true, false] {
        let ticket = ticket(&scene, "anna", noon()).await;
        let code = codes[4].expose().to_uppercase();
        let entered = scene
            .accounts
            .log_in_with_code(ticket.expose(), &code, ADDRESS, noon());
        assert_eq!(entered.await.is_ok(), expected);
    }
    let account = scene.accounts.named("anna").await.expect("it is there");
    assert_eq!(account.recovery_codes, 9);
}

#[tokio::test]
async fn a_ticket_expires_and_dies_with_its_password() {
    let scene = Scene::new().await;
    let (secret, _) = with_second_factor(&scene, "anna").await;
    let accounts = &scene.accounts;
    let late = after(i64::try_from(limits::LOGIN_TICKET_LIFE.as_secs()).expect("minutes"));
    let first = ticket(&scene, "anna", noon()).await;
    let code = secret.code_at(late.as_second());
    let expired = accounts.log_in_with_code(first.expose(), &code, ADDRESS, late);
    assert!(matches!(expired.await, Err(LoginError::Expired)));

    let second = ticket(&scene, "anna", late).await;
    let change = super::super::AccountChange {
        password: Some("another long password".into()),
        ..super::super::AccountChange::default()
    };
    let amended = accounts.amend("anna", change, &actor("admin")).await;
    amended.expect("changed");
    let stale = accounts.log_in_with_code(second.expose(), &code, ADDRESS, late);
    assert!(matches!(stale.await, Err(LoginError::Expired)));
    let made_up = accounts.log_in_with_code("made up", &code, ADDRESS, late);
    assert!(matches!(made_up.await, Err(LoginError::Expired)));
}

#[tokio::test]
async fn tries_are_limited_for_passwords_and_codes() {
    let scene = Scene::new().await;
    with_second_factor(&scene, "anna").await;
    let accounts = &scene.accounts;
    let waiting = ticket(&scene, "anna", noon()).await;
    let try_code = async || {
        let entered = accounts.log_in_with_code(waiting.expose(), "nonsense", ADDRESS, noon());
        entered.await.expect_err("wrong")
    };
    let elsewhere = [198, 51, 100, 1].into();
    let try_password = async || {
        let entrance = accounts.log_in("bob", "guess".into(), elsewhere, noon());
        entrance.await.expect_err("wrong")
    };
    // A slow machine earns another try now and then.
    let mut codes = 0;
    while !matches!(try_code().await, LoginError::TooManyAttempts(_)) {
        codes += 1;
        assert!(codes <= 2 * limits::CODES_PER_ACCOUNT, "nobody stops it");
    }
    let mut passwords = 0;
    while !matches!(try_password().await, LoginError::TooManyAttempts(_)) {
        passwords += 1;
        assert!(
            passwords <= 2 * limits::ATTEMPTS_PER_NAME,
            "nobody stops it"
        );
    }
    assert!(codes >= limits::CODES_PER_ACCOUNT && passwords >= limits::ATTEMPTS_PER_NAME);
}

/// Has strangers, each from another address, use up the tries of a name.
async fn exhaust(scene: &Scene, name: &str) {
    let mut tries = 0;
    loop {
        let stranger = [198, 51, 100, tries].into();
        let entrance = scene
            .accounts
            .log_in(name, "guess".into(), stranger, noon());
        match entrance.await {
            Err(LoginError::TooManyAttempts(_)) => return,
            Err(LoginError::Wrong) => tries += 1,
            other => panic!("{other:?}"),
        }
        // A slow machine earns another try now and then.
        let most = 2 * limits::ATTEMPTS_PER_NAME;
        assert!(u32::from(tries) <= most, "nobody stops it");
    }
}

#[tokio::test]
async fn strangers_do_not_keep_out_who_got_in_before() {
    let scene = Scene::new().await;
    scene.account("anna", Role::Administrator).await;
    let log_in = async |scene: &Scene, password: &str, address| {
        // The audit tells the time by the clock.
        let (accounts, now) = (&scene.accounts, Timestamp::now());
        accounts.log_in("Anna", password.into(), address, now).await
    };
    let entered = log_in(&scene, PASSWORD, ADDRESS).await;
    assert!(
        matches!(entered, Ok(LoginOutcome::Entered(_))),
        "{entered:?}"
    );
    exhaust(&scene, "anna").await;
    let entered = log_in(&scene, PASSWORD, ADDRESS).await;
    assert!(
        matches!(entered, Ok(LoginOutcome::Entered(_))),
        "{entered:?}"
    );

    // The audit remembers it across a restart.
    let scene = scene.restart().await;
    exhaust(&scene, "anna").await;
    let entered = log_in(&scene, PASSWORD, ADDRESS).await;
    assert!(
        matches!(entered, Ok(LoginOutcome::Entered(_))),
        "{entered:?}"
    );

    // Wrong guesses at home count against the address, and are stopped there.
    let mut guesses = 0;
    while !matches!(
        log_in(&scene, "guess", ADDRESS).await,
        Err(LoginError::TooManyAttempts(_))
    ) {
        guesses += 1;
        assert!(
            guesses <= 2 * limits::ATTEMPTS_PER_ADDRESS,
            "nobody stops it"
        );
    }
    assert!(guesses + 1 >= limits::ATTEMPTS_PER_ADDRESS, "{guesses}");
}

#[tokio::test]
async fn a_stranger_learns_nothing_from_having_to_wait() {
    let scene = Scene::new().await;
    scene.account("anna", Role::Administrator).await;
    exhaust(&scene, "anna").await;
    exhaust(&scene, "nobody").await;
    // Without a store whatever is looked up or checked fails otherwise: there is no work to tell by.
    let accounts = scene.without_store().await;
    let stranger = IpAddr::from([203, 0, 113, 1]);
    for (name, password) in [("anna", PASSWORD), ("anna", "guess"), ("nobody", "guess")] {
        let entrance = accounts.log_in(name, password.into(), stranger, noon());
        let refused = entrance.await.expect_err("they wait");
        let LoginError::TooManyAttempts(tries) = &refused else {
            panic!("{refused:?}");
        };
        assert!(tries.wait <= limits::ATTEMPT_PER_NAME_INTERVAL, "{tries}");
        assert_eq!(refused.to_string(), tries.to_string());
    }
}
