//! Content filter: the administrator's own rules are asked about header, text, attachments and size.
//!
//! Header and size are at hand. The parts of a message are only looked into when a rule asks for them: on a
//! thread of its own, a few messages at one time, each of bounded size, until a deadline, and within the memory
//! budget.

mod answers;
#[cfg(test)]
mod tests;

use std::future::{Future, ready};
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::check::{CheckFn, Concerns, ConditionCheck};
use super::draft::Draft;
use super::draft_reader::DraftReader;
use super::header::{Field, Header};
use super::service::{Asker, NoAnswer};
use super::verdict::{CheckAnswer, CheckVerdict, Edit};
use super::words;
use crate::clients::{ClientId, FairSemaphore};
use crate::limits;
use crate::message::{Reservation, TrustLevel};
use crate::settings::conditions::{Consequence, PreparedRule, WhenUnavailable};
use crate::settings::quantity::write_size;
use crate::smtp::reply::Reply;

use answers::NO_MEMORY;
pub use answers::{RuleAnswers, RuleSays, Ruling};

/// The field that tags a message.
const TAG: &str = "X-Content-Filter";

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    concerns: Concerns::All,
    tags: &[TAG],
    run: CheckFn::Message(|asked| {
        let rules = &asked.settings.conditions().content_rules;
        let filter = &asked.conditions.content_filter;
        Box::pin(filter.check(rules, asked.draft, asked.deadline))
    }),
};

/// Looks into messages, [`limits::CONTENT_LOOKS`] at one time.
#[derive(Debug)]
pub(super) struct ContentInspector {
    /// A look holds its place itself: it goes on for a moment when nobody waits for it.
    places: Arc<FairSemaphore>,
}

impl ContentInspector {
    pub(super) fn new() -> Self {
        Self {
            places: FairSemaphore::new(limits::CONTENT_LOOKS),
        }
    }

    /// Asks the rules about a message until `deadline`.
    pub(super) async fn check(
        &self,
        rules: &Arc<[PreparedRule]>,
        draft: &Draft,
        deadline: Instant,
    ) -> CheckVerdict {
        let asker = draft.asker(deadline, WhenUnavailable::Defer);
        let bytes = draft.arrived().body.len();
        let fields = draft.fields().to_vec();
        let answers = RuleAnswers::new(Arc::clone(rules), false);
        let answers = self.ask_about_header(answers, fields, bytes, asker.clone());
        let mut answers = answers.await;
        if answers.asks_parts() {
            let content = FilteredContent::Travelling(draft.reader(), draft.message().size_bytes());
            let mut share = draft.arrived().body.another_share();
            // It is we who look, and strangers who fill the memory must not keep us from it.
            share.set_standing(TrustLevel::Trusted);
            answers = self.ask_about_parts(answers, content, share, asker).await;
        }
        verdict(&answers)
    }

    /// Asks all rules about a message that is not on its way; `share` is empty.
    pub(super) async fn test(
        &self,
        rules: Arc<[PreparedRule]>,
        message: Bytes,
        share: Reservation,
    ) -> RuleAnswers {
        let asker = Asker {
            party: ClientId::Ourselves,
            deadline: Instant::now() + limits::CONTENT_WAIT,
            when_unavailable: WhenUnavailable::Defer,
        };
        let fields = Header::read(&message).fields().to_vec();
        let bytes = message.len() as u64;
        let answers = RuleAnswers::new(rules, true);
        let answers = self.ask_about_header(answers, fields, bytes, asker.clone());
        let content = FilteredContent::Given(message);
        self.ask_about_parts(answers.await, content, share, asker)
            .await
    }

    /// Asks here and now, unless there is so much to ask that others would wait for it.
    async fn ask_about_header(
        &self,
        mut answers: RuleAnswers,
        fields: Vec<Field>,
        bytes: u64,
        asker: Asker,
    ) -> RuleAnswers {
        let until = asker.deadline.into_std();
        if fields.len() * answers.all().count() <= limits::CONTENT_QUESTIONS_INLINE {
            answers.had_time = has_time(asker.deadline);
            answers.ask_about_header(&fields, bytes, until);
            return answers;
        }
        let ask = move |answers: &mut RuleAnswers, fields: Vec<Field>| {
            answers.ask_about_header(&fields, bytes, until);
        };
        self.aside(answers, asker, ready(Ok(fields)), ask).await
    }

