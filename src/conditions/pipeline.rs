//! Figure 4 carried out: the checks of the conditions that are present run one after the other, and the
//! first decisive answer wins.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::check::{CheckFn, EnvelopeCheck, MessageCheck};
use super::decision::{Condition, Decision, decide};
use super::draft::{Draft, NotApplied};
use super::facts::{ContentFacts, Coverage, EnvelopeFacts, MessageFacts};
use super::services::Conditions;
use super::verdict::{CheckAnswer, CheckVerdict};
use super::{check_of, encryption, words};
use crate::limits;
use crate::message::{DiskReason, Message, MessageId, Recipient};
use crate::settings::Settings;
use crate::settings::conditions::{ConditionKind, WhenUnavailable};
use crate::smtp::reply::Reply;

/// A message to be checked.
#[derive(Debug)]
pub struct CheckRun<'a> {
    /// As it arrived.
    pub message: &'a Arc<Message>,
    /// What MAIL declared with SIZE.
    pub declared_size: Option<u64>,
    /// The snapshot that was taken at MAIL.
    pub settings: &'a Settings,
    /// The acknowledgement deadline: it binds checks of a message that stays on the fast path.
    pub deadline: Instant,
}

/// What came of the checks.
#[derive(Debug)]
pub struct CheckOutcome {
    /// What the checks said, for the trail; empty when no condition was present.
    pub words: String,
    /// The message that may be taken, or the reply that refuses or defers it.
    pub result: Result<Accepted, Reply>,
}

/// A message that may be taken.
#[derive(Debug)]
pub struct Accepted {
    /// As it travels: one message, or several where a condition makes several of one.
    pub messages: Vec<Arc<Message>>,
    /// Step 402: why it takes the standard path; none when no condition says so.
    pub standard_path: Option<DiskReason>,
    /// It is kept back in the queue; none when it is not.
    pub quarantine: Option<QuarantineCause>,
    /// Recipients that were refused by themselves, and why: their failure is reported. The reports have
    /// to be durable before the reply, so that there is a reason for the standard path then.
    pub refused: Vec<(Recipient, Reply)>,
}

/// Why a message is kept back.
#[derive(Clone, Debug)]
pub struct QuarantineCause {
    /// The condition.
    pub reason: DiskReason,
    /// What it found.
    pub words: String,
}

impl CheckOutcome {
    fn not_taken(words: impl Into<String>, reply: Reply) -> Self {
        Self {
            words: words.into(),
            result: Err(reply),
        }
    }
}

impl Conditions {
    /// Checks a message. Bounded by the time-outs of the checks, by [`limits::EXAMINATION_WAIT`] for all
    /// of them, and by the acknowledgement deadline where no condition disables the fast path; ends at once
    /// at `shutdown`.
    pub async fn check(&self, run: CheckRun<'_>, shutdown: &CancellationToken) -> CheckOutcome {
        let running = self.run(&run);
        tokio::pin!(running);
        let outcome = tokio::select! {
            biased;
            outcome = &mut running => outcome,
            () = shutdown.cancelled() => {
                CheckOutcome::not_taken("ended by our shutdown", Reply::LOCAL_ERROR)
            }
            () = sleep(limits::EXAMINATION_WAIT) => {
                CheckOutcome::not_taken("the checks together took too long", Reply::UNCHECKED)
            }
        };
        CheckOutcome {
            words: bounded(outcome.words),
            ..outcome
        }
    }

    /// For which recipients there is an OpenPGP key now.
    fn coverage(&self, settings: &Settings, recipients: &[Recipient]) -> Coverage {
        let keyring = self.tools.keys.snapshot();
        encryption::coverage(&settings.encryption, &keyring, recipients, Timestamp::now())
    }

