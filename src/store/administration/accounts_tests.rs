use serde_json::json;
use sqlx::Connection as _;

use super::*;
use crate::accounts::{AccessToken, ApiTokenId, AuditEntry, RecoveryCode, Scope};
use crate::store::testing::{Scene, audit_entry, time};
use crate::store::{
    AccessChange, AccessError, LastUse, NewApiToken, NewSession, SecondFactorProof,
};

fn entry(action: &str) -> AuditEntry {
    AuditEntry {
        after: Some(json!({"x": 1})),
        ..audit_entry(action)
    }
}

fn new(name: &str, role: Role) -> NewAccount {
    NewAccount {
        name: name.into(),
        role,
        password_hash: Secret::new(format!("hash of {name}")),
        created_at: time(0),
    }
}

async fn make(scene: &Scene, name: &str, role: Role) -> AccountId {
    let made = scene
        .store
        .administration
        .change_access(AccessChange::CreateAccount(new(name, role)), entry("made"));
    AccountId(made.await.expect("made"))
}

async fn log_in(scene: &Scene, account: AccountId, hash: &str) -> TokenHash {
    let token = AccessToken::random().hash();
    let session = NewSession {
        token,
        account,
        password_hash: Secret::new(hash.into()),
        second_factor: SecondFactorProof::None,
        at: time(0),
        address: [192, 0, 2, 9].into(),
    };
    let begun = scene
        .store
        .administration
        .change_access(AccessChange::BeginSession(session), entry("logged in"));
    begun.await.expect("begun");
    token
}

async fn sessions(scene: &Scene, account: AccountId) -> usize {
    let sessions = scene.store.administration.sessions_of(account).await;
    sessions.expect("readable").len()
}

async fn audited(scene: &Scene) -> usize {
    let entries = scene.store.administration.audit_page(None, 100).await;
    entries.expect("readable").len()
}

#[tokio::test]
async fn setup_is_done_once_and_for_good() {
    let scene = Scene::new().await;
    assert!(
        !scene
            .store
            .administration
            .setup_is_done()
            .await
            .expect("readable")
    );
    make(&scene, "watcher", Role::Viewer).await;
    assert!(
        !scene
            .store
            .administration
            .setup_is_done()
            .await
            .expect("readable")
    );
    let first = new("admin", Role::Administrator);
    let set_up = scene
        .store
        .administration
        .change_access(AccessChange::SetUp(first), entry("set up"))
        .await;
    set_up.expect("the first time");

    let scene = scene.restart(time(1)).await;
    assert!(
        scene
            .store
            .administration
            .setup_is_done()
            .await
            .expect("readable")
    );
    let second = new("other", Role::Administrator);
    let refused = scene
        .store
        .administration
        .change_access(AccessChange::SetUp(second), entry("set up"))
        .await;
    assert_eq!(refused, Err(AccessRefusal::SetupIsDone.into()));
    assert_eq!(audited(&scene).await, 2, "a refused change leaves no trace");
}

