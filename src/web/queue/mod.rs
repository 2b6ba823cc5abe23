//! `/queue` and what stands below it: the retry queue as operators see and steer it.
//!
//! Read [`listing`] first. What the listing shows stands in its URL ([`address`]); an action is
//! confirmed before it is done ([`actions`]); what the visitor may not do is not shown.

mod actions;
mod address;
mod destinations;
mod headers;
mod listing;
mod notice;
mod recipient;
mod row;
#[cfg(test)]
mod tests;

pub(super) use actions::{carry_out, confirm};
pub(super) use destinations::pause_or_resume;
pub(super) use listing::listing;
pub(super) use recipient::{recipient, source, source_of};

use axum::Form;
use axum::extract::rejection::FormRejection;

use super::error::ApiError;

/// A posted form: names may stand several times.
type Posted = Result<Form<Vec<(String, String)>>, FormRejection>;

/// The fields of a posted form, taken out by name.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn read(posted: Posted) -> Result<Self, ApiError> {
        let Form(fields) = posted?;
        Ok(Self(fields))
    }

    /// The first field of this name.
    fn one<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(other, _)| other == name);
        named.map(|(_, value)| value.as_str())
    }
}