    async fn run(&self, run: &CheckRun<'_>) -> CheckOutcome {
        let message = run.message;
        let draft = match Draft::of(Arc::clone(message)).await {
            Ok(draft) => draft,
            Err(error) if error.kind() == ErrorKind::OutOfMemory => {
                let words = "there is no memory for looking into its header";
                tracing::warn!(id = %message.id, "{words}");
                return CheckOutcome::not_taken(words, Reply::INSUFFICIENT_STORAGE);
            }
            Err(error) => {
                let words = words::unreadable(error);
                tracing::error!(id = %message.id, %words, "not looked into");
                return CheckOutcome::not_taken(words, Reply::LOCAL_ERROR);
            }
        };
        let facts = MessageFacts {
            envelope: EnvelopeFacts::of(message, run.declared_size),
            content: Some(ContentFacts {
                size_bytes: message.body.len(),
                header: draft.header(),
                keys: self.coverage(run.settings, &message.envelope.recipients),
            }),
        };
        let decision = decide(&facts, run.settings);
        if !decision.present.is_empty() && !draft.has_readable_header() {
            // What is in a header that is not read as a whole cannot be told, nor taken out.
            let words = "its header is too long to be looked into";
            tracing::info!(id = %message.id, "{words}");
            return CheckOutcome::not_taken(words, Reply::HEADER_TOO_LONG);
        }
        let mut pipeline = Pipeline {
            conditions: self,
            run,
            standard_path: decision.standard_path().map(Condition::reason),
            draft,
            words: Vec::new(),
            quarantine: None,
        };
        let result = pipeline.follow(&decision).await;
        CheckOutcome {
            words: pipeline.words.join("; "),
            result,
        }
    }
}

/// A run of checks under way.
struct Pipeline<'a> {
    conditions: &'a Conditions,
    run: &'a CheckRun<'a>,
    standard_path: Option<DiskReason>,
    draft: Draft,
    words: Vec<String>,
    quarantine: Option<QuarantineCause>,
}

