//! The conditions: which path a message takes, and whether it may pass (Figure 4 of the patent).
//!
//! [`decide`] is pure: from the facts about a message it says which conditions are present, in the
//! order in which they are asked. [`Conditions::check`] carries that out: each check asks its
//! service or its rules and comes back with a [`CheckVerdict`]; the first decisive answer wins and is named.
//! What they change of a message is put together in a [`Draft`].
//!
//! One condition a file: which messages it concerns and what it asks, as a [`ConditionCheck`]. A check never
//! touches the disk and knows nothing of paths. [`service`] bounds the time it takes and how many run at
//! once, and has the breaker before its service.

mod antispam;
mod antivirus;
mod blackhole_lists;
mod blocks;
mod check;
mod content_filter;
mod decision;
mod directory;
mod draft;
mod draft_reader;
mod encryption;
mod envelope_pipeline;
mod facts;
mod from_field;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod header;
mod ldap_masquerading;
mod ldap_relaying;
mod milter;
mod new_body;
mod own;
mod pipeline;
mod received_for;
mod sender_check;
mod service;
mod service_access;
mod service_stream;
#[cfg(test)]
mod testing;
mod verdict;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;

use crate::clients::FairSemaphore;
use crate::dns::Dns;
use crate::limits;
use crate::message::{MemoryBudget, MessageIds, Reservation, Spool};
use crate::openpgp::Keyring;
use crate::settings::conditions::ConditionKind;
use crate::settings::service_address::ServiceAddress;
use crate::settings::{Current, Settings};

pub use blackhole_lists::{Listing, LookedUp, TryOut, Weighed};
pub use content_filter::{RuleAnswers, RuleSays, Ruling};
pub use decision::{
    Condition, Coverage, Decision, PresentCondition, decide, needs_content,
    standard_path_without_content,
};
#[cfg(test)]
pub(crate) use directory::testing as directory_testing;
pub use draft::Draft;
pub use envelope_pipeline::EnvelopeOutcome;
pub use facts::{ContentFacts, EnvelopeFacts, MessageFacts};
pub use header::{Field, Header};
pub use ldap_masquerading::OfficialSender;
pub use ldap_relaying::DirectoryRoute;
pub use new_body::NewBody;
pub use own::leads_through;
pub use pipeline::{Accepted, CheckOutcome, CheckRun, QuarantineCause};
pub use service::{Asker, NoAnswer, Service, ServiceError, ServiceFigures, ServiceState};
pub use verdict::{CheckAnswer, CheckVerdict, Edit, RecipientCopy};

use antispam::Engines;
use check::ConditionCheck;
use directory::DirectoryClient;
use service_access::ServiceByAccess;

/// The check of each kind of condition.
fn check_of(kind: ConditionKind) -> &'static ConditionCheck {
    match kind {
        ConditionKind::SenderCheck => &sender_check::CHECK,
        ConditionKind::BlackholeLists => &blackhole_lists::CHECK,
        ConditionKind::LdapRelaying => &ldap_relaying::CHECK,
        ConditionKind::Own => &own::CHECK,
        ConditionKind::ContentFilter => &content_filter::CHECK,
        ConditionKind::Antivirus => &antivirus::CHECK,
        ConditionKind::Antispam => &antispam::CHECK,
        ConditionKind::LdapMasquerading => &ldap_masquerading::CHECK,
        ConditionKind::Milter => &milter::CHECK,
        ConditionKind::Encryption => &encryption::CHECK,
        ConditionKind::ReceivedFor => &received_for::CHECK,
    }
}

/// What the checks work with. Shared by all sessions.
#[derive(Debug)]
pub struct CheckResources {
    /// Our name, which stands in the header fields that checks add.
    pub hostname: Arc<str>,
    /// Names for what is made out of a message.
    pub ids: Arc<MessageIds>,
    /// Where content goes that a check writes anew and that does not stay in memory.
    pub spool: Arc<Spool>,
    /// What all bodies together may hold in memory.
    pub budget: Arc<MemoryBudget>,
    /// The OpenPGP keys of recipients.
    pub keys: Current<Keyring>,
    /// The DNS as delivery asks it.
    pub dns: Arc<Dns>,
}

/// The checks with their services.
#[derive(Debug)]
pub struct Conditions {
    tools: CheckResources,
    directory: DirectoryClient,
    blackhole_lists: blackhole_lists::Lists,
    content_filter: content_filter::ContentInspector,
    /// The DNS as the sender check asks it.
    dns: ServiceByAccess<Vec<SocketAddr>>,
    antivirus: ServiceByAccess<ServiceAddress>,
    antispam: Engines,
    /// One place for each message that is being encrypted.
    encryptions: Arc<FairSemaphore>,
    /// By their positions in the settings: each has a breaker of its own.
    milters: [ServiceByAccess<ServiceAddress>; limits::MILTERS],
}

impl Conditions {
    /// Conditions whose services have not been asked yet.
    #[must_use]
    pub fn new(tools: CheckResources) -> Self {
        Self {
            tools,
            directory: DirectoryClient::default(),
            blackhole_lists: blackhole_lists::Lists::default(),
            content_filter: content_filter::ContentInspector::new(),
            dns: ServiceByAccess::new("DNS"),
            antivirus: ServiceByAccess::new("clamd"),
            antispam: Engines::new(),
            encryptions: FairSemaphore::new(limits::ENCRYPTIONS_AT_ONCE),
            milters: milter::NAMES.map(ServiceByAccess::new),
        }
    }

    /// Looks an address up in the blackhole lists of these settings, to try them out. Bounded
    /// by [`crate::limits::PROBE_WAIT`].
    pub async fn try_blackhole_lists(&self, settings: &Settings, address: IpAddr) -> TryOut {
        blackhole_lists::try_out(&self.tools.dns, settings, address).await
    }

    /// Asks the rules of the content filter about a message that is not on its way, all of them: also while
    /// the condition is off. Nothing is changed or sent.
    pub async fn test_content_filter(&self, settings: &Settings, message: Bytes) -> RuleAnswers {
        let rules = Arc::clone(&settings.conditions().content_rules);
        let share = Reservation::empty(Arc::clone(&self.tools.budget));
        self.content_filter.test(rules, message, share).await
    }

    /// The figures of the services that were asked since the start, for the dashboard.
    #[must_use]
    pub fn services(&self) -> Vec<ServiceFigures> {
        let Engines { rspamd, spamd, .. } = &self.antispam;
        let by_address = [&self.antivirus, rspamd, spamd].into_iter();
        let by_address = by_address.chain(&self.milters);
        let mut figures = self.blackhole_lists.figures();
        figures.extend(self.dns.figures());
        figures.extend(self.directory.figures());
        figures.extend(by_address.filter_map(ServiceByAccess::figures));
        figures
    }
}
