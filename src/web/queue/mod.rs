//! `/queue` and the paths below it: the retry queue as operators see and manage it.
//!
//! Read [`listing`] first. The URL says what the listing shows ([`address`]); an action is
//! confirmed before it is done ([`actions`]); what the visitor may not do is not shown.

mod actions;
mod button;
mod destinations;
mod headers;
mod listing;
mod notice;
mod pause;
mod query;
mod recipient;
mod row;
#[cfg(test)]
mod tests;

pub(super) use actions::{carry_out, confirm};
pub(super) use listing::listing;
pub(super) use pause::pause_or_resume;
pub(super) use recipient::{recipient, source};

use axum::extract::{FromRequest, Request};

use super::error::PageError;
use super::extract::FormBody;

/// The fields of a form, taken out by name; a name may stand several times.
pub(super) struct FormFields(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for FormFields {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        let FormBody(fields) = FormBody::from_request(request, state).await?;
        Ok(Self(fields))
    }
}

impl FormFields {
    /// The first field of this name.
    fn one<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(other, _)| other == name);
        named.map(|(_, value)| value.as_str())
    }
}
