//! The checks that need no content, made before it comes: what cut-through asks at the first recipient.

use tokio::time::{Instant, timeout};

use super::check::{CheckFn, EnvelopeCheck};
use super::check_of;
use super::decision::{Condition, decide};
use super::facts::{EnvelopeFacts, MessageFacts};
use super::pipeline::{bounded, judge, told};
use super::service::Asker;
use super::services::Conditions;
use super::verdict::{CheckAnswer, CheckVerdict};
use crate::limits;
use crate::message::DiskReason;
use crate::settings::Settings;
use crate::smtp::reply::Reply;

/// An envelope that may pass.
#[derive(Debug, Default)]
pub struct EnvelopeOutcome {
    /// What the checks said, for the trail; empty when no condition was present.
    pub words: String,
    /// Why the message takes the standard path all the same, or its content has to be seen first.
    pub standard_path: Option<DiskReason>,
}

impl Conditions {
    /// Checks a message before its content. Bounded by [`limits::CUT_THROUGH_EXAMINATION_WAIT`].
    ///
    /// # Errors
    /// The reply to a message that may not pass.
    pub async fn check_envelope(
        &self,
        envelope: EnvelopeFacts<'_>,
        settings: &Settings,
    ) -> Result<EnvelopeOutcome, Reply> {
        if !settings.conditions().any {
            return Ok(EnvelopeOutcome::default());
        }
        let wait = limits::CUT_THROUGH_EXAMINATION_WAIT;
        let deadline = Instant::now() + wait;
        // Boxed: a message without conditions does not carry the room that checks take.
        let running = Box::pin(self.run_on_envelope(envelope, settings, deadline));
        let checked = timeout(wait, running).await;
        checked.unwrap_or(Err(Reply::UNCHECKED))
    }

    async fn run_on_envelope(
        &self,
        envelope: EnvelopeFacts<'_>,
        settings: &Settings,
        deadline: Instant,
    ) -> Result<EnvelopeOutcome, Reply> {
        let decision = decide(&MessageFacts::before_content(envelope), settings);
        let mut standard_path = decision.standard_path().map(Condition::reason);
        let mut words = Vec::new();
        for present in &decision.present {
            let condition = &present.condition;
            let policy = settings.policy(condition.kind);
            let own_deadline = policy.timeout.map(|timeout| Instant::now() + timeout);
            let verdict = match check_of(condition.kind).run {
                CheckFn::Nothing => CheckVerdict::pass(),
                CheckFn::Envelope(run) => {
                    let asker = Asker {
                        party: envelope.client.party(),
                        deadline: own_deadline.map_or(deadline, |own| own.min(deadline)),
                        when_unavailable: policy.when_unavailable,
                    };
                    let asked = EnvelopeCheck {
                        conditions: self,
                        settings,
                        envelope,
                        asker,
                    };
                    run(asked).await
                }
                // It needs the content.
                CheckFn::Message(_) => {
                    standard_path.get_or_insert_with(|| condition.reason());
                    continue;
                }
            };
            if matches!(verdict.answer, CheckAnswer::Quarantine) {
                standard_path.get_or_insert_with(|| condition.reason());
            }
            let (what, reply) = judge(condition, verdict.answer, &verdict.words, settings, None);
            words.push(told(condition, what, &verdict.words));
            if let Some(reply) = reply {
                return Err(reply);
            }
        }
        Ok(EnvelopeOutcome {
            words: bounded(words.join("; ")),
            standard_path,
        })
    }
}
