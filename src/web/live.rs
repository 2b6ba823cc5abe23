//! `/events`: the live figures, sent about once a second to every browser that listens.
//!
//! They are computed once for all listeners, by a task that lives while there are listeners: see
//! [`LiveFeed`](super::LiveFeed).

use std::convert::Infallible;
use std::sync::Arc;

use axum::http::{HeaderName, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::debug;

use super::Context;
use super::dashboard::{Gauges, LiveFigures};
use super::extract::Ctx;
use super::live_feed::{Newest, Producer};
use crate::accounts::TokenHash;
use crate::administration::Login;
use crate::clients::ClientPermit;
use crate::limits;

/// A stream of events. 503 when too many listen, or too many of one session.
pub(super) async fn events(context: Ctx, login: Login) -> Response {
    let Some(place) = context.live_feed.places.take(Some(login.session)) else {
        let words = "too many pages listen; they are right without it\n";
        let later = [(header::RETRY_AFTER, "60")];
        return (StatusCode::SERVICE_UNAVAILABLE, later, words).into_response();
    };
    let listener = EventStream {
        newest: subscribe(&context),
        context: context.0,
        login,
        until: Instant::now() + limits::LIVE_STREAM_LIFE,
        _place: place,
    };
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        // Asks a proxy not to hold events back until its buffer is full.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let events = stream::unfold(listener, EventStream::next);
    (headers, Sse::new(events)).into_response()
}

/// One browser that listens.
struct EventStream {
    newest: watch::Receiver<Newest>,
    context: Arc<Context>,
    login: Login,
    until: Instant,
    _place: ClientPermit<TokenHash>,
}

impl EventStream {
    /// The next event, or the end.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let event = tokio::select! {
            biased;
            () = self.context.live_feed.closed.cancelled() => return None,
            () = sleep_until(self.until) => return None,
            event = next_event(&mut self.newest) => event?,
        };
        may_still_listen(&self.context, self.login)
            .await
            .then_some((Ok(event), self))
    }
}

/// Asked before each event: whether the browser is still logged in. There is an event at least every
/// [`limits::LIVE_SILENCE`], so that a stream ends soon after its session. Listening does not keep the
/// session alive. Every role may see the figures.
async fn may_still_listen(context: &Context, login: Login) -> bool {
    let session = context.accounts.session(&login.session, Timestamp::now());
    matches!(session.await, Ok(Some(_)))
}

/// The next event; none when the producer has ended.
async fn next_event(newest: &mut watch::Receiver<Newest>) -> Option<Event> {
    match timeout(limits::LIVE_SILENCE, newest.changed()).await {
        Ok(Ok(())) => {
            let text = newest.borrow_and_update().clone();
            Some(Event::default().data(text.as_deref().unwrap_or("{}")))
        }
        Ok(Err(_)) => None,
        Err(_) => Some(Event::default().comment("no news")),
    }
}

/// Listens to the producer, and begins one when there is none.
fn subscribe(context: &Arc<Context>) -> watch::Receiver<Newest> {
    let mut producer = context.live_feed.producer.lock();
    if let Some(running) = producer.as_ref().filter(|it| !it.task.is_finished()) {
        let mut newest = running.newest.subscribe();
        if newest.borrow().is_some() {
            newest.mark_changed();
        }
        return newest;
    }
    let (sender, newest) = watch::channel(None);
    let sender = Arc::new(sender);
    let task = tokio::spawn(produce(Arc::clone(context), Arc::clone(&sender)));
    *producer = Some(Producer {
        newest: sender,
        task,
    });
    newest
}

/// Computes the figures while there are listeners.
async fn produce(context: Arc<Context>, newest: Arc<watch::Sender<Newest>>) {
    let mut ticks = interval(limits::LIVE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = context.live_feed.closed.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if context.live_feed.retire(&newest) {
            return;
        }
        match timeout(limits::LIVE_SILENCE, event(&context)).await {
            Ok(Ok(text)) => {
                newest.send_replace(Some(text.into()));
            }
            Ok(Err(error)) => debug!(%error, "no live figures this time"),
            Err(_) => debug!("the live figures take too long"),
        }
    }
}

async fn event(context: &Context) -> anyhow::Result<String> {
    let live = context.live().await?;
    let gauges = Gauges::of(context, Timestamp::now());
    Ok(serde_json::to_string(&LiveFigures::new(&live, &gauges))?)
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
