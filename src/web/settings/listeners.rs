//! What `/settings/listeners` shows beside its form: the listeners, and where pages are.

use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;

use super::page::{PageParts, fragment};
use crate::boot::Addresses;
use crate::settings::{ListenerEntry, PathChoice};
use crate::smtp::Protocol;
use crate::web::Context;
use crate::web::error::PageError;

#[derive(Template)]
#[template(path = "settings/listeners_list.html")]
struct ListenerList {
    rows: Vec<ListenerRow>,
}

#[derive(Template)]
#[template(path = "settings/listeners_where.html")]
struct NameAndPages {
    hostname: Arc<str>,
    addresses: Addresses,
}

struct ListenerRow {
    address: String,
    protocol: &'static str,
    path: &'static str,
    proxies: String,
    /// Nothing listens there now.
    is_absent: bool,
}

pub(super) fn parts(context: &Context) -> Result<PageParts, PageError> {
    let rows = rows(context);
    Ok(PageParts {
        above: fragment(&ListenerList { rows })?,
        below: fragment(&NameAndPages {
            hostname: Arc::clone(&context.hostname),
            addresses: context.addresses.clone(),
        })?,
        ..PageParts::default()
    })
}

/// The listeners that there are, and those of which the settings speak.
fn rows(context: &Context) -> Vec<ListenerRow> {
    let settings = context.administration.settings();
    let listening = &context.addresses.smtp;
    let mut rows: Vec<ListenerRow> = listening
        .iter()
        .map(|address| row(*address, settings.listener(*address), false))
        .collect();
    let absent = settings.listeners.iter();
    let absent = absent.filter(|entry| !listening.contains(&entry.address));
    rows.extend(absent.map(|entry| row(entry.address, Some(entry), true)));
    rows
}

fn row(address: SocketAddr, entry: Option<&ListenerEntry>, is_absent: bool) -> ListenerRow {
    let networks = entry.into_iter().flat_map(|entry| {
        let proxies = entry.proxy_networks.iter();
        proxies.chain(&entry.xclient_networks)
    });
    let networks: Vec<String> = networks.map(ToString::to_string).collect();
    ListenerRow {
        address: address.to_string(),
        protocol: match entry.map_or(Protocol::Smtp, |entry| entry.protocol) {
            Protocol::Smtp => "SMTP",
            Protocol::Lmtp => "LMTP",
        },
        path: match entry.and_then(|entry| entry.path) {
            None => "as everywhere",
            Some(PathChoice::Fast) => "fast",
            Some(PathChoice::Standard) => "standard",
            Some(PathChoice::CutThrough) => "cut-through",
        },
        proxies: networks.join(", "),
        is_absent,
    }
}