#[tokio::test]
async fn names_are_unique_in_any_case() {
    let scene = Scene::new().await;
    let id = make(&scene, "Anna", Role::Operator).await;
    let again = scene
        .store
        .administration
        .change_access(
            AccessChange::CreateAccount(new("ANNA", Role::Viewer)),
            entry("made"),
        )
        .await;
    assert_eq!(again, Err(AccessRefusal::NameTaken.into()));
    let found = scene
        .store
        .administration
        .account_named("anna")
        .await
        .expect("readable");
    let found = found.expect("it is there");
    assert_eq!((found.id, &*found.name), (id, "Anna"));
    assert_eq!(found.role, Role::Operator);
    assert_eq!(found.password_hash.expose(), "hash of Anna");
    assert_eq!(found.created_at, time(0));
    assert!(!format!("{found:?}").contains("hash of"), "{found:?}");
    let nobody = scene
        .store
        .administration
        .account_named("bob")
        .await
        .expect("readable");
    assert!(nobody.is_none());
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let scene = Scene::new().await;
    let first = make(&scene, "first", Role::Administrator).await;
    let to_viewer = || AccountPatch {
        role: Some(Role::Viewer),
        ..AccountPatch::default()
    };
    let amend = async |id, patch| {
        let amended = scene
            .store
            .administration
            .change_access(AccessChange::AmendAccount(id, patch), entry("changed"));
        amended.await
    };
    let last = Err(AccessError::Refused(AccessRefusal::LastAdministrator));
    assert_eq!(amend(first, to_viewer()).await, last);
    let removed = scene
        .store
        .administration
        .change_access(AccessChange::RemoveAccount(first), entry("removed"))
        .await;
    assert_eq!(removed, last);

    let second = make(&scene, "second", Role::Administrator).await;
    amend(first, to_viewer()).await.expect("another is left");
    assert_eq!(amend(second, to_viewer()).await, last);
    let removed = scene
        .store
        .administration
        .change_access(AccessChange::RemoveAccount(first), entry("removed"))
        .await;
    removed.expect("a viewer may go");
    let gone = Err(AccessError::Refused(AccessRefusal::NoSuchAccount));
    assert_eq!(amend(first, to_viewer()).await, gone);
    let names: Vec<String> = scene
        .store
        .administration
        .accounts()
        .await
        .expect("readable")
        .into_iter()
        .map(|account| account.name)
        .collect();
    assert_eq!(names, ["second"]);
}

#[tokio::test]
async fn a_new_role_or_password_ends_the_sessions() {
    let scene = Scene::new().await;
    make(&scene, "admin", Role::Administrator).await;
    let id = make(&scene, "anna", Role::Viewer).await;
    let token = log_in(&scene, id, "hash of anna").await;
    log_in(&scene, id, "hash of anna").await;
    let amend = async |patch, kept| {
        let patch = AccountPatch { kept, ..patch };
        let amended = scene
            .store
            .administration
            .change_access(AccessChange::AmendAccount(id, patch), entry("changed"));
        amended.await.expect("changed");
    };
    let without_second_factor = AccountPatch {
        without_second_factor: true,
        ..AccountPatch::default()
    };
    amend(without_second_factor, None).await;
    assert_eq!(sessions(&scene, id).await, 2);
    let password = AccountPatch {
        password_hash: Some(Secret::new("new".into())),
        ..AccountPatch::default()
    };
    let renewed = AccessToken::random().hash();
    amend(password, Some(KeptSession { token, renewed })).await;
    assert_eq!(sessions(&scene, id).await, 1);
    let find = async |token| {
        scene
            .store
            .administration
            .session(&token)
            .await
            .expect("readable")
    };
    assert!(find(token).await.is_none());
    assert_eq!(find(renewed).await.expect("it goes on").account, id);
    let role = AccountPatch {
        role: Some(Role::Operator),
        ..AccountPatch::default()
    };
    amend(role, None).await;
    assert_eq!(sessions(&scene, id).await, 0);
    log_in(&scene, id, "new").await;
    let removed = scene
        .store
        .administration
        .change_access(AccessChange::RemoveAccount(id), entry("removed"))
        .await;
    removed.expect("removed");
    assert_eq!(scene.number("SELECT count(*) FROM sessions").await, 0);
}

#[tokio::test]
async fn second_factors_come_and_go_with_their_codes() {
    let scene = Scene::new().await;
    let id = make(&scene, "anna", Role::Viewer).await;
    let secret = SharedSecret::random();
    let codes: Vec<TokenHash> = RecoveryCode::set().iter().map(RecoveryCode::hash).collect();
    let account = async || {
        let found = scene
            .store
            .administration
            .account(id)
            .await
            .expect("readable");
        found.expect("it is there")
    };
    let switch_on = async |secret: &SharedSecret, step| {
        let change = AccessChange::SwitchOnSecondFactor {
            account: id,
            secret: secret.clone(),
            step,
            recovery_codes: codes.clone(),
        };
        let entry = entry("second factor on");
        let switched = scene.store.administration.change_access(change, entry);
        switched.await
    };
    switch_on(&secret, 17).await.expect("on");
    let refused = switch_on(&SharedSecret::random(), 18).await;
    assert_eq!(refused, Err(AccessRefusal::SecondFactorIsOn.into()));
    let found = account().await;
    assert_eq!(found.second_factor.as_ref(), Some(&secret));
    assert_eq!((found.last_step, found.recovery_codes), (Some(17), 10));
    let patch = AccountPatch {
        without_second_factor: true,
        ..AccountPatch::default()
    };
    let amended = scene
        .store
        .administration
        .change_access(AccessChange::AmendAccount(id, patch), entry("off"));
    amended.await.expect("off");
    let found = account().await;
    assert_eq!((found.second_factor, found.last_step), (None, None));
    assert_eq!(found.recovery_codes, 0);
}

