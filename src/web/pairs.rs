//! The query string of lists and searches, taken apart by name.

use axum::extract::Query;
use axum::http::Uri;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::limits;
use crate::message::backlog::Destinations;
use crate::message::queue_listing::QueueOrder;
use crate::settings::quantity::write_count;
use crate::settings::reading;

/// The pairs of a query string. What a listing takes for itself is taken out by name; the rest is
/// the filter.
#[derive(Debug)]
pub(super) struct Pairs(Map<String, Value>);

impl Pairs {
    /// The pairs of an address.
    pub(super) fn of_uri(uri: &Uri) -> Result<Self, ApiError> {
        let Query(pairs) = Query::try_from_uri(uri)?;
        Self::of(pairs)
    }

    /// A name that stands twice is refused: it is not known which one is meant.
    pub(super) fn of(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
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
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        match self.0.remove(name)? {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            _ => None,
        }
    }

    /// A whole number, taken out.
    pub(super) fn take_number(&mut self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        text.trim()
            .parse()
            .map(Some)
            .map_err(|_| ApiError::BadRequest(format!("{name}: “{text}” is not a whole number")))
    }

    /// The number of items on a page.
    pub(super) fn take_limit(&mut self) -> Result<u32, ApiError> {
        self.take_limit_up_to(limits::PAGE_ITEMS_MAX)
    }

    /// The same where a page has at most `most` items.
    pub(super) fn take_limit_up_to(&mut self, most: u32) -> Result<u32, ApiError> {
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

    /// An order: `received_at`, or `-received_at` for the greatest first.
    pub(super) fn take_sort(&mut self) -> Result<(QueueOrder, bool), ApiError> {
        let Some(sort) = self.take("sort") else {
            return Ok((QueueOrder::default(), false));
        };
        let greatest_first = sort.strip_prefix('-');
        let order = member("sort", greatest_first.unwrap_or(&sort))?;
        Ok((order, greatest_first.is_some()))
    }

    /// The kind of destination that the table destination × age has lines for.
    pub(super) fn take_destinations(&mut self) -> Result<Destinations, ApiError> {
        let word = self.take("by");
        word.map_or_else(|| Ok(Destinations::default()), |word| member("by", &word))
    }

    /// Refuses what is left.
    pub(super) fn end(self) -> Result<(), ApiError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(ApiError::BadRequest(format!("“{name}” is unknown here"))),
        }
    }

    /// The same without blank texts, as a form sends its empty fields: they mean nothing.
    pub(super) fn without_blanks(mut self) -> Self {
        let is_blank = |text: &str| text.chars().all(|character| character == ' ');
        for value in self.0.values_mut() {
            if value.as_str().is_some_and(is_blank) {
                // The name stays: it must still be one that the filter knows.
                *value = Value::Null;
            }
        }
        self
    }

    /// What is left as a filter, or as another type that has a field for each pair.
    pub(super) fn into_filter<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        reading::read(Value::Object(self.0))
            .map_err(|misfit| ApiError::BadRequest(misfit.to_string()))
    }
}

/// A member of a closed set.
fn member<T: DeserializeOwned>(name: &str, word: &str) -> Result<T, ApiError> {
    reading::read(word.into()).map_err(|misfit| ApiError::BadRequest(format!("{name}: {misfit}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts() {
        let sort = |sort: &str| {
            let pairs = Pairs::of(vec![("sort".to_owned(), sort.to_owned())]);
            pairs.expect("one name").take_sort().ok()
        };
        assert_eq!(sort("-received_at"), Some((QueueOrder::ReceivedAt, true)));
        assert_eq!(sort("weather"), None);
    }
}
