//! Reading a stored message back, so that it can be delivered.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use tokio::time::timeout;

use super::QueueStore;
use crate::limits;
use crate::message::body::not_what_was_stored;
use crate::message::{
    Body, Checksum, Client, Envelope, MemoryBudget, Message, MessageId, Reservation,
};
use crate::smtp::address::ReversePath;
use crate::store::database::columns::{body_type_from, return_from};
use crate::store::database::error::LoadError;

impl QueueStore {
    /// The message `id`, its envelope without recipients: those are rows of their own. A small content
    /// comes into memory and counts in `budget`, also beyond its limit; a large one stays in its file. What
    /// is given is what was stored: it has its checksums, as far as the row knows them.
    ///
    /// # Errors
    /// [`LoadError::Damaged`] when it cannot be delivered as it is: the caller marks its rows.
    pub async fn load(
        &self,
        id: MessageId,
        budget: &Arc<MemoryBudget>,
    ) -> Result<Message, LoadError> {
        let row = sqlx::query(
            "SELECT m.*, b.content FROM messages AS m LEFT JOIN bodies AS b ON b.message = m.id
             WHERE m.id = ?",
        )
        .bind(id.as_i64())
        .fetch_optional(&self.readers)
        .await?
        .ok_or(LoadError::Gone)?;
        let prefix = prefix(&row)?;
        let body = self.body(&row, budget).await?;
        let sender: String = row.try_get("sender")?;
        let body_type: String = row.try_get("body_type")?;
        let ret: Option<String> = row.try_get("ret")?;
        let content_from: i64 = row.try_get("content_from")?;
        let for_clause_at: Option<i64> = row.try_get("for_clause_at")?;
        Ok(Message {
            id,
            received_at: Timestamp::from_millisecond(row.try_get("received_at")?)
                .map_err(|error| LoadError::Damaged(error.to_string()))?,
            client: client(&row)?,
            envelope: Envelope {
                sender: ReversePath::parse(&sender)
                    .map_err(|error| LoadError::Damaged(format!("its sender: {error}")))?,
                recipients: Vec::new(),
                body_type: body_type_from(&body_type).ok_or_else(|| unknown("BODY", &body_type))?,
                smtputf8: row.try_get("smtputf8")?,
                ret: ret
                    .map(|ret| return_from(&ret).ok_or_else(|| unknown("RET", &ret)))
                    .transpose()?,
                envelope_id: row.try_get("envelope_id")?,
            },
            prefix,
            body: Arc::new(body),
            content_from: u64::try_from(content_from)
                .map_err(|_| LoadError::Damaged("its content begins nowhere".to_owned()))?,
            for_clause_at: for_clause_at.and_then(|at| usize::try_from(at).ok()),
            eight_bit: row.try_get("eight_bit")?,
            needs_smtputf8: row.try_get("needs_smtputf8")?,
        })
    }

    async fn body(&self, row: &SqliteRow, budget: &Arc<MemoryBudget>) -> Result<Body, LoadError> {
        let length = u64::try_from(row.try_get::<i64, _>("content_bytes")?)
            .map_err(|_| LoadError::Damaged("its length is negative".to_owned()))?;
        let expected = stored_checksum(row, "content_checksum")?;
        let mut reservation = Reservation::empty(Arc::clone(budget));
        if let Some(name) = row.try_get::<Option<String>, _>("spool_file")? {
            let spool = &self.spool;
            let unusable = |error| file_error(&name, error);
            let file = spool.open_stored(name.clone()).await.map_err(unusable)?;
            // A disk that hangs must not hold whoever loads for ever.
            let reading = timeout(limits::STORED_FILE_WAIT, file.checksum(length));
            let read = reading.await.map_err(|late| unusable(late.into()))?;
            let read = read.map_err(unusable)?;
            if let Some(expected) = expected.filter(|expected| *expected != read) {
                return Err(unusable(not_what_was_stored(expected, read)));
            }
            return Ok(Body::in_file(file, length, expected, reservation));
        }
        let content: Option<Vec<u8>> = row.try_get("content")?;
        let content = content.ok_or_else(|| LoadError::Damaged("it has no content".to_owned()))?;
        if content.len() as u64 != length {
            return Err(LoadError::Damaged(format!(
                "its content has {} bytes instead of {length}",
                content.len()
            )));
        }
        compare("its content", expected, &content)?;
        reservation.grow_regardless(length);
        Ok(Body::in_memory(vec![Bytes::from(content)], reservation))
    }
}

/// What stands before the content of a message.
pub(super) fn prefix(row: &SqliteRow) -> Result<Bytes, LoadError> {
    let prefix: Vec<u8> = row.try_get("prefix")?;
    let expected = stored_checksum(row, "prefix_checksum")?;
    compare("what we put before it", expected, &prefix)?;
    Ok(Bytes::from(prefix))
}

/// A checksum as it stands in a column; none where an earlier version stored the message.
pub(super) fn stored_checksum(
    row: &SqliteRow,
    column: &str,
) -> Result<Option<Checksum>, LoadError> {
    let stored: Option<i64> = row.try_get(column)?;
    let none = |number| LoadError::Damaged(format!("{number} is no checksum"));
    stored
        .map(|number| Checksum::from_i64(number).ok_or_else(|| none(number)))
        .transpose()
}