#[tokio::test]
async fn api_tokens_are_kept_as_hashes() {
    let scene = Scene::new().await;
    let token = AccessToken::random();
    let new = |name: &str, token: &AccessToken| NewApiToken {
        name: name.into(),
        token: token.hash(),
        scope: Scope::ReadOnly,
        created_at: time(0),
        created_by: "admin".into(),
        account: None,
    };
    let create = async |new| {
        let created = scene
            .store
            .administration
            .change_access(AccessChange::CreateApiToken(new), entry("token made"));
        created.await.map(ApiTokenId)
    };
    let id = create(new("backup", &token)).await.expect("made");
    let taken = Err(AccessError::Refused(AccessRefusal::NameTaken));
    assert_eq!(create(new("Backup", &AccessToken::random())).await, taken);
    assert_eq!(create(new("other", &token)).await, taken);

    let find = async || {
        scene
            .store
            .administration
            .api_token(&token.hash())
            .await
            .expect("readable")
    };
    let found = find().await.expect("it is there");
    assert_eq!((found.id, found.scope), (id, Scope::ReadOnly));
    assert_eq!(found.last_used_at, None);
    for at in [time(60), time(30)] {
        scene
            .store
            .administration
            .note_use(LastUse::ApiToken(id), at);
    }
    scene.settled().await;
    let found = find().await.expect("it is there");
    assert_eq!(found.last_used_at, Some(time(60)));
    assert_eq!(
        scene
            .store
            .administration
            .api_tokens()
            .await
            .expect("readable"),
        [found]
    );

    for &scope in Scope::ALL {
        let token = AccessToken::random();
        let new = NewApiToken {
            scope,
            ..new(scope.as_str(), &token)
        };
        create(new).await.expect("made");
        let found = scene.store.administration.api_token(&token.hash()).await;
        assert_eq!(found.expect("readable").expect("it is there").scope, scope);
    }

    let revoke = async |id| {
        scene
            .store
            .administration
            .change_access(AccessChange::RevokeApiToken(id), entry("revoked"))
            .await
    };
    revoke(id).await.expect("revoked");
    assert_eq!(find().await, None);
    let gone = Err(AccessError::Refused(AccessRefusal::NoSuchToken));
    assert_eq!(revoke(ApiTokenId(id.0)).await, gone);
}

