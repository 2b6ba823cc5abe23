//! What stands behind a header in the place of what arrived: held while it comes as any content is, in memory
//! as far as the threshold and the memory budget go.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use super::resources::CheckResources;
use crate::message::{Body, BodyWriter, Message};
use crate::settings::Settings;

/// New content. It begins with the empty line: the header stands in the prefix.
#[derive(Clone, Debug)]
pub(super) struct NewBody {
    pub(super) body: Arc<Body>,
    pub(super) eight_bit: bool,
}

/// New content as it comes.
#[derive(Debug)]
pub(super) struct NewBodyWriter {
    writer: BodyWriter,
    eight_bit: bool,
}

impl NewBodyWriter {
    /// New content for a message of which nothing has come yet.
    pub(super) fn new(message: &Message, settings: &Settings, tools: &CheckResources) -> Self {
        // Not the message's own name: its content may have a file of that name.
        let name = tools.ids.next(Timestamp::now());
        Self {
            writer: tools.body_writer(name, settings, message),
            eight_bit: false,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they had to go to disk and the disk did not take them.
    pub(super) async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.begin().await?;
        self.eight_bit |= !bytes.is_ascii();
        self.writer.append(bytes).await
    }

    /// Everything has come.
    ///
    /// # Errors
    /// When the last of it had to go to disk and the disk did not take it.
    pub(super) async fn finish(mut self) -> io::Result<NewBody> {
        self.begin().await?;
        let (body, _) = self.writer.finish().await?;
        Ok(NewBody {
            body: Arc::new(body),
            eight_bit: self.eight_bit,
        })
    }

    async fn begin(&mut self) -> io::Result<()> {
        match self.writer.is_empty() {
            true => self.writer.append(b"\r\n").await,
            false => Ok(()),
        }
    }
}
