//! Cut-through: connect first, send on what comes, and reply with what the recipients said (Figure 5 of
//! the patent, steps 501–509). Nothing of the message is ever on disk, and nobody holds it whole.
//!
//! [`choice`] says whether a message goes this way. At each RCPT a [`Passage`] gets a [`leg`] to the next
//! hop of that recipient; between DATA and the end of data it sends every block on to all of them.

mod choice;
mod ending;
mod leg;
mod passage;
mod strangers;

use std::sync::Arc;

use super::Paths;
use crate::clients::ClientId;
use crate::message::{Client, Envelope, Recipient};
use crate::settings::{PathChoice, Settings};
use crate::smtp::reply::Reply;

pub use ending::EndedPassage;
pub use passage::{Passage, Start};
pub use strangers::Strangers;

/// A message whose recipients come one by one, as far as it is known before the first of them.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Who brings it.
    pub client: Client,
    /// Its sender and what was asked for; no recipient yet.
    pub envelope: Envelope,
    /// What MAIL declared with SIZE.
    pub declared_size: Option<u64>,
    /// The path that is chosen where it came in.
    pub path: PathChoice,
}

/// The way of the content of a message that is being addressed.
#[derive(Debug, Default)]
pub enum Way {
    /// Nobody has looked yet.
    #[default]
    Undecided,
    /// It is held until it has come whole, for the fast or the standard path. When cut-through was chosen
    /// all the same: why it cannot be.
    Held(Option<Box<str>>),
    /// A condition does not take it, and this is said to every recipient.
    NotTaken(Reply),
    /// It goes straight through.
    Through(Box<Passage>),
}

impl Way {
    /// Why it is held although cut-through was chosen.
    #[must_use]
    pub fn into_obstacle(self) -> Option<Box<str>> {
        match self {
            Self::Held(obstacle) => obstacle,
            Self::Undecided | Self::NotTaken(_) | Self::Through(_) => None,
        }
    }
}

/// A recipient that somebody has to be asked about before its RCPT is answered.
#[derive(Debug)]
pub struct Inquiry<'a> {
    /// The recipient, whom this client may send to.
    pub recipient: &'a Recipient,
    /// Who brings its message.
    pub party: ClientId,
    /// The snapshot that was taken at MAIL.
    pub settings: &'a Arc<Settings>,
    /// The way of its message, as far as it is decided.
    pub way: &'a mut Way,
    /// The message, for as long as the way is undecided.
    pub opening: Option<Opening>,
}

impl Paths {
    /// Whether a recipient is taken: by what the directory knows, and for cut-through by what its next hop
    /// says. Bounded by the time-outs of both.
    ///
    /// # Errors
    /// The reply to a recipient that is not taken.
    pub async fn recipient(self: &Arc<Self>, inquiry: Inquiry<'_>) -> Result<(), Reply> {
        let Inquiry {
            recipient,
            party,
            settings,
            way,
            opening,
        } = inquiry;
        if settings.is_asked_at_rcpt(&recipient.address) {
            let address = &recipient.address;
            let known = self.conditions.recipient(address, party, settings);
            known.await?;
        }
        if let (Way::Undecided, Some(opening)) = (&*way, opening) {
            let chosen = self.choose(opening, recipient, settings).await;
            *way = chosen.unwrap_or_else(Way::NotTaken);
        }
        let passage = match way {
            Way::Through(passage) => passage,
            Way::NotTaken(reply) => return Err(reply.clone()),
            Way::Undecided | Way::Held(_) => return Ok(()),
        };
        match passage.add(self, recipient).await {
            Ok(()) => Ok(()),
            Err(leg::NotAdded::Reply(reply)) => Err(reply),
            // Whoever was accepted so far stays so: the message is held for all of them.
            Err(leg::NotAdded::Unsuitable(why)) => {
                *way = Way::Held(Some(why));
                Ok(())
            }
        }
    }
}