#[tokio::test]
async fn tokens_go_with_their_account_or_with_its_power() {
    let scene = Scene::new().await;
    make(&scene, "admin", Role::Administrator).await;
    let anna = make(&scene, "anna", Role::Administrator).await;
    let create = async |name: &str, scope, account| {
        let new = NewApiToken {
            name: name.into(),
            token: AccessToken::random().hash(),
            scope,
            created_at: time(0),
            created_by: "anna".into(),
            account,
        };
        let created = scene
            .store
            .administration
            .change_access(AccessChange::CreateApiToken(new), entry("token made"));
        created.await.map(drop)
    };
    for (name, scope) in [
        ("reads", Scope::ReadOnly),
        ("works", Scope::Operate),
        ("rules", Scope::ReadWrite),
    ] {
        create(name, scope, Some(anna)).await.expect("made");
    }
    // Whoever made it has nothing to say when it is of nobody.
    let made = create("nobody's", Scope::ReadWrite, None).await;
    made.expect("made");
    let names = async || {
        let tokens = scene
            .store
            .administration
            .api_tokens()
            .await
            .expect("readable");
        let names = tokens.into_iter().map(|token| token.name);
        names.collect::<Vec<String>>()
    };
    let amend = async |patch| {
        let amended = scene
            .store
            .administration
            .change_access(AccessChange::AmendAccount(anna, patch), entry("changed"));
        amended.await.expect("changed");
    };
    let password = AccountPatch {
        password_hash: Some(Secret::new("new".into())),
        ..AccountPatch::default()
    };
    amend(password).await;
    assert_eq!(names().await.len(), 4);
    let role = AccountPatch {
        role: Some(Role::Operator),
        ..AccountPatch::default()
    };
    amend(role).await;
    assert_eq!(names().await, ["nobody's", "reads", "works"]);
    let removed = scene
        .store
        .administration
        .change_access(AccessChange::RemoveAccount(anna), entry("removed"))
        .await;
    removed.expect("removed");
    assert_eq!(names().await, ["nobody's"]);
    let late = create("late", Scope::ReadOnly, Some(anna)).await;
    assert_eq!(late, Err(AccessRefusal::NoSuchAccount.into()));

    let audit = scene
        .store
        .administration
        .audit_page(None, 100)
        .await
        .expect("readable");
    let mut revoked: Vec<_> = audit
        .into_iter()
        .filter(|item| item.action == "API token revoked" && item.who == "admin")
        .filter_map(|item| item.before)
        .collect();
    revoked.reverse();
    let note = |name, scope| json!({"token": name, "scope": scope});
    assert_eq!(
        revoked,
        [
            note("rules", "read_write"),
            note("reads", "read_only"),
            note("works", "operate"),
        ]
    );
}

#[tokio::test]
async fn tokens_of_before_stay_and_find_their_accounts() {
    let mut connection = SqliteConnection::connect("sqlite::memory:")
        .await
        .expect("it opens");
    let mut run = async |sql: &'static str| {
        sqlx::raw_sql(sql)
            .execute(&mut connection)
            .await
            .expect(sql);
    };
    run(include_str!(
        "../../../migrations/appliance/0003_accounts.sql"
    ))
    .await;
    run(
        "INSERT INTO accounts (id, name, role, password_hash, created_at)
         VALUES (4, 'anna', 'administrator', 'hash', 0);
         INSERT INTO api_tokens (id, name, token_hash, scope, created_at, created_by) VALUES
             (2, 'backup', x'02', 'read_only', 1, 'Anna'),
             (3, 'first start', x'03', 'read_write', 1, 'command serve'),
             (4, 'second', x'04', 'read_only', 1, 'token BACKUP'),
             (5, 'third', x'05', 'read_only', 1, 'token first start'),
             (9, 'gone', x'09', 'read_only', 1, 'anna');
         DELETE FROM api_tokens WHERE id = 9;",
    )
    .await;
    run(include_str!(
        "../../../migrations/appliance/0007_operate_scope.sql"
    ))
    .await;
    run(
        "INSERT INTO api_tokens (name, token_hash, scope, created_at, created_by)
         VALUES ('new', x'0a', 'operate', 2, 'anna')",
    )
    .await;
    run(include_str!(
        "../../../migrations/appliance/0008_token_accounts.sql"
    ))
    .await;
    let rows: Vec<(i64, String, String, Option<i64>)> =
        sqlx::query_as("SELECT id, name, scope, account FROM api_tokens ORDER BY id")
            .fetch_all(&mut connection)
            .await
            .expect("readable");
    let row =
        |id, name: &str, scope: &str, account| (id, name.to_owned(), scope.to_owned(), account);
    assert_eq!(
        rows,
        [
            row(2, "backup", "read_only", Some(4)),
            row(3, "first start", "read_write", None),
            row(4, "second", "read_only", Some(4)),
            row(5, "third", "read_only", None),
            row(10, "new", "operate", Some(4)),
        ]
    );
}
