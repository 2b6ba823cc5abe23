//! The frame of pages for people who are not in yet: without navigation, and without figures.

use std::sync::Arc;

use super::{Context, assets};

/// What `plain.html` needs; every template that extends it has one as `frame`.
pub(super) struct PlainFrame {
    pub(super) title: &'static str,
    pub(super) hostname: Arc<str>,
    pub(super) stylesheet: String,
    pub(super) icon: String,
    pub(super) plain_http_is_exposed: bool,
}

impl PlainFrame {
    pub(super) fn new(context: &Context, title: &'static str) -> Self {
        Self {
            title,
            hostname: Arc::clone(&context.hostname),
            stylesheet: assets::url("fastpath.css"),
            icon: assets::url(assets::PICTURE),
            plain_http_is_exposed: context.plain_http_is_exposed,
        }
    }
}
