//! The API: everything the pages can do, in JSON.

pub(super) mod accounts;
pub(super) mod alerts;
pub(super) mod audit;
pub(super) mod conditions;
pub(super) mod content_filter;
pub(super) mod messages;
pub(super) mod next_hops;
pub(super) mod openapi;
pub(super) mod openpgp_keys;
pub(super) mod queue;
#[cfg(test)]
mod schema_check;
pub(super) mod settings;
pub(super) mod smtp_logins;
pub(super) mod statistics;
pub(super) mod tokens;

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::error::ApiError;
use crate::limits;
use crate::settings::quantity::write_count;
use crate::settings::reading;
use crate::store::Destinations;

/// Why something was not done, as [`ApiError`] answers it.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what the error answers")]
pub(in crate::web) struct Problem {
    error: String,
}

/// Fields that do not hold, each with the reason, as [`ApiError::Fields`] answers them.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what the error answers")]
pub(in crate::web) struct Problems {
    errors: BTreeMap<String, String>,
}

/// The pairs of a query string. What a listing takes for itself is taken out by name; the rest is
/// the filter.
#[derive(Debug)]
pub(in crate::web) struct Pairs(Map<String, Value>);

impl Pairs {
    /// A name that stands twice is refused: nobody can know which one is meant.
    pub(in crate::web) fn read(
        query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    ) -> Result<Self, ApiError> {
        let Query(pairs) = query?;
        Self::of(pairs)
    }

    /// The same for pairs that came otherwise.
    pub(in crate::web) fn of(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let mut map = Map::new();
        for (name, value) in pairs {
            let problem = format!("“{name}” stands twice");
            if map.insert(name, Value::String(value)).is_some() {
                return Err(ApiError::BadRequest(problem));
            }
        }
        Ok(Self(map))
    }

    /// A text, taken out; a blank one is none.
    pub(in crate::web) fn take(&mut self, name: &str) -> Option<String> {
        match self.0.remove(name)? {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            _ => None,
        }
    }

    /// A whole number, taken out.
    pub(in crate::web) fn take_number(&mut self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        text.trim()
            .parse()
            .map(Some)
            .map_err(|_| ApiError::BadRequest(format!("{name}: “{text}” is not a whole number")))
    }

    /// How many items a page is to have.
    fn take_limit(&mut self) -> Result<u32, ApiError> {
        self.take_limit_up_to(limits::PAGE_ITEMS_MAX)
    }

    /// The same where a page has at most `most`.
    fn take_limit_up_to(&mut self, most: u32) -> Result<u32, ApiError> {
        match self.take_number("limit")? {
            None => Ok(limits::PAGE_ITEMS),
            Some(limit) => u32::try_from(limit)
                .ok()
                .filter(|limit| *limit <= most)
                .ok_or_else(|| {
                    let most = write_count(most.into());
                    ApiError::BadRequest(format!("limit: must be at most {most}"))
                }),
        }
    }

    /// What the lines of the table destination × age stand for.
    pub(in crate::web) fn take_destinations(&mut self) -> Result<Destinations, ApiError> {
        match self.take("by") {
            None => Ok(Destinations::default()),
            Some(word) => reading::read(Value::String(word))
                .map_err(|misfit| ApiError::BadRequest(format!("by: {misfit}"))),
        }
    }

    /// Nothing is left.
    fn end(self) -> Result<(), ApiError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(ApiError::BadRequest(format!("“{name}” is unknown here"))),
        }
    }

    /// What is left as a filter, or as whatever else has a field for each pair.
    /// The same without blank texts, as the empty fields of a form send them: they ask for nothing.
    pub(in crate::web) fn without_blanks(mut self) -> Self {
        let is_blank = |text: &str| text.chars().all(|character| character == ' ');
        for value in self.0.values_mut() {
            if value.as_str().is_some_and(is_blank) {
                // The name stays: it must still be one that the filter knows.
                *value = Value::Null;
            }
        }
        self
    }

    /// What is left as a filter.
    pub(in crate::web) fn into_filter<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        reading::read(Value::Object(self.0))
            .map_err(|misfit| ApiError::BadRequest(misfit.to_string()))
    }
}

/// A body of JSON, whatever its Content-Type says.
fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::BadRequest(format!("the body is not JSON: {error}")))?;
    reading::read(value).map_err(|misfit| ApiError::BadRequest(misfit.to_string()))
}
