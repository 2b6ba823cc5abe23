//! A new body while it comes from a milter: it is held as any content is, wherever there is room for it.

use std::io;

use super::text::Text;
use crate::conditions::new_body::{NewBody, NewBodyWriter};
use crate::limits;

/// A new body, if one comes.
#[derive(Debug)]
pub(super) struct Incoming {
    text: Text,
    bytes_most: u64,
    has_begun: bool,
    /// Where it is written; or why it finds no place.
    writer: io::Result<NewBodyWriter>,
}

impl Incoming {
    /// A body of which nothing has come, and which may have so many bytes.
    pub(super) fn new(writer: NewBodyWriter, bytes_most: u64) -> Self {
        Self {
            text: Text::default(),
            bytes_most,
            has_begun: false,
            writer: Ok(writer),
        }
    }

    /// Takes the next part. What finds no place is no fault of the milter, which is heard out.
    ///
    /// # Errors
    /// When it is too large, or no message may have it; in words that follow the milter's name.
    pub(super) async fn take(&mut self, part: &[u8]) -> Result<(), String> {
        self.has_begun = true;
        for piece in part.chunks(limits::SPOOL_BLOCK_LEAST_BYTES) {
            let text = self.text.next(piece)?;
            if self.text.bytes() > self.bytes_most {
                return Err("its new body is larger than a message may be".to_owned());
            }
            self.write(&text).await;
        }
        Ok(())
    }

    /// The whole of it; none when there is no new body.
    ///
    /// # Errors
    /// Why it found no place.
    pub(super) async fn finish(mut self) -> Option<io::Result<NewBody>> {
        if !self.has_begun {
            return None;
        }
        let end = std::mem::take(&mut self.text).finish();
        self.write(&end).await;
        Some(match self.writer {
            Ok(writer) => writer.finish().await,
            Err(error) => Err(error),
        })
    }

    async fn write(&mut self, text: &[u8]) {
        if let Ok(writer) = &mut self.writer
            && let Err(error) = writer.append(text).await
        {
            self.writer = Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::conditions::draft::Draft;
    use crate::conditions::testing::{message, settings, tools};
    use crate::conditions::verdict::Edit;
    use crate::message::Storage;

    /// What a body of these parts becomes.
    async fn body(parts: &[&[u8]]) -> Option<(Vec<u8>, bool, Storage)> {
        let (_directory, tools) = tools();
        let settings = settings(json!({}));
        let message = message(
            "anna@example.org",
            &["bert@example.net"],
            b"A: 1\r\n\r\nold",
        );
        let mut draft = Draft::of(message).await.expect("readable");
        let writer = NewBodyWriter::new(draft.arrived(), &settings, &tools);
        let mut incoming = Incoming::new(writer, 200_000);
        for part in parts {
            incoming.take(part).await.expect("within bounds");
        }
        let new = incoming.finish().await?.expect("room");
        let (eight_bit, storage) = (new.eight_bit, new.body.storage());
        let edits = vec![Edit::ReplaceBody(new)];
        draft.apply(edits).expect("a body can always be replaced");
        let mut reader = draft.body_reader();
        let mut content = Vec::new();
        while let Some(block) = reader.next().await.expect("readable") {
            content.extend_from_slice(&block);
        }
        Some((content, eight_bit, storage))
    }

    #[tokio::test]
    async fn a_body_is_held_as_any_content_is() {
        assert_eq!(body(&[]).await, None);
        let memory = Storage::Memory;
        let empty = (b"\r\n".to_vec(), false, memory);
        assert_eq!(body(&[b""]).await, Some(empty));
        let small = (b"\r\nnew\r\nlines\r\n".to_vec(), false, memory);
        assert_eq!(body(&[b"new\nli", b"nes"]).await, Some(small));
        let eight_bit = ("\r\nä\r\n".into(), true, memory);
        assert_eq!(body(&["ä".as_bytes()]).await, Some(eight_bit));
        let part = [&[b'x'; 998][..], b"\r\n"].concat().repeat(90);
        let large = [&b"\r\n"[..], &part, &part].concat();
        let large = Some((large, false, Storage::Split));
        assert_eq!(body(&[&part, &part]).await, large);
    }

    #[tokio::test]
    async fn what_is_too_large_is_no_body_and_what_finds_no_place_is_told() {
        let (directory, tools) = tools();
        let settings = settings(json!({"memory_threshold_bytes": 0}));
        let message = message(
            "anna@example.org",
            &["bert@example.net"],
            b"A: 1\r\n\r\nold",
        );
        let draft = Draft::of(Arc::clone(&message)).await.expect("readable");
        let writer = || NewBodyWriter::new(draft.arrived(), &settings, &tools);
        let mut incoming = Incoming::new(writer(), 9);
        assert_eq!(incoming.take(b"1\n2\n3\n").await, Ok(()));
        assert!(incoming.take(b"4").await.is_err());
        std::fs::remove_dir_all(directory.path().join("spool")).expect("it is there");
        let mut incoming = Incoming::new(writer(), 9);
        assert_eq!(incoming.take(b"1").await, Ok(()));
        assert!(incoming.finish().await.expect("it has begun").is_err());
    }
}