    async fn ask_about_parts(
        &self,
        answers: RuleAnswers,
        content: FilteredContent,
        share: Reservation,
        asker: Asker,
    ) -> RuleAnswers {
        let until = asker.deadline.into_std();
        let of_content = share.another();
        let ask = move |answers: &mut RuleAnswers, content: Bytes| {
            answers.ask_about_parts(&content, &share, until);
        };
        let read = content.read(of_content, asker.deadline);
        self.aside(answers, asker, read, ask).await
    }

    /// Asks on a thread of its own about what `subject` comes to, when there is a place.
    async fn aside<T: Send + 'static>(
        &self,
        mut answers: RuleAnswers,
        asker: Asker,
        subject: impl Future<Output = Result<T, NoAnswer>>,
        ask: impl FnOnce(&mut RuleAnswers, T) + Send + 'static,
    ) -> RuleAnswers {
        let Asker {
            party, deadline, ..
        } = asker;
        let place = timeout_at(deadline, self.places.take(party)).await;
        let Ok(place) = place else {
            answers.cannot_be_asked(NoAnswer::NotAsked(TOO_LATE.to_owned()));
            return answers;
        };
        answers.had_time = has_time(deadline);
        // What is known already stays known when the rest cannot be asked.
        let mut known = answers.clone();
        let looking = async {
            let subject = subject.await?;
            // Nobody can end this from outside: it looks at the clock itself, and keeps its place until
            // it has.
            let looking = spawn_blocking(move || {
                let _place = place;
                ask(&mut answers, subject);
                answers
            });
            looking.await.map_err(|error| {
                tracing::error!(%error, "a look into a message failed");
                NoAnswer::CannotTell("looking into it failed".to_owned())
            })
        };
        let no_answer = match timeout_at(deadline, looking).await {
            Ok(Ok(answers)) => return answers,
            Ok(Err(no_answer)) => no_answer,
            Err(_) => NoAnswer::CannotTell(TOO_LATE.to_owned()),
        };
        known.cannot_be_asked(no_answer);
        known
    }
}

const TOO_LATE: &str = "it could not be looked into in time";

/// Others have left time to speak of.
fn has_time(deadline: Instant) -> bool {
    deadline.saturating_duration_since(Instant::now()) >= limits::SERVICE_FAIR_WAIT
}

/// A message that is to be looked into.
enum FilteredContent {
    /// As it would travel now, and its size.
    Travelling(DraftReader, u64),
    Given(Bytes),
}

impl FilteredContent {
    /// All of it, in memory that is counted in `share`. Waits for that until `deadline`.
    async fn read(self, mut share: Reservation, deadline: Instant) -> Result<Bytes, NoAnswer> {
        let (mut reader, bytes) = match self {
            Self::Given(bytes) => return Ok(bytes),
            Self::Travelling(reader, bytes) => (reader, bytes),
        };
        if bytes > limits::CONTENT_BYTES {
            let most = write_size(limits::CONTENT_BYTES);
            return Err(format!("it is larger than {most}").into());
        }
        if !share.grow_until(bytes, deadline).await {
            return Err(NoAnswer::NotAsked(NO_MEMORY.to_owned()));
        }
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        while let Some(block) = reader.next().await.map_err(unreadable)? {
            content.extend_from_slice(&block);
        }
        Ok(share.held_by(content))
    }
}

fn unreadable(error: std::io::Error) -> NoAnswer {
    NoAnswer::NotAsked(words::unreadable(error))
}

fn verdict(answers: &RuleAnswers) -> CheckVerdict {
    let (rule, what) = match answers.ruling() {
        Ruling::Nothing => return CheckVerdict::pass(),
        Ruling::CannotTell(rule, why) => {
            let why = format!("rule “{}” cannot be asked: {why}", rule.name);
            return CheckVerdict::without(match answers.had_time {
                true => NoAnswer::CannotTell(why),
                false => NoAnswer::NotAsked(why),
            });
        }
        Ruling::Won(rule, what) => (rule, what),
    };
    let sentence = format!("rule “{}”: {what}", rule.name);
    match &rule.consequence {
        Consequence::Refuse(said) => {
            let reply = Reply::refused_by_condition(said.as_str());
            CheckVerdict::of(CheckAnswer::Refuse(reply), sentence)
        }
        Consequence::Quarantine => CheckVerdict::of(CheckAnswer::Quarantine, sentence),
        Consequence::Tag(value) => {
            let tag = Edit::Prepend(Field::new(TAG, value));
            CheckVerdict::with(vec![tag], format!("tagged, {sentence}"))
        }
        Consequence::Redirect(address) => CheckVerdict::with(
            vec![Edit::Redirect(address.clone())],
            format!("redirected to {address}, {sentence}"),
        ),
        Consequence::Pass => CheckVerdict::of(CheckAnswer::Pass, sentence),
    }
}
