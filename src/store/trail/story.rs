//! The story of one message: who its recipients are, what happened last to each, and all that happened
//! to some of them.
//!
//! A message may have a thousand recipients that were each tried a thousand times: a story is told in
//! pages of recipients, and of each the newest events.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::TrailStore;
use super::read::{answered, seconds};
use crate::limits;
use crate::message::MessageId;
use crate::message::trail_listing::{RecipientStory, StoryPart, TrailEvent, TrailOfMessage};
use crate::store::database::columns::json;
use crate::store::database::columns::{
    integer, number, optional_number, optional_text, text, time,
};
use crate::store::database::error::ReadError;

/// The newest `?3` events of those recipients of the message `?1` that stand in `?2`, as JSON: in the
/// order of `?2`, and those of each in the order in which they were written.
const NEWEST: &str = "
    SELECT chosen.key AS place, e.chunk AS chunk, e.number AS number, e.at, e.recipient, e.what, e.words,
           e.next_hop, e.peer, e.tls, e.took_micros
    FROM json_each(?2) AS chosen CROSS JOIN events AS e
    ON e.message = ?1 AND e.recipient = chosen.value
    AND (e.chunk, e.number) IN (SELECT newest.chunk, newest.number FROM events AS newest
                                WHERE newest.message = ?1 AND newest.recipient = chosen.value
                                ORDER BY newest.chunk DESC, newest.number DESC LIMIT ?3)
    UNION ALL
    SELECT chosen.key, m.chunk, -1, m.delivered_at, m.recipient, 'delivered', m.words,
           m.next_hop, m.peer, m.tls, m.took_micros
    FROM json_each(?2) AS chosen CROSS JOIN messages AS m
    ON m.id = ?1 AND m.recipient = chosen.value
    ORDER BY place, chunk, number";

impl TrailStore {
    /// Whether something is known of this message.
    ///
    /// # Errors
    /// When the trail cannot be read.
    pub async fn is_in_trail(&self, message: MessageId) -> Result<bool, ReadError> {
        let known = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM messages WHERE id = ?1)
                 OR EXISTS (SELECT 1 FROM events WHERE message = ?1)",
        )
        .bind(message.as_i64())
        .fetch_one(&self.readers)
        .await?;
        Ok(known)
    }

    /// What is known of one message, and of the recipients in `part`: of each the newest events, all
    /// together at most [`limits::TRAIL_EVENTS_SHOWN`].
    ///
    /// # Errors
    /// When the trail cannot be read.
    pub async fn trail_of(
        &self,
        message: MessageId,
        part: &StoryPart,
    ) -> Result<TrailOfMessage, ReadError> {
        let row = sqlx::query("SELECT * FROM messages WHERE id = ?")
            .bind(message.as_i64())
            .fetch_optional(&self.readers)
            .await?;
        let latest = self
            .latest(&[message.as_i64()], limits::RECIPIENTS_ADDED_TO)
            .await?;
        let mut ends = BTreeMap::new();
        for (_, event) in &latest {
            *ends.entry(event.what.clone()).or_default() += 1;
        }
        let recipients = latest.iter().map(|(_, event)| event.recipient.as_str());
        let meant: Vec<&str> = recipients
            .filter(|recipient| part.filter.means(recipient))
            .collect();
        let before = usize::try_from(part.offset).unwrap_or(usize::MAX);
        let limit = part.limit.clamp(1, limits::PAGE_ITEMS) as usize;
        let chosen: Vec<&str> = meant.iter().skip(before).take(limit).copied().collect();
        let each = limits::TRAIL_EVENTS_SHOWN / chosen.len().max(1);
        let stories = self.stories(message, &chosen, each).await?;
        let shortened = stories.iter().filter(|story| story.is_shortened);
        let shortened = shortened.filter_map(|story| Some(story.events.first()?.recipient.clone()));
        Ok(TrailOfMessage {
            answered: row.as_ref().map(answered),
            total: meant.len() as u64,
            ends,
            shortened: shortened.collect(),
            events: stories.into_iter().flat_map(|story| story.events).collect(),
        })
    }

    /// The newest [`limits::EVENTS_SHOWN`] events of one recipient of a message, by its whole address.
    ///
    /// # Errors
    /// When the trail cannot be read.
    pub async fn story_of(
        &self,
        message: MessageId,
        recipient: &str,
    ) -> Result<RecipientStory, ReadError> {
        let stories = self
            .stories(message, &[recipient], limits::EVENTS_SHOWN)
            .await?;
        Ok(stories.into_iter().next().unwrap_or_default())
    }

    /// The newest events of each of these recipients of a message: `each`, but not more than
    /// [`limits::EVENTS_SHOWN`].
    async fn stories(
        &self,
        message: MessageId,
        recipients: &[&str],
        each: usize,
    ) -> Result<Vec<RecipientStory>, ReadError> {
        let each = each.min(limits::EVENTS_SHOWN);
        let rows = sqlx::query(NEWEST)
            .bind(message.as_i64())
            .bind(json(recipients)?)
            // One more than is shown, to know whether there are more.
            .bind(integer(each as u64 + 1))
            .fetch_all(&self.readers)
            .await?;
        let of_each = rows.chunk_by(|one, next| number(one, "place") == number(next, "place"));
        let story = |rows: &[SqliteRow]| {
            let earlier = rows.len().saturating_sub(each);
            RecipientStory {
                events: rows[earlier..].iter().map(event).collect(),
                is_shortened: earlier > 0,
            }
        };
        Ok(of_each.map(story).collect())
    }
}

