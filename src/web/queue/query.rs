//! What a listing shows, as it stands in its URL: filter, order, page. A link to a listing shows the
//! same rows to everybody.

use serde::Serialize;
use serde_json::Value;

use super::notice::Notice;
use crate::limits;
use crate::message::backlog::Destinations;
use crate::message::queue_filter::QueueFilter;
use crate::message::queue_listing::{QueueOrder, QueuePageRequest};
use crate::web::error::ApiError;
use crate::web::paging;
use crate::web::pairs::Pairs;
use crate::web::query_string::QueryString;

/// One view of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueueQuery {
    /// Which rows.
    pub(super) filter: QueueFilter,
    /// In which order.
    pub(super) order: QueueOrder,
    /// The greatest first.
    pub(super) descending: bool,
    /// From 1 on.
    pub(super) page: u64,
    /// The kind of destination in the table above it.
    pub(super) by: Destinations,
}

impl Default for QueueQuery {
    fn default() -> Self {
        Self {
            filter: QueueFilter::default(),
            order: QueueOrder::default(),
            descending: false,
            page: 1,
            by: Destinations::default(),
        }
    }
}

impl QueueQuery {
    /// The view that a query asks for, and the notice that it brings along.
    pub(super) fn read(mut pairs: Pairs) -> Result<(Self, Option<Notice>), ApiError> {
        let notice = Notice::take(&mut pairs);
        let (order, descending) = pairs.take_sort()?;
        let listing = Self {
            order,
            descending,
            page: pairs.take_number("page")?.unwrap_or(1).max(1),
            by: pairs.take_destinations()?,
            filter: pairs.without_blanks().into_filter()?,
        };
        Ok((listing, notice))
    }

    /// The view behind a query string, as [`Self::query`] gives it.
    pub(super) fn from_query(query: &str) -> Result<Self, ApiError> {
        let uri = format!("/?{query}")
            .parse()
            .map_err(|_| ApiError::BadRequest("“back” is not a query".to_owned()))?;
        Ok(Self::read(Pairs::of_uri(&uri)?)?.0)
    }

    /// Its query string; empty for the plain listing.
    pub(super) fn query(&self) -> QueryString {
        let plain = Self::default();
        let mut query = QueryString::default();
        for (name, value) in self.filter.parts() {
            match value {
                Value::String(text) => query.push(&name, &text),
                other => query.push(&name, &other.to_string()),
            }
        }
        if (self.order, self.descending) != (plain.order, plain.descending) {
            let sign = if self.descending { "-" } else { "" };
            query.push("sort", &format!("{sign}{}", word(self.order)));
        }
        if self.by != plain.by {
            query.push("by", &word(self.by));
        }
        if self.page != plain.page {
            query.push("page", &self.page.to_string());
        }
        query
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        self.query().of("/queue")
    }

    /// Its address with a notice for the visitor who comes there.
    pub(super) fn url_with(&self, notice: Notice) -> String {
        let mut query = self.query();
        for (name, value) in notice.pairs() {
            query.push(name, &value);
        }
        query.of("/queue")
    }

    /// The first page of the rows that `filter` means, in the same order.
    pub(super) fn filtered(&self, filter: QueueFilter) -> Self {
        Self {
            filter,
            page: 1,
            ..self.clone()
        }
    }

    /// The same rows from the first page on, in another order; the same order is reversed.
    pub(super) fn sorted_by(&self, order: QueueOrder) -> Self {
        Self {
            order,
            descending: self.order == order && !self.descending,
            page: 1,
            ..self.clone()
        }
    }

    /// The same rows, another page.
    pub(super) fn on_page(&self, page: u64) -> Self {
        Self {
            page,
            ..self.clone()
        }
    }

    /// The same rows under another table.
    pub(super) fn counted_by(&self, by: Destinations) -> Self {
        Self { by, ..self.clone() }
    }

    /// The page to read from the store.
    pub(super) fn request(&self) -> QueuePageRequest {
        QueuePageRequest {
            order: self.order,
            descending: self.descending,
            offset: paging::offset(self.page),
            limit: limits::PAGE_ITEMS,
        }
    }
}

/// The word of a closed set in the API.
fn word(member: impl Serialize) -> String {
    match serde_json::to_value(member) {
        Ok(Value::String(word)) => word,
        _ => unreachable!("the members of closed sets are words"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_survives_its_address() {
        for query in [
            "",
            "state=held",
            "next_hop=%5B2001%3Adb8%3A%3A1%5D%3A25&older_than_seconds=300&younger_than_seconds=1800",
            "last_reply=100%25%20%22%3Cb%3E%22%20%26%20more%3D%2B%C3%A4&sort=-attempts",
            "message_id=0000000000011&by=domain&page=7",
        ] {
            let listing = QueueQuery::from_query(query).expect(query);
            // Parts are in the order of their names.
            assert_eq!(
                QueueQuery::from_query(listing.query().as_str()).expect("it is ours"),
                listing
            );
            assert_eq!(listing.query().as_str(), query);
        }
    }

    #[test]
    fn blank_fields_are_none_and_nonsense_is_refused() {
        let listing = QueueQuery::from_query("state=&sender=+&page=0&sort=").expect("blank");
        assert_eq!(listing, QueueQuery::default());
        assert_eq!(listing.url(), "/queue");
        for wrong in [
            "state=asleep",
            "sort=weather",
            "page=x",
            "weather=rain",
            "by=x",
        ] {
            assert!(QueueQuery::from_query(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_same_column_turns_round() {
        let listing = QueueQuery::default().on_page(3);
        let sorted = listing.sorted_by(QueueOrder::ReceivedAt);
        assert_eq!((sorted.descending, sorted.page), (true, 1));
        assert!(!sorted.sorted_by(QueueOrder::ReceivedAt).descending);
        assert!(!sorted.sorted_by(QueueOrder::Sender).descending);
        assert_eq!(listing.request().offset, 200);
    }
}
