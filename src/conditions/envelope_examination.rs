//! The checks that need no content, made before it comes: what cut-through asks at the first recipient.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::decision::{Condition, decide};
use super::directory::Freshness;
use super::examination::{bounded, judge, told};
use super::facts::{EnvelopeFacts, Facts};
use super::service::Asker;
use super::verdict::{Answer, Verdict};
use super::{Conditions, blackhole_lists, ldap_relaying, sender_check};
use crate::limits;
use crate::message::{DiskReason, Recipient};
use crate::settings::Settings;
use crate::settings::conditions::WhenUnavailable;
use crate::smtp::address::ReversePath;
use crate::smtp::reply::Reply;

/// An envelope that may pass.
#[derive(Debug)]
pub struct ExaminedEnvelope {
    /// What the checks said, for the trail; empty when no condition was present.
    pub words: String,
    /// Why the message takes the standard path all the same, or its content has to be seen first.
    pub standard_path: Option<DiskReason>,
}

impl Conditions {
    /// Looks into a message before its content. Bounded by [`limits::CUT_THROUGH_EXAMINATION_WAIT`].
    ///
    /// # Errors
    /// The reply to a message that may not pass.
    pub async fn examine_envelope(
        &self,
        envelope: EnvelopeFacts<'_>,
        settings: &Settings,
    ) -> Result<ExaminedEnvelope, Reply> {
        if !settings.conditions().any {
            return Ok(ExaminedEnvelope {
                words: String::new(),
                standard_path: None,
            });
        }
        let wait = limits::CUT_THROUGH_EXAMINATION_WAIT;
        let deadline = Instant::now() + wait;
        // Boxed: a message without conditions does not carry the room that checks take.
        let running = Box::pin(self.run_on_envelope(envelope, settings, deadline));
        timeout(wait, running)
            .await
            .unwrap_or_else(|_| Err(Reply::unchecked()))
    }

    async fn run_on_envelope(
        &self,
        envelope: EnvelopeFacts<'_>,
        settings: &Settings,
        deadline: Instant,
    ) -> Result<ExaminedEnvelope, Reply> {
        let decision = decide(&Facts::before_content(envelope), settings);
        let mut standard_path = decision.standard_path().map(Condition::reason);
        let mut words = Vec::new();
        for present in &decision.present {
            let condition = &present.condition;
            let checked = self.check_envelope(condition, envelope, settings, deadline);
            let Some(verdict) = checked.await else {
                standard_path.get_or_insert_with(|| condition.reason());
                continue;
            };
            if matches!(verdict.answer, Answer::Quarantine) {
                standard_path.get_or_insert_with(|| condition.reason());
            }
            let (what, reply) = judge(condition, verdict.answer, &verdict.words, settings, None);
            words.push(told(condition, what, &verdict.words));
            if let Some(reply) = reply {
                return Err(reply);
            }
        }
        Ok(ExaminedEnvelope {
            words: bounded(words.join("; ")),
            standard_path,
        })
    }

    /// One check; none when it needs the content.
    async fn check_envelope(
        &self,
        condition: &Condition,
        envelope: EnvelopeFacts<'_>,
        settings: &Settings,
        deadline: Instant,
    ) -> Option<Verdict> {
        let asker = |seconds, when_unavailable: WhenUnavailable| Asker {
            party: envelope.client.party(),
            deadline: deadline.min(Instant::now() + Duration::from_secs(seconds)),
            when_unavailable,
        };
        match condition {
            Condition::SenderCheck => {
                let asked = &settings.sender_check;
                let asker = asker(asked.timeout_seconds, asked.when_unavailable);
                Some(self.check_sender(settings, envelope.sender, asker).await)
            }
            Condition::BlackholeLists => {
                let asked = &settings.blackhole_lists;
                let asker = asker(asked.timeout_seconds, asked.when_unavailable);
                let client = envelope.client.address;
                Some(self.check_client(settings, client, asker).await)
            }
            Condition::LdapRelaying => {
                let seconds = settings.directory.timeout_seconds;
                let asker = asker(seconds, settings.ldap_relaying.when_unavailable);
                Some(self.route(settings, envelope.recipients, asker).await)
            }
            // Its presence is all there is to it.
            Condition::Own(_) => Some(Verdict::pass()),
            Condition::ContentFilter
            | Condition::Antivirus
            | Condition::Antispam
            | Condition::LdapMasquerading
            | Condition::Milter(_)
            | Condition::Encryption
            | Condition::ReceivedFor => None,
        }
    }

    /// The sender check.
    pub(super) async fn check_sender(
        &self,
        settings: &Settings,
        sender: &ReversePath,
        asker: Asker,
    ) -> Verdict {
        sender_check::check(&self.dns, &self.tools.dns, settings, sender, asker).await
    }

    /// The blackhole lists.
    pub(super) async fn check_client(
        &self,
        settings: &Settings,
        client: Option<IpAddr>,
        asker: Asker,
    ) -> Verdict {
        let lists = &self.blackhole_lists;
        blackhole_lists::check(lists, &self.tools.dns, settings, client, asker).await
    }

    /// LDAP relaying.
    pub(super) async fn route(
        &self,
        settings: &Settings,
        recipients: &[Recipient],
        asker: Asker,
    ) -> Verdict {
        if !settings.ldap_relaying.enabled {
            return Verdict::pass();
        }
        let look_up = ldap_relaying::LookUp {
            directory: &self.directory,
            settings,
            hostname: &self.tools.hostname,
            freshness: Freshness::Remembered,
            asker,
        };
        ldap_relaying::check(look_up, recipients).await
    }
}
