//! The administrator's pages and API: shows everything, changes nothing itself.
//!
//! [`routes`] is the whole route table in one list; [`access`] says who may see what. Changes go to
//! [`crate::administration`].

pub mod access;
mod account;
mod accounts;
mod alerts;
mod api;
mod api_tokens;
mod assets;
mod audit;
mod chart;
mod confirm;
mod connection;
mod connection_limit;
mod context;
mod cookies;
mod dashboard;
mod error;
mod extract;
mod health;
#[cfg(test)]
mod history_scene;
mod listener;
mod live;
mod live_feed;
mod local_path;
mod login;
mod message;
mod message_search;
mod messages;
mod metrics;
mod origin;
mod own_account;
mod page;
mod paging;
mod pairs;
mod plain;
mod problems;
mod query_string;
mod queue;
mod queued;
mod route;
pub mod routes;
mod search;
mod search_permits;
mod select;
mod settings;
mod setup;
mod smtp_logins;
mod story;
#[cfg(test)]
mod testing;
mod wording;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::tls::ServerTls;

pub use context::Context;
pub use listener::WebListener;
pub use live_feed::LiveFeed;
pub use search_permits::SearchPermits;

/// Answers requests at `listener`, plain or under `tls`, until `shutdown`; then those under way are finished. The
/// caller bounds how long that may take.
///
/// # Errors
/// Never in practice: errors of single connections end only them.
pub async fn serve(
    listener: WebListener,
    tls: Arc<ServerTls>,
    context: Arc<Context>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let live_feed = Arc::clone(&context.live_feed);
    let settings = context.administration.current();
    let service =
        routes::router(context).into_make_service_with_connect_info::<listener::WebPeer>();
    axum::serve(listener.open(tls, settings), service)
        .with_graceful_shutdown(async move {
            shutdown.cancelled().await;
            live_feed.close();
        })
        .await
}