/// Whether what was read has the checksum of what was stored.
fn compare(what: &str, expected: Option<Checksum>, read: &[u8]) -> Result<(), LoadError> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let read = Checksum::of([read]);
    if read == expected {
        return Ok(());
    }
    let difference = not_what_was_stored(expected, read);
    Err(LoadError::Damaged(format!("{what}: {difference}")))
}

fn client(row: &SqliteRow) -> Result<Client, LoadError> {
    let address: Option<String> = row.try_get("client_address")?;
    Ok(Client {
        // Only the trail needs it: an address that cannot be read is no reason to keep mail back.
        address: address.and_then(|address| address.parse().ok()),
        helo: row.try_get::<String, _>("helo")?.into(),
        login: row.try_get::<Option<String>, _>("login")?.map(Into::into),
    })
}

/// A file that is missing, of another length or with other content is damaged; any other trouble may
/// pass.
pub(super) fn file_error(name: &str, error: io::Error) -> LoadError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
            LoadError::Damaged(format!("its spool file {name}: {error}"))
        }
        _ => LoadError::Read(sqlx::Error::Io(error).into()),
    }
}

fn unknown(parameter: &str, value: &str) -> LoadError {
    LoadError::Damaged(format!("{parameter}={value} is unknown"))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::os::unix::fs::FileExt as _;

    use super::*;
    use crate::store::testing::{Scene, queued};

    #[tokio::test]
    async fn what_is_no_message_is_damaged() {
        for damage in [
            "DELETE FROM bodies",
            "UPDATE bodies SET content = x'00'",
            "UPDATE messages SET content_bytes = -1",
            "UPDATE messages SET content_from = -1",
            "UPDATE messages SET sender = 'nobody'",
            "UPDATE messages SET body_type = 'PAPER'",
            "UPDATE messages SET ret = 'SENDER'",
            "UPDATE messages SET spool_file = 'gone'",
            "UPDATE messages SET received_at = 9223372036854775807",
            "UPDATE messages SET helo = CAST(x'ff' AS TEXT)",
            "UPDATE bodies SET content = zeroblob(7)",
            "UPDATE messages SET prefix = zeroblob(length(prefix))",
            "UPDATE messages SET content_checksum = content_checksum + 1",
            "UPDATE messages SET prefix_checksum = -1",
        ] {
            let scene = Scene::new().await;
            let stored = scene
                .store
                .queue
                .insert(vec![queued(1, &[1], b"content")])
                .await;
            stored.expect("stored");
            scene.meddle(damage).await;
            let loaded = scene
                .store
                .queue
                .load(MessageId::from_i64(1), &scene.budget)
                .await;
            assert!(
                matches!(loaded, Err(LoadError::Damaged(_))),
                "{damage}: {loaded:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_spool_file_that_was_changed_is_damaged() {
        type Change = fn(&File);
        let changes: [(&str, Change); 5] = [
            ("cut", |file| file.set_len(199_999).expect("cut")),
            ("emptied", |file| file.set_len(0).expect("cut")),
            ("longer", |file| file.set_len(200_001).expect("grown")),
            ("one byte", |file| {
                file.write_all_at(b"y", 70_000).expect("written")
            }),
            ("zeros", |file| {
                file.set_len(0).expect("cut");
                file.set_len(200_000).expect("grown");
            }),
        ];
        for (what, change) in changes {
            let scene = Scene::new().await;
            let content = vec![b'x'; 200_000];
            let stored = vec![queued(1, &[1], &content)];
            scene.store.queue.insert(stored).await.expect("stored");
            let load = async || {
                let id = MessageId::from_i64(1);
                scene.store.queue.load(id, &scene.budget).await
            };
            load().await.expect("it is as it was stored");
            let names = scene
                .store
                .queue
                .spool_names_in_use()
                .await
                .expect("readable");
            let name = names
                .expect("every name")
                .into_iter()
                .next()
                .expect("a file");
            let path = scene.path().join("spool").join(name);
            let file = OpenOptions::new().write(true).open(&path);
            change(&file.expect("it is there"));
            let loaded = load().await;
            assert!(
                matches!(loaded, Err(LoadError::Damaged(_))),
                "{what}: {loaded:?}"
            );
            // An earlier version knew no checksum: what has the right length is taken.
            scene
                .meddle("UPDATE messages SET content_checksum = NULL, prefix_checksum = NULL")
                .await;
            let taken = load().await.is_ok();
            assert_eq!(taken, ["one byte", "zeros"].contains(&what), "{what}");
        }
    }

    #[tokio::test]
    async fn what_is_not_stored_is_gone() {
        let scene = Scene::new().await;
        let loaded = scene
            .store
            .queue
            .load(MessageId::from_i64(1), &scene.budget)
            .await;
        assert!(matches!(loaded, Err(LoadError::Gone)), "{loaded:?}");
    }
}
