//! Whether a message goes straight through: it is wanted, and nobody has to see the content first.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Opening, Passage, Way};
use crate::conditions::{self, End, Examination};
use crate::limits;
use crate::message::{Body, Message, MessageId, Recipient, Reservation};
use crate::path::Paths;
use crate::settings::{PathChoice, Settings};
use crate::smtp::reply::Reply;

impl Paths {
    /// Decides at the first recipient. What can be looked into without the content is, now.
    ///
    /// # Errors
    /// The reply of a condition that does not take the message.
    pub(super) async fn choose(
        &self,
        opening: Opening,
        recipient: &Recipient,
        settings: &Arc<Settings>,
    ) -> Result<Way, Reply> {
        let addressed = || self.without_content(&opening, [recipient.clone()].into());
        let is_led_there = || {
            settings.conditions().leads_through
                && conditions::leads_through(&addressed(), opening.declared_size, settings)
        };
        if opening.path != PathChoice::CutThrough && !is_led_there() {
            return Ok(Way::Held(None));
        }
        if let Some(condition) = conditions::needs_content(settings) {
            return Ok(Way::Held(Some(
                format!("{condition} needs the content").into(),
            )));
        }
        let mut words = String::new();
        if settings.conditions().any {
            let examination = Examination {
                message: &addressed(),
                declared_size: opening.declared_size,
                settings,
                deadline: Instant::now() + limits::CUT_THROUGH_EXAMINATION_WAIT,
            };
            // Whoever waits for this gives up at a shutdown.
            let shutdown = CancellationToken::new();
            let examining = Box::pin(self.conditions.examine(examination, &shutdown));
            let examined = timeout(limits::CUT_THROUGH_EXAMINATION_WAIT, examining);
            let examined = examined.await.map_err(|_| Reply::unchecked())?;
            match examined.end {
                End::NotTaken(reply) => return Err(reply),
                End::Taken(taken) => {
                    if let Some(reason) = taken.standard_path {
                        return Ok(Way::Held(Some(reason.to_string().into())));
                    }
                }
            }
            words = examined.words;
        }
        let settings = Arc::clone(settings);
        Ok(Way::Through(Box::new(Passage::new(
            opening, settings, words,
        ))))
    }

    /// The message as it stands before its content: an empty header, and no more.
    fn without_content(&self, opening: &Opening, recipients: Vec<Recipient>) -> Arc<Message> {
        let reservation = Reservation::empty(Arc::clone(&self.budget));
        let mut envelope = opening.envelope.clone();
        envelope.recipients = recipients;
        Arc::new(Message {
            id: MessageId::from_i64(0),
            received_at: opening.received_at,
            client: opening.client.clone(),
            envelope,
            prefix: Bytes::new(),
            body: Arc::new(Body::in_memory(
                vec![Bytes::from_static(b"\r\n")],
                reservation,
            )),
            content_from: 0,
            for_clause_at: None,
            eight_bit: false,
            needs_smtputf8: false,
        })
    }
}
