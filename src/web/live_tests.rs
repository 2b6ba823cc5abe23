use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use tokio::time::sleep;

use super::*;
use crate::accounts::Role;
use crate::administration::{AccountChange, Actor};
use crate::web::testing::{ELSEWHERE, LOOPBACK, Site};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

async fn listen(site: &Site) -> Response {
    site.send(LOOPBACK, "GET /events", &[], "").await
}

/// The next piece of the stream; none at its end.
async fn piece(body: &mut Body) -> Option<String> {
    let next = std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_frame(context));
    let frame = timeout(PATIENCE, next).await.expect("in time")?;
    let data = frame.expect("a frame").into_data().expect("data");
    Some(String::from_utf8(data.to_vec()).expect("UTF-8"))
}

async fn becomes_true(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it becomes true");
}

#[tokio::test]
async fn a_listener_is_told_the_figures_at_once() {
    let site = Site::open().await;
    let answer = listen(&site).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    let mut first = answer.into_body();
    let event = piece(&mut first).await.expect("an event");
    let data = event.strip_prefix("data: ").expect("data");
    let data: serde_json::Value = serde_json::from_str(data.trim_end()).expect("JSON");
    assert_eq!(data["texts"]["ratio"], "—");
    let mut second = listen(&site).await.into_body();
    assert!(piece(&mut second).await.is_some());
    let heard_by = {
        let producer = site.context.live_feed.producer.lock();
        producer.as_ref().map(|it| it.newest.receiver_count())
    };
    assert_eq!(heard_by, Some(2), "computed once for both");
    site.close().await;
}

#[tokio::test]
async fn listeners_are_bounded_in_number() {
    let site = Site::open().await;
    let mut listening = Vec::new();
    let listen = async |cookie: &str| {
        let answer = site.send(ELSEWHERE, "GET /events", &[cookie], "").await;
        let is_refused = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(
            is_refused,
            answer.headers().contains_key(header::RETRY_AFTER)
        );
        (!is_refused).then_some(answer)
    };
    let sessions = limits::LIVE_LISTENERS / limits::LIVE_LISTENERS_PER_SESSION;
    for _ in 0..sessions {
        let cookie = site.cookie_of(Role::Viewer).await;
        for _ in 0..limits::LIVE_LISTENERS_PER_SESSION {
            listening.push(listen(&cookie).await.expect("a place"));
        }
        assert!(listen(&cookie).await.is_none(), "all of one session");
    }
    let cookie = site.cookie_of(Role::Viewer).await;
    assert!(listen(&cookie).await.is_none(), "all");
    listening.pop();
    assert!(listen(&cookie).await.is_some());
    site.close().await;
}

#[tokio::test]
async fn streams_end_at_shutdown() {
    let site = Site::open().await;
    let mut body = listen(&site).await.into_body();
    piece(&mut body).await.expect("an event");
    site.context.live_feed.close();
    while piece(&mut body).await.is_some() {}
    let mut late = listen(&site).await.into_body();
    assert_eq!(piece(&mut late).await, None);
    site.close().await;
}

#[tokio::test]
async fn nothing_is_computed_when_nobody_listens() {
    let site = Site::open().await;
    let feed = Arc::clone(&site.context.live_feed);
    assert!(feed.producer.lock().is_none());
    let mut body = listen(&site).await.into_body();
    piece(&mut body).await.expect("an event");
    assert!(feed.producer.lock().is_some());
    drop(body);
    becomes_true(|| feed.producer.lock().is_none()).await;
    let mut again = listen(&site).await.into_body();
    piece(&mut again).await.expect("an event");
    site.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_feed_shows_that_it_lives() {
    let (sender, mut newest) = watch::channel(None);
    let begun = Instant::now();
    assert!(next_event(&mut newest).await.is_some(), "a comment");
    assert_eq!(begun.elapsed(), limits::LIVE_SILENCE);
    sender.send_replace(Some("{}".into()));
    assert!(next_event(&mut newest).await.is_some(), "an event");
    assert_eq!(begun.elapsed(), limits::LIVE_SILENCE);
    drop(sender);
    assert!(next_event(&mut newest).await.is_none());
}

/// Reads a stream to its end.
async fn ends(mut body: Body) {
    let reading = async { while piece(&mut body).await.is_some() {} };
    timeout(PATIENCE, reading).await.expect("it ends");
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    enum End {
        LoggedOut,
        AnotherRole,
        Removed,
        /// Nobody touched the browser for as long as a session lasts.
        Idle,
    }
    let site = Site::open().await;
    for end in [End::LoggedOut, End::AnotherRole, End::Removed, End::Idle] {
        let idle = jiff::SignedDuration::try_from(limits::SESSION_IDLE).expect("an hour");
        let seen_at = match end {
            End::Idle => Timestamp::now() - idle + jiff::SignedDuration::from_secs(2),
            _ => Timestamp::now(),
        };
        let cookie = site.cookie_since(Role::Operator, seen_at).await;
        let answer = site.send(ELSEWHERE, "GET /events", &[&cookie], "").await;
        let mut body = answer.into_body();
        assert!(piece(&mut body).await.is_some());
        let (accounts, actor) = (&site.context.accounts, Actor::command("test"));
        match end {
            End::LoggedOut => {
                let out = site.submit("/logout", &cookie, "").await;
                assert_eq!(out.status, StatusCode::SEE_OTHER);
            }
            End::AnotherRole => {
                for role in [Role::Viewer, Role::Operator] {
                    let change = AccountChange {
                        role: Some(role),
                        ..AccountChange::default()
                    };
                    let changed = accounts.amend("operator", change, &actor).await;
                    changed.expect("changed");
                }
            }
            End::Removed => {
                let removed = accounts.remove("operator", &actor).await;
                removed.expect("removed");
            }
            End::Idle => {}
        }
        ends(body).await;
    }
    site.close().await;
}
