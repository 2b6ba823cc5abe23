//! The frame of pages for people who are not logged in: without navigation and figures.

use std::sync::Arc;

use super::Context;
use super::origin::Origin;
use crate::limits;

/// What `plain.html` needs; every template that extends it has one as `frame`.
pub(super) struct PlainFrame {
    pub(super) title: &'static str,
    pub(super) hostname: Arc<str>,
    /// It came by plain HTTP, and perhaps not from this machine.
    pub(super) is_readable_on_the_way: bool,
}

impl PlainFrame {
    pub(super) fn new(context: &Context, origin: Origin, title: &'static str) -> Self {
        Self {
            title,
            hostname: Arc::clone(&context.hostname),
            is_readable_on_the_way: context.is_exposed && !origin.is_encrypted,
        }
    }
}

/// The name that was typed, as the form shows it again: nothing, when it is too long to be a name.
pub(super) fn shown_again(name: String) -> String {
    match name.len() <= limits::ACCOUNT_NAME_BYTES {
        true => name,
        false => String::new(),
    }
}
