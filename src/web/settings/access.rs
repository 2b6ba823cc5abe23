//! What `/settings/access` shows beside its form: whether this is an open relay.

use askama::Template;

use super::page::{PageParts, fragment};
use crate::settings::NetworkList;
use crate::settings::networks::in_a_row;
use crate::web::Context;
use crate::web::error::PageError;

#[derive(Template)]
#[template(path = "settings/open_relay.html")]
struct OpenRelayWarning {
    /// Networks in force that make an open relay.
    open: Option<String>,
    /// Top-level domains that every client may send to.
    open_domains: String,
}

pub(super) fn parts(context: &Context) -> Result<PageParts, PageError> {
    let settings = context.administration.settings();
    let open = NetworkList::of(&settings.trusted_networks).opened();
    let above = fragment(&OpenRelayWarning {
        open: open.map(|opening| opening.to_string()),
        open_domains: in_a_row(&settings.open_to().domains),
    })?;
    Ok(PageParts {
        above,
        ..PageParts::default()
    })
}
