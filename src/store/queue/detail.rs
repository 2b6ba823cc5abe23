//! One recipient of the queue with everything that is known of it, and the beginning of its message.

use jiff::SignedDuration;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::QueueView;
use super::listing::{ITEM_COLUMNS, item};
use super::load::file_error;
use crate::message::queue_listing::QueuedRecipient;
use crate::message::{MessageId, RowId};
use crate::store::database::columns::{count, integer, number, optional_text, text, time};
use crate::store::database::error::{LoadError, ReadError};

/// The beginning of a queued message as it travels: our prefix and the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStart {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How many the whole message has.
    pub length: u64,
    /// How many of those that were asked for are not there: the content is damaged.
    pub missing_bytes: u64,
}

impl SourceStart {
    /// Whether something is missing behind the bytes.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        (self.bytes.len() as u64) + self.missing_bytes < self.length
    }
}

impl QueueView {
    /// Everything about one row, when a recipient has `expire_after` to be reached; none when it is gone.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn recipient(
        &self,
        row: RowId,
        expire_after: SignedDuration,
    ) -> Result<Option<QueuedRecipient>, ReadError> {
        let mut query = sqlx::QueryBuilder::new("SELECT ");
        query.push(ITEM_COLUMNS).push(
            ", r.notify, r.original_recipient, m.client_address, m.helo, m.login, m.body_type,
             m.smtputf8, m.ret, m.envelope_id, m.kept_from
             FROM recipients AS r LEFT JOIN messages AS m ON m.id = r.message WHERE r.id = ",
        );
        query.push_bind(row.0);
        let row = query.build().fetch_optional(&self.readers).await?;
        Ok(row.as_ref().map(|row| queued_recipient(row, expire_after)))
    }

    /// The first `most` bytes of a message, or all when it has no more: as it is there, damaged or not.
    ///
    /// # Errors
    /// [`LoadError::Damaged`] when there is no content at all.
    pub async fn source_start(&self, id: MessageId, most: u64) -> Result<SourceStart, LoadError> {
        let row = sqlx::query(
            "SELECT m.prefix, m.content_bytes, m.content_from, m.spool_file,
                    substr(b.content, 1 + m.content_from, ?2) AS content
             FROM messages AS m LEFT JOIN bodies AS b ON b.message = m.id WHERE m.id = ?1",
        )
        .bind(id.as_i64())
        .bind(integer(most))
        .fetch_optional(&self.readers)
        .await?
        .ok_or(LoadError::Gone)?;
        let mut bytes: Vec<u8> = row.try_get("prefix")?;
        let content_from = count(&row, "content_from");
        let content_bytes = count(&row, "content_bytes").saturating_sub(content_from);
        let length = bytes.len() as u64 + content_bytes;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if let Some(name) = row.try_get::<Option<String>, _>("spool_file")? {
            let wanted = content_from.saturating_add(content_bytes.min(most as u64));
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
            let spool = &self.spool;
            let start = spool.start_of_stored(name.clone(), wanted).await;
            let (start, _) = start.map_err(|error| file_error(&name, error))?;
            let travels_from = usize::try_from(content_from).unwrap_or(usize::MAX);
            bytes.extend_from_slice(start.get(travels_from..).unwrap_or_default());
        } else {
            let content: Option<Vec<u8>> = row.try_get("content")?;
            let none = || LoadError::Damaged("it has no content".to_owned());
            bytes.extend(content.ok_or_else(none)?);
        }
        bytes.truncate(most);
        Ok(SourceStart {
            missing_bytes: length.min(most as u64).saturating_sub(bytes.len() as u64),
            bytes,
            length,
        })
    }
}

fn queued_recipient(row: &SqliteRow, expire_after: SignedDuration) -> QueuedRecipient {
    let kept_from = time(row, "kept_from");
    QueuedRecipient {
        item: item(row),
        expires_at: kept_from.checked_add(expire_after).unwrap_or(kept_from),
        notify: optional_text(row, "notify"),
        original_recipient: optional_text(row, "original_recipient"),
        client_address: optional_text(row, "client_address"),
        helo: text(row, "helo"),
        login: optional_text(row, "login"),
        body_type: text(row, "body_type"),
        smtputf8: number(row, "smtputf8") != 0,
        ret: optional_text(row, "ret"),
        envelope_id: optional_text(row, "envelope_id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::RowState;
    use crate::store::testing::{Scene, queued, time};

    async fn start(scene: &Scene, most: u64) -> Result<SourceStart, LoadError> {
        scene
            .store
            .queue_view
            .source_start(MessageId::from_i64(1), most)
            .await
    }

    #[tokio::test]
    async fn the_beginning_of_a_message_is_read_wherever_it_is() {
        for size in [10, 200_000] {
            let scene = Scene::new().await;
            let content = vec![b'x'; size];
            let stored = scene
                .store
                .queue
                .insert(vec![queued(1, &[1], &content)])
                .await;
            stored.expect("stored");
            let prefix = "Received: by test\r\n";
            let whole = start(&scene, 1 << 20).await.expect("readable");
            assert_eq!(whole.length, (prefix.len() + size) as u64);
            assert_eq!(whole.bytes.len() as u64, whole.length);
            assert!(whole.bytes.starts_with(prefix.as_bytes()) && !whole.is_cut());
            let cut = start(&scene, 25).await.expect("readable");
            assert_eq!((cut.bytes.len(), cut.length), (25, whole.length));
            assert!(cut.is_cut() && cut.bytes.ends_with(b"\nxxxxxx"));
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_says_so() {
        for damage in [
            "DELETE FROM bodies",
            "UPDATE messages SET spool_file = 'gone'",
        ] {
            let scene = Scene::new().await;
            let stored = scene.store.queue.insert(vec![queued(1, &[1], b"x")]).await;
            stored.expect("stored");
            scene.meddle(damage).await;
            let read = start(&scene, 9).await;
            assert!(matches!(read, Err(LoadError::Damaged(_))), "{read:?}");
        }
        let scene = Scene::new().await;
        assert!(matches!(start(&scene, 9).await, Err(LoadError::Gone)));
    }

    const HUNDRED: SignedDuration = SignedDuration::from_secs(100);

    #[tokio::test]
    async fn a_damaged_row_is_shown_as_well_as_it_goes() {
        let scene = Scene::new().await;
        let stored = scene.store.queue.insert(vec![queued(1, &[1], b"x")]).await;
        stored.expect("stored");
        let read = async || {
            let read = scene.store.queue_view.recipient(RowId(1), HUNDRED).await;
            read.expect("readable").expect("it is there")
        };
        let sound = read().await;
        assert_eq!(sound.expires_at, time(100));
        assert_eq!(sound.client_address.as_deref(), Some("192.0.2.1"));
        scene
            .meddle("UPDATE recipients SET state = 'asleep', notify = CAST(x'ff' AS TEXT)")
            .await;
        scene.meddle("DELETE FROM messages").await;
        let damaged = read().await;
        assert_eq!(damaged.item.state, RowState::Damaged);
        assert_eq!(damaged.notify.as_deref(), Some("\u{fffd}"));
        assert_eq!((damaged.helo.as_str(), damaged.client_address), ("", None));
        let gone = scene.store.queue_view.recipient(RowId(2), HUNDRED).await;
        assert_eq!(gone.expect("readable"), None);
    }
}
