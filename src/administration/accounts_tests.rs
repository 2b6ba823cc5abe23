use super::super::SetupKey;
use super::super::testing::{ADDRESS, ONE_TIME, PASSWORD, Scene, actor, noon};
use super::*;
use crate::accounts::Scope;

/// The fields that an error names.
fn fields(error: AccountError) -> Vec<String> {
    match error {
        AccountError::Invalid(errors) => errors.0.into_keys().collect(),
        other => panic!("{other:?}"),
    }
}

async fn set_up(scene: &Scene, one_time: &str) -> Result<(), AccountError> {
    let accounts = &scene.accounts;
    let entered = accounts.set_up(one_time, "admin", PASSWORD.into(), ADDRESS, noon());
    entered.await.map(drop)
}

#[tokio::test]
async fn setup_is_open_once() {
    let scene = Scene::new().await;
    assert!(matches!(scene.accounts.setup_key(), Some(SetupKey::Given)));
    assert!(scene.accounts.setup_is_open().await.expect("readable"));
    let wrong = set_up(&scene, "guess").await.expect_err("wrong");
    assert_eq!(fields(wrong), ["one_time"]);
    set_up(&scene, &format!(" {ONE_TIME} "))
        .await
        .expect("right");
    assert!(!scene.accounts.setup_is_open().await.expect("readable"));
    let again = set_up(&scene, ONE_TIME).await.expect_err("closed");
    assert!(matches!(
        again,
        AccountError::Refused(AccessRefusal::SetupIsDone)
    ));

    let scene = scene.restart().await;
    assert!(scene.accounts.setup_key().is_none());
    let again = set_up(&scene, ONE_TIME).await.expect_err("closed");
    assert!(matches!(
        again,
        AccountError::Refused(AccessRefusal::SetupIsDone)
    ));
    scene.log_in("admin", noon()).await;
    assert_eq!(
        scene.audit().await,
        [
            r#"admin: logged in >{"with":"password"}"#,
            r#"admin: logged in >{"with":"password"}"#,
            r#"admin: set up >{"account":"admin","role":"administrator"}"#,
        ]
    );
}

#[tokio::test]
async fn guesses_of_the_one_time_password_are_limited() {
    let scene = Scene::new().await;
    let mut tries = 0;
    while !matches!(
        set_up(&scene, "guess").await,
        Err(AccountError::TooManyAttempts(_))
    ) {
        tries += 1;
        // A slow machine earns another try now and then.
        assert!(tries <= 2 * limits::ATTEMPTS_PER_NAME, "nobody stops it");
    }
    let right = set_up(&scene, ONE_TIME).await.expect_err("not now");
    assert!(matches!(right, AccountError::TooManyAttempts(_)));
}

#[tokio::test]
async fn a_password_is_made_when_none_is_given() {
    let scene = Scene::new().await;
    let accounts = Accounts::open(scene.store.administration.clone(), Passwords::new(), None).await;
    let accounts = accounts.expect("readable");
    let Some(SetupKey::Made(made)) = accounts.setup_key() else {
        panic!("{:?}", accounts.setup_key());
    };
    let entered = accounts.set_up(made.expose(), "admin", PASSWORD.into(), ADDRESS, noon());
    entered.await.expect("it opens");
}

#[tokio::test]
async fn blanks_around_a_password_that_is_given_do_not_count() {
    let scene = Scene::new().await;
    let given = Secret::new(" open sesame once \n".to_owned());
    let accounts = Accounts::open(
        scene.store.administration.clone(),
        Passwords::new(),
        Some(&given),
    )
    .await;
    let accounts = accounts.expect("readable");
    let typed = "open sesame once";
    let entered = accounts.set_up(typed, "admin", PASSWORD.into(), ADDRESS, noon());
    entered.await.expect("it opens");
}

#[tokio::test]
async fn what_is_typed_is_checked() {
    let scene = Scene::new().await;
    let create = async |name: &str, password: &str| {
        let actor = actor("admin");
        let created = scene
            .accounts
            .create(name, Role::Viewer, password.into(), &actor);
        created.await.map(drop).map_err(fields)
    };
    assert_eq!(
        create("two words", "short").await,
        Err(vec!["name".to_owned(), "password".to_owned()])
    );
    let own_name = create("administrator", "Administrator").await;
    assert_eq!(own_name, Err(vec!["password".to_owned()]));
    assert_eq!(create("anna", PASSWORD).await, Ok(()));
    assert_eq!(create("Anna", PASSWORD).await, Err(vec!["name".to_owned()]));
}

