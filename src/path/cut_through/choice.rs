//! Whether a message goes straight through: it is wanted, and nobody has to see the content first.

use std::slice;
use std::sync::Arc;

use super::{Opening, Passage, Way};
use crate::conditions::{self, EnvelopeFacts};
use crate::message::Recipient;
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
        let facts = opening.facts(slice::from_ref(recipient));
        let is_led_there =
            || settings.conditions().leads_through && conditions::leads_through(facts, settings);
        if opening.path != PathChoice::CutThrough && !is_led_there() {
            return Ok(Way::Held(None));
        }
        if let Some(condition) = conditions::needs_content(settings) {
            return Ok(Way::Held(Some(
                format!("{condition} needs the content").into(),
            )));
        }
        let examined = self.conditions.check_envelope(facts, settings).await?;
        if let Some(reason) = examined.standard_path {
            return Ok(Way::Held(Some(reason.to_string().into())));
        }
        let passage = Passage::new(opening, Arc::clone(settings), examined.words);
        Ok(Way::Through(Box::new(passage)))
    }
}

impl Opening {
    /// What conditions decide on before the content.
    pub(super) fn facts<'a>(&'a self, recipients: &'a [Recipient]) -> EnvelopeFacts<'a> {
        EnvelopeFacts {
            client: &self.client,
            sender: &self.envelope.sender,
            recipients,
            declared_size: self.declared_size,
        }
    }
}