fn event(row: &SqliteRow) -> TrailEvent {
    TrailEvent {
        at: time(row, "at"),
        recipient: text(row, "recipient"),
        what: text(row, "what"),
        words: text(row, "words"),
        next_hop: optional_text(row, "next_hop"),
        peer: optional_text(row, "peer"),
        tls: row.try_get("tls").ok().flatten(),
        took_seconds: optional_number(row, "took_micros").map(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::trail::{Attempted, TrailEntry};
    use crate::message::trail_listing::{StoryFilter, StoryPart};
    use crate::message::words::OutcomeKind;
    use crate::store::testing::{Scene, answered, attempted, time};

    const RECIPIENTS: usize = 120;

    fn recipient(number: usize) -> String {
        format!("user{number:03}@example.net")
    }

    /// One message with [`RECIPIENTS`], all of them tried in vain so often, and one then reached.
    async fn tried(times: usize) -> (Scene, MessageId) {
        let scene = Scene::new().await;
        scene
            .store
            .trail
            .append(vec![answered(time(1))])
            .await
            .expect("appended");
        let deferred = |number| with_outcome(&recipient(number), OutcomeKind::Deferred);
        for _ in 0..times {
            let round = (0..RECIPIENTS).map(deferred).collect();
            scene.store.trail.append(round).await.expect("appended");
        }
        let reached = with_outcome(&recipient(7).to_uppercase(), OutcomeKind::Delivered);
        let appended = scene.store.trail.append(vec![reached]).await;
        appended.expect("appended");
        (scene, MessageId::earliest_at(time(1)))
    }

    fn with_outcome(recipient: &str, outcome: OutcomeKind) -> TrailEntry {
        let TrailEntry::Attempted(entry) = attempted(time(1), recipient) else {
            panic!("it is an attempt");
        };
        TrailEntry::Attempted(Attempted { outcome, ..entry })
    }

    fn part(recipient: Option<&str>, offset: u64) -> StoryPart {
        StoryPart {
            filter: StoryFilter {
                recipient: recipient.map(str::to_owned),
            },
            offset,
            ..StoryPart::default()
        }
    }

    #[tokio::test]
    async fn a_story_is_told_in_pages_of_recipients() {
        let (scene, id) = tried(30).await;
        for (part, total, first, recipients, each, is_shortened) in [
            (part(None, 0), 120, Some(0), 100, 20, true),
            (part(None, 100), 120, Some(100), 20, 30, false),
            (part(None, 120), 120, None, 0, 0, false),
            (part(Some("USER11*"), 0), 10, Some(110), 10, 30, false),
            (
                part(Some("user119@example.net"), 0),
                1,
                Some(119),
                1,
                30,
                false,
            ),
            (part(Some("user119"), 0), 0, None, 0, 0, false),
        ] {
            let trail = scene
                .store
                .trail
                .trail_of(id, &part)
                .await
                .expect("readable");
            assert_eq!(trail.total, total, "{part:?}");
            let told = trail.events.first().map(|event| event.recipient.clone());
            assert_eq!(told, first.map(recipient), "{part:?}");
            let unreached = trail
                .events
                .iter()
                .filter(|event| !event.recipient.eq_ignore_ascii_case(&recipient(7)));
            let is_seventh_told = first == Some(0);
            let others = recipients - usize::from(is_seventh_told);
            assert_eq!(unreached.count(), others * each, "{part:?}");
            let expected = if is_shortened { recipients } else { 0 };
            assert_eq!(trail.shortened.len(), expected, "{part:?}");
            let ends = [("deferred".to_owned(), 119), ("delivered".to_owned(), 1)];
            assert_eq!(trail.ends, BTreeMap::from(ends), "{part:?}");
            assert!(trail.answered.is_some());
        }
    }

    #[tokio::test]
    async fn the_newest_events_of_one_recipient_are_told_in_order() {
        let (scene, id) = tried(limits::EVENTS_SHOWN).await;
        let whole = |story: &RecipientStory| (story.events.len(), story.is_shortened);
        let reached = scene.store.trail.story_of(id, &recipient(7)).await;
        let reached = reached.expect("readable");
        assert_eq!(whole(&reached), (limits::EVENTS_SHOWN, true));
        let last = reached.events.last().expect("an event");
        assert_eq!(last.what, "delivered", "it is the newest of all");
        let other = scene.store.trail.story_of(id, &recipient(8)).await;
        assert_eq!(
            whole(&other.expect("readable")),
            (limits::EVENTS_SHOWN, false)
        );
        let nobody = scene.store.trail.story_of(id, "nobody@example.net").await;
        assert_eq!(nobody.expect("readable"), RecipientStory::default());
        assert!(scene.store.trail.is_in_trail(id).await.expect("readable"));
        let unknown = MessageId::from_i64(1);
        assert!(
            !scene
                .store
                .trail
                .is_in_trail(unknown)
                .await
                .expect("readable")
        );
    }
}