impl Pipeline<'_> {
    async fn follow(&mut self, decision: &Decision) -> Result<Accepted, Reply> {
        for present in &decision.present {
            let condition = &present.condition;
            let verdict = self.run_check(condition).await;
            self.take(condition, verdict)?;
        }
        self.encrypt_for_others(decision).await?;
        if self.draft.envelope.recipients.is_empty() {
            self.words.push("no recipient is left".to_owned());
            return Err(Reply::NO_VALID_RECIPIENTS);
        }
        Ok(Accepted {
            messages: self.draft.messages(&self.conditions.tools),
            standard_path: self.standard_path.clone(),
            quarantine: self.quarantine.clone(),
            refused: self.draft.refused().to_vec(),
        })
    }

    /// Conditions may have put others in the place of the recipients that arrived: those have keys, too.
    async fn encrypt_for_others(&mut self, decision: &Decision) -> Result<(), Reply> {
        let CheckRun {
            message, settings, ..
        } = self.run;
        let condition = Condition::at(ConditionKind::Encryption, 0, settings);
        let mut present = decision.present.iter();
        let recipients = &self.draft.envelope.recipients;
        if present.any(|present| present.condition == condition)
            || *recipients == message.envelope.recipients
        {
            return Ok(());
        }
        let keys = self.conditions.coverage(settings, recipients);
        if !encryption::concerns(keys, self.draft.fields(), settings) {
            return Ok(());
        }
        self.standard_path.get_or_insert_with(|| condition.reason());
        let verdict = self.run_check(&condition).await;
        self.take(&condition, verdict)
    }

    async fn run_check(&self, condition: &Condition) -> CheckVerdict {
        let settings = self.run.settings;
        let (conditions, draft) = (self.conditions, &self.draft);
        let policy = settings.policy(condition.kind);
        let deadline = self.deadline(policy.timeout);
        let check = check_of(condition.kind);
        let verdict = match check.run {
            CheckFn::Nothing => CheckVerdict::pass(),
            CheckFn::Envelope(run) => {
                let envelope = EnvelopeCheck {
                    conditions,
                    settings,
                    envelope: draft.envelope_facts(),
                    asker: draft.asker(deadline, policy.when_unavailable),
                };
                run(envelope).await
            }
            CheckFn::Message(run) => {
                let message = MessageCheck {
                    conditions,
                    settings,
                    draft,
                    deadline,
                    position: condition.position,
                };
                run(message).await
            }
        };
        verdict.behind(draft.forged(check.tags))
    }

    /// The end of a check's time.
    fn deadline(&self, timeout: Option<Duration>) -> Instant {
        let deadline = Instant::now() + timeout.unwrap_or(limits::EXAMINATION_WAIT);
        match self.standard_path {
            Some(_) => deadline,
            None => deadline.min(self.run.deadline),
        }
    }

    /// Takes a verdict in.
    ///
    /// # Errors
    /// The reply that ends the run.
    fn take(&mut self, condition: &Condition, verdict: CheckVerdict) -> Result<(), Reply> {
        let CheckVerdict {
            answer,
            edits,
            words,
        } = verdict;
        if matches!(answer, CheckAnswer::Quarantine) {
            self.quarantine.get_or_insert(QuarantineCause {
                reason: condition.reason(),
                words: format!("{condition}: {words}"),
            });
        }
        let id = Some(self.run.message.id);
        let (what, reply) = judge(condition, answer, &words, self.run.settings, id);
        self.words.push(told(condition, what, &words));
        if let Some(reply) = reply {
            return Err(reply);
        }
        let refused_before = self.draft.refused().len();
        let applied = self.draft.apply(edits);
        if self.draft.refused().len() > refused_before {
            self.standard_path.get_or_insert_with(|| condition.reason());
        }
        let Err(error) = applied else {
            return Ok(());
        };
        let id = self.run.message.id;
        tracing::error!(%id, %condition, %error, "the changes of a check cannot be made");
        self.words.push(format!("{condition}: {error}"));
        Err(match error {
            NotApplied::TooManyRecipients => Reply::TOO_MANY_ADDED,
            NotApplied::EndlessHeader => Reply::HEADER_TOO_LONG,
        })
    }
}

/// What a check's answer means for the message: a word for the trail, and the reply when it does not pass.
/// `id`: none before the content.
pub(super) fn judge(
    condition: &Condition,
    answer: CheckAnswer,
    why: &str,
    settings: &Settings,
    id: Option<MessageId>,
) -> (&'static str, Option<Reply>) {
    let id = id.map(tracing::field::display);
    match answer {
        CheckAnswer::Pass => ("passed", None),
        CheckAnswer::Refuse(reply) => ("refused", Some(reply)),
        CheckAnswer::Defer(reply) => ("deferred", Some(reply)),
        CheckAnswer::Quarantine => ("quarantined", None),
        CheckAnswer::CannotTell => {
            tracing::warn!(id, %condition, %why, "a check cannot tell");
            match settings.policy(condition.kind).when_unavailable {
                WhenUnavailable::Pass => ("passed unchecked", None),
                WhenUnavailable::Defer => ("deferred", Some(Reply::UNCHECKED)),
            }
        }
        CheckAnswer::NotAsked => {
            tracing::warn!(id, %condition, %why, "a check could not be made");
            ("deferred", Some(Reply::UNCHECKED))
        }
    }
}

/// What a check said, for the trail.
pub(super) fn told(condition: &Condition, what: &str, words: &str) -> String {
    match words {
        "" => format!("{condition}: {what}"),
        words => format!("{condition}: {what}, {words}"),
    }
}

/// Cut to [`limits::EXAMINATION_WORDS_BYTES`].
pub(super) fn bounded(mut words: String) -> String {
    if words.len() > limits::EXAMINATION_WORDS_BYTES {
        words.truncate(words.floor_char_boundary(limits::EXAMINATION_WORDS_BYTES));
        words.push('…');
    }
    words
}
