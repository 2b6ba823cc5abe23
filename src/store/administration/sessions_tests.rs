use super::*;
use crate::accounts::{AccessToken, AuditEntry, RecoveryCode, SharedSecret};
use crate::store::testing::{Scene, audit_entry, time};
use crate::store::{AccessChange, AccessError, LastUse, NewAccount};

const HASH: &str = "the hash";

fn entry() -> AuditEntry {
    AuditEntry {
        who: "anna".into(),
        ..audit_entry("logged in")
    }
}

async fn account(scene: &Scene, name: &str) -> AccountId {
    let new = NewAccount {
        name: name.into(),
        role: Role::Operator,
        password_hash: Secret::new(HASH.into()),
        created_at: time(0),
    };
    let made = scene
        .store
        .administration
        .change_access(AccessChange::CreateAccount(new), entry())
        .await;
    AccountId(made.expect("made"))
}

fn new(account: AccountId, at: Timestamp) -> NewSession {
    NewSession {
        token: AccessToken::random().hash(),
        account,
        password_hash: Secret::new(HASH.into()),
        second_factor: SecondFactorProof::None,
        at,
        address: [192, 0, 2, 9].into(),
    }
}

async fn begin(scene: &Scene, new: NewSession) -> Result<TokenHash, AccessError> {
    let token = new.token;
    let change = AccessChange::BeginSession(new);
    let begun = scene.store.administration.change_access(change, entry());
    begun.await.map(|_| token)
}

#[tokio::test]
async fn a_session_is_found_seen_and_ended() {
    let scene = Scene::new().await;
    let id = account(&scene, "anna").await;
    let token = begin(&scene, new(id, time(0))).await.expect("begun");
    let find = async || {
        scene
            .store
            .administration
            .session(&token)
            .await
            .expect("readable")
    };
    let found = find().await.expect("it is there");
    assert_eq!((found.account, &*found.name), (id, "anna"));
    assert_eq!((found.role, &*found.address), (Role::Operator, "192.0.2.9"));
    for at in [time(60), time(30)] {
        scene
            .store
            .administration
            .note_use(LastUse::Session(token), at);
    }
    scene.settled().await;
    assert_eq!(find().await.expect("it is there").seen_at, time(60));

    let other = begin(&scene, new(id, time(1))).await.expect("begun");
    let third = begin(&scene, new(id, time(2))).await.expect("begun");
    scene
        .store
        .administration
        .change_access(AccessChange::EndSession(other), entry())
        .await
        .expect("ended");
    let gone = scene
        .store
        .administration
        .session(&other)
        .await
        .expect("readable");
    assert!(gone.is_none());
    let ended = scene
        .store
        .administration
        .change_access(
            AccessChange::EndOtherSessions {
                account: id,
                keep: third,
            },
            entry(),
        )
        .await;
    ended.expect("ended");
    let left = scene
        .store
        .administration
        .sessions_of(id)
        .await
        .expect("readable");
    let left: Vec<TokenHash> = left.iter().map(|session| session.token).collect();
    assert_eq!(left, [third]);
}

#[tokio::test]
async fn what_was_shown_must_still_count() {
    let scene = Scene::new().await;
    let id = account(&scene, "anna").await;
    let check = async |new, expected: Option<AccessRefusal>| {
        let begun = begin(&scene, new).await.err();
        assert_eq!(begun, expected.map(AccessError::Refused));
    };
    let nobody = new(AccountId(99), time(0));
    check(nobody, Some(AccessRefusal::NoSuchAccount)).await;
    let stale = NewSession {
        password_hash: Secret::new("an older hash".into()),
        ..new(id, time(0))
    };
    check(stale, Some(AccessRefusal::PasswordChanged)).await;

    let codes = RecoveryCode::set();
    let hashes = codes.iter().map(RecoveryCode::hash).collect();
    let change = AccessChange::SwitchOnSecondFactor {
        account: id,
        secret: SharedSecret::random(),
        step: 10,
        recovery_codes: hashes,
    };
    let switched = scene.store.administration.change_access(change, entry());
    switched.await.expect("on");
    let with = |second_factor| NewSession {
        second_factor,
        ..new(id, time(0))
    };
    let used = Some(AccessRefusal::CodeUsed);
    check(with(SecondFactorProof::None), used).await;
    check(with(SecondFactorProof::Step(10)), used).await;
    check(with(SecondFactorProof::Step(11)), None).await;
    check(with(SecondFactorProof::Step(11)), used).await;
    let code = || SecondFactorProof::RecoveryCode(codes[3].hash());
    check(with(code()), None).await;
    check(with(code()), used).await;
    let of_nobody = RecoveryCode::set()[0].hash();
    check(with(SecondFactorProof::RecoveryCode(of_nobody)), used).await;
}

#[tokio::test]
async fn sessions_are_bounded_in_time_and_number() {
    let scene = Scene::new().await;
    let (anna, bob) = (account(&scene, "anna").await, account(&scene, "bob").await);
    let idle = i64::try_from(limits::SESSION_IDLE.as_secs()).expect("an hour");
    begin(&scene, new(bob, time(0))).await.expect("begun");
    for second in 0..limits::SESSIONS_PER_ACCOUNT + 3 {
        begin(&scene, new(anna, time(second))).await.expect("begun");
    }
    let left = scene
        .store
        .administration
        .sessions_of(anna)
        .await
        .expect("readable");
    let bound = usize::try_from(limits::SESSIONS_PER_ACCOUNT).expect("a few");
    assert_eq!(left.len(), bound);
    assert_eq!(left[bound - 1].created_at, time(3), "the quietest went");
    let count = "SELECT count(*) FROM sessions";
    assert_eq!(scene.number(count).await, limits::SESSIONS_PER_ACCOUNT + 1);
    begin(&scene, new(bob, time(idle + 60)))
        .await
        .expect("begun");
    assert_eq!(scene.number(count).await, 1, "the others are expired");
}
