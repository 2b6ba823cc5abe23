//! Reading a stored message back, so that it can be delivered.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::Store;
use super::columns::{body_type_from, return_from};
use super::error::LoadError;
use crate::message::{Body, Client, Envelope, MemoryBudget, Message, MessageId, Reservation};
use crate::smtp::address::ReversePath;

impl Store {
    /// The message `id`, its envelope without recipients: those are rows of their own. A small content comes into memory and counts in
    /// `budget`, also beyond its limit; a large one stays in its file.
    ///
    /// # Errors
    /// [`LoadError::Damaged`] when it can never be delivered: the caller marks its rows.
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
        .fetch_optional(&self.shared.readers)
        .await?
        .ok_or(LoadError::Gone)?;
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
            prefix: Bytes::from(row.try_get::<Vec<u8>, _>("prefix")?),
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
        let mut reservation = Reservation::empty(Arc::clone(budget));
        if let Some(name) = row.try_get::<Option<String>, _>("spool_file")? {
            let spool = &self.shared.spool;
            let missing = |error| file_error(&name, error);
            let file = spool.open_stored(name.clone()).await.map_err(missing)?;
            if let Some(last) = length.checked_sub(1) {
                // A file that lost its end must not go out as a shorter message.
                file.read_at(last, 1).await.map_err(missing)?;
            }
            return Ok(Body::in_file(file, length, reservation));
        }
        let content: Option<Vec<u8>> = row.try_get("content")?;
        let content = content.ok_or_else(|| LoadError::Damaged("it has no content".to_owned()))?;
        if content.len() as u64 != length {
            return Err(LoadError::Damaged(format!(
                "its content has {} bytes instead of {length}",
                content.len()
            )));
        }
        reservation.grow_regardless(length);
        Ok(Body::in_memory(vec![Bytes::from(content)], reservation))
    }
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

/// A file that is missing or too short will not come back; any other trouble may pass.
pub(super) fn file_error(name: &str, error: io::Error) -> LoadError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
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
    use super::super::testing::{Scene, queued};
    use super::*;

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
        ] {
            let scene = Scene::new().await;
            let stored = scene.store.insert(vec![queued(1, &[1], b"content")]).await;
            stored.expect("stored");
            scene.meddle(damage).await;
            let loaded = scene
                .store
                .load(MessageId::from_i64(1), &scene.budget)
                .await;
            assert!(
                matches!(loaded, Err(LoadError::Damaged(_))),
                "{damage}: {loaded:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_spool_file_without_its_end_is_damaged() {
        let scene = Scene::new().await;
        let content = vec![b'x'; 200_000];
        scene
            .store
            .insert(vec![queued(1, &[1], &content)])
            .await
            .expect("stored");
        let names = scene.store.spool_names_in_use().await.expect("readable");
        let name = names.iter().next().expect("a file");
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(scene.path().join("spool").join(name))
            .expect("it is there");
        file.set_len(199_999).expect("cut");
        let loaded = scene
            .store
            .load(MessageId::from_i64(1), &scene.budget)
            .await;
        assert!(matches!(loaded, Err(LoadError::Damaged(_))), "{loaded:?}");
    }

    #[tokio::test]
    async fn what_is_not_stored_is_gone() {
        let scene = Scene::new().await;
        let loaded = scene
            .store
            .load(MessageId::from_i64(1), &scene.budget)
            .await;
        assert!(matches!(loaded, Err(LoadError::Gone)), "{loaded:?}");
    }
}
