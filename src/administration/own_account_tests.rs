use super::super::testing::{PASSWORD, Scene, actor, after, noon};
use super::*;
use crate::accounts::Role;

fn field(error: AccountError) -> String {
    match error {
        AccountError::Invalid(errors) => errors.0.into_keys().next().expect("a field"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let scene = Scene::new().await;
    scene.account("anna", Role::Viewer).await;
    let here = scene.log_in("anna", noon()).await;
    let elsewhere = scene.log_in("anna", noon()).await;
    let change = async |current: &str, password: &str| {
        let (accounts, by) = (&scene.accounts, actor("anna"));
        let changed = accounts.change_password(here, current.into(), password.into(), &by);
        changed.await
    };
    let wrong = change("wrong", "another long password").await;
    assert_eq!(field(wrong.expect_err("wrong")), "current");
    let short = change(PASSWORD, "short").await;
    assert_eq!(field(short.expect_err("short")), "password");
    assert!(scene.lasts(elsewhere, noon()).await);
    let changed = change(PASSWORD, "another long password").await;
    let token = changed.expect("changed");
    assert!(!scene.lasts(here, noon()).await, "its token is another one");
    let session = token.hash();
    let here = Login { session, ..here };
    assert!(scene.lasts(here, noon()).await, "this session goes on");
    assert!(!scene.lasts(elsewhere, noon()).await);
    scene.enter("anna", "another long password", noon()).await;
}

#[tokio::test]
async fn a_second_factor_is_confirmed_in_time_and_in_its_session() {
    let scene = Scene::new().await;
    scene.account("anna", Role::Viewer).await;
    let here = scene.log_in("anna", noon()).await;
    let elsewhere = scene.log_in("anna", noon()).await;
    let (accounts, by) = (&scene.accounts, actor("anna"));
    let begin = async |password: &str| {
        let begun = accounts.begin_second_factor(here, password.into(), &by, noon());
        begun.await
    };
    assert_eq!(field(begin("wrong").await.expect_err("wrong")), "current");
    assert!(accounts.enrolment(here, noon()).is_none());
    begin(PASSWORD).await.expect("begun");
    let secret = accounts.enrolment(here, noon()).expect("it waits");
    assert!(accounts.enrolment(elsewhere, noon()).is_none());
    let late = after(i64::try_from(limits::ENROLMENT_LIFE.as_secs()).expect("minutes"));
    assert!(accounts.enrolment(here, late).is_none());

    let code = secret.code_at(noon().as_second());
    let confirm = async |login, code: &str| {
        let confirmed = accounts.confirm_second_factor(login, code, &by, noon());
        confirmed.await
    };
    for (login, code) in [(elsewhere, &*code), (here, "nonsense")] {
        let refused = confirm(login, code).await;
        assert_eq!(field(refused.expect_err("refused")), "code");
    }
    assert_eq!(confirm(here, &code).await.expect("on").len(), 10);
    assert!(accounts.enrolment(here, noon()).is_none());
    let again = begin(PASSWORD).await.expect_err("on");
    let is_on = AccountError::Refused(AccessRefusal::SecondFactorIsOn);
    assert_eq!(again.to_string(), is_on.to_string());

    let off = accounts.switch_off_second_factor(here, "wrong".into(), &by);
    assert_eq!(field(off.await.expect_err("wrong")), "current");
    let off = accounts.switch_off_second_factor(here, PASSWORD.into(), &by);
    off.await.expect("off");
    let account = accounts.own(here).await.expect("it is there");
    assert!(account.second_factor.is_none());
    assert_eq!(account.recovery_codes, 0);
}

#[tokio::test]
async fn a_second_factor_that_is_on_is_not_replaced() {
    let scene = Scene::new().await;
    scene.account("anna", Role::Viewer).await;
    let here = scene.log_in("anna", noon()).await;
    let elsewhere = scene.log_in("anna", noon()).await;
    let (accounts, by) = (&scene.accounts, actor("anna"));
    let begin = async |login| {
        let begun = accounts.begin_second_factor(login, PASSWORD.into(), &by, noon());
        begun.await.expect("begun");
        accounts.enrolment(login, noon()).expect("it waits")
    };
    let confirm = async |login, secret: &SharedSecret| {
        let code = secret.code_at(noon().as_second());
        accounts
            .confirm_second_factor(login, &code, &by, noon())
            .await
    };
    let (mine, theirs) = (begin(here).await, begin(elsewhere).await);
    confirm(here, &mine).await.expect("on");
    assert!(accounts.enrolment(elsewhere, noon()).is_none());
    let late = confirm(elsewhere, &theirs).await;
    assert_eq!(field(late.expect_err("it is over")), "code");

    // Even one that was begun in another process is refused.
    let enrolment = Enrolment {
        account: elsewhere.account,
        secret: theirs.clone(),
        since: noon(),
    };
    accounts.enrolments.insert(elsewhere.session, enrolment);
    let refused = confirm(elsewhere, &theirs).await.expect_err("refused");
    assert!(
        matches!(
            refused,
            AccountError::Refused(AccessRefusal::SecondFactorIsOn)
        ),
        "{refused:?}"
    );
    assert!(accounts.enrolment(elsewhere, noon()).is_none());
    let account = accounts.own(here).await.expect("it is there");
    assert_eq!(account.second_factor, Some(mine));
}

#[tokio::test]
async fn other_sessions_are_ended() {
    let scene = Scene::new().await;
    scene.account("anna", Role::Viewer).await;
    let first = scene.log_in("anna", noon()).await;
    let second = scene.log_in("anna", after(1)).await;
    let list = async |now| {
        let sessions = scene.accounts.own_sessions(second, now).await;
        sessions.expect("readable").len()
    };
    assert_eq!(list(after(1)).await, 2);
    let by = actor("anna");
    let ended = scene.accounts.end_other_sessions(second, &by).await;
    ended.expect("ended");
    assert!(!scene.lasts(first, after(1)).await);
    assert_eq!(list(after(1)).await, 1);
    assert_eq!(list(after(7_200)).await, 0, "expired ones are not shown");
}