#[tokio::test]
async fn changes_end_sessions_and_are_audited_without_secrets() {
    let scene = Scene::new().await;
    scene.account("admin", Role::Administrator).await;
    scene.account("anna", Role::Viewer).await;
    let login = scene.log_in("anna", noon()).await;
    let amend = async |change| scene.accounts.amend("ANNA", change, &actor("admin")).await;

    let same = AccountChange {
        role: Some(Role::Viewer),
        ..AccountChange::default()
    };
    amend(same).await.expect("nothing to do");
    assert!(scene.lasts(login, noon()).await);
    let other = AccountChange {
        role: Some(Role::Operator),
        ..AccountChange::default()
    };
    amend(other).await.expect("changed");
    assert!(!scene.lasts(login, noon()).await);

    let short = AccountChange {
        password: Some("short".into()),
        ..AccountChange::default()
    };
    assert_eq!(fields(amend(short).await.expect_err("short")), ["password"]);
    let login = scene.log_in("anna", noon()).await;
    let reset = AccountChange {
        password: Some("another long password".into()),
        ..AccountChange::default()
    };
    amend(reset).await.expect("changed");
    assert!(!scene.lasts(login, noon()).await);
    scene.enter("anna", "another long password", noon()).await;
    let removed = scene.accounts.remove("anna", &actor("admin")).await;
    removed.expect("removed");

    let audit = scene.audit().await.join("\n");
    for part in [
        r#"admin: account changed {"account":"anna","role":"viewer"}>{"account":"anna","role":"operator"}"#,
        r#"admin: account changed {"account":"anna","password":"set"}>{"account":"anna","password":"set anew"}"#,
        r#"admin: account removed {"account":"anna","role":"operator"}>"#,
    ] {
        assert!(audit.contains(part), "{part} is missing:\n{audit}");
    }
    for secret in ["another", PASSWORD, "argon2"] {
        assert!(!audit.contains(secret), "{secret} is there:\n{audit}");
    }
}

#[tokio::test]
async fn ones_own_account_is_changed_under_ones_name() {
    let scene = Scene::new().await;
    scene.account("admin", Role::Administrator).await;
    for change in [
        AccountChange {
            password: Some(PASSWORD.into()),
            ..AccountChange::default()
        },
        AccountChange {
            without_second_factor: true,
            ..AccountChange::default()
        },
    ] {
        let refused = scene.accounts.amend("admin", change, &actor("Admin")).await;
        assert_eq!(fields(refused.expect_err("refused")), ["password"]);
    }
    let down = AccountChange {
        role: Some(Role::Viewer),
        ..AccountChange::default()
    };
    let last = scene.accounts.amend("admin", down, &actor("admin")).await;
    assert!(matches!(
        last,
        Err(AccountError::Refused(AccessRefusal::LastAdministrator))
    ));
}

#[tokio::test]
async fn api_tokens_are_shown_once_and_revoked() {
    let scene = Scene::new().await;
    let accounts = &scene.accounts;
    let by = actor("admin");
    let created = accounts.create_api_token(" backup ", Scope::ReadOnly, None, &by);
    let (id, token) = created.await.expect("made");
    let again = accounts.create_api_token("BACKUP", Scope::ReadOnly, None, &by);
    assert_eq!(fields(again.await.expect_err("taken")), ["name"]);
    let find = async || {
        let found = accounts.api_token(token.expose(), noon()).await;
        found.expect("readable")
    };
    let found = find().await.expect("known");
    assert_eq!((found.id, &*found.name), (id, "backup"));
    assert_eq!(found.created_by, "admin");
    accounts.revoke_api_token(id, &by).await.expect("revoked");
    assert!(find().await.is_none());
    let again = accounts.revoke_api_token(id, &by).await;
    assert!(matches!(
        again,
        Err(AccountError::Refused(AccessRefusal::NoSuchToken))
    ));
    let audit = scene.audit().await.join("\n");
    assert!(!audit.contains(token.expose()), "{audit}");
}

#[tokio::test]
async fn the_token_of_the_first_start_is_adopted_once() {
    let scene = Scene::new().await;
    let given = Secret::new("a token of the first start".into());
    for _ in 0..2 {
        let by = Actor::command("serve");
        let adopted =
            super::super::api_tokens::adopt(&scene.store.administration, &given, &by).await;
        adopted.expect("adopted");
    }
    let tokens = scene
        .store
        .administration
        .api_tokens()
        .await
        .expect("readable");
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].name, "first start");
    let found = scene.accounts.api_token(given.expose(), noon()).await;
    let found = found.expect("readable").expect("known");
    assert_eq!(found.scope, Scope::ReadWrite);
}
