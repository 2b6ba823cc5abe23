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
use super::services::Conditions;
use super::verdict::{CheckAnswer, CheckVerdict, Edit};
use super::words;
use crate::clients::{ClientId, FairSemaphore};
use crate::limits;
use crate::message::{Reservation, TrustLevel};
use crate::settings::Settings;
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
        let places = &asked.conditions.content_looks;
        Box::pin(check(places, rules, asked.draft, asked.deadline))
    }),
};

/// Asks the rules about a message until `deadline`. A look into it holds one of the `places` itself: it goes on for
/// a moment when nobody waits for it.
async fn check(
    places: &Arc<FairSemaphore>,
    rules: &Arc<[PreparedRule]>,
    draft: &Draft,
    deadline: Instant,
) -> CheckVerdict {
    let asker = draft.asker(deadline, WhenUnavailable::Defer);
    let bytes = draft.arrived().body.len();
    let fields = draft.fields().to_vec();
    let answers = RuleAnswers::new(Arc::clone(rules), false);
    let mut answers = ask_about_header(places, answers, fields, bytes, asker.clone()).await;
    if answers.asks_parts() {
        let mut share = draft.arrived().body.another_share();
        // It is we who look, and strangers who fill the memory must not keep us from it.
        share.set_standing(TrustLevel::Trusted);
        let bytes = draft.message().size_bytes();
        let content = content_of(draft.reader(), bytes, share.another(), deadline);
        answers = ask_about_parts(places, answers, content, share, asker).await;
    }
    verdict(&answers)
}

impl Conditions {
    /// Asks the rules of the content filter about a message that is not on its way, all of them: also while
    /// the condition is off. Nothing is changed or sent.
    pub async fn test_content_filter(&self, settings: &Settings, message: Bytes) -> RuleAnswers {
        let rules = Arc::clone(&settings.conditions().content_rules);
        let share = Reservation::empty(Arc::clone(&self.tools.budget));
        test(&self.content_looks, rules, message, share).await
    }
}

/// Asks all rules about a message that is not on its way; `share` is empty.
async fn test(
    places: &Arc<FairSemaphore>,
    rules: Arc<[PreparedRule]>,
    message: Bytes,
    share: Reservation,
) -> RuleAnswers {
    let asker = Asker {
        party: ClientId::Ourselves,
        deadline: Instant::now() + limits::CONTENT_WAIT,
        when_unavailable: WhenUnavailable::Defer,
    };
    let fields = Header::read(&message).fields;
    let bytes = message.len() as u64;
    let answers = RuleAnswers::new(rules, true);
    let answers = ask_about_header(places, answers, fields, bytes, asker.clone()).await;
    ask_about_parts(places, answers, ready(Ok(message)), share, asker).await
}

/// Asks here and now, unless there is so much to ask that others would wait for it.
async fn ask_about_header(
    places: &Arc<FairSemaphore>,
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
    aside(places, answers, asker, ready(Ok(fields)), ask).await
}

async fn ask_about_parts(
    places: &Arc<FairSemaphore>,
    answers: RuleAnswers,
    content: impl Future<Output = Result<Bytes, NoAnswer>>,
    share: Reservation,
    asker: Asker,
) -> RuleAnswers {
    let until = asker.deadline.into_std();
    let ask = move |answers: &mut RuleAnswers, content: Bytes| {
        answers.ask_about_parts(&content, &share, until);
    };
    aside(places, answers, asker, content, ask).await
}

/// Asks on a thread of its own about what `subject` comes to, when there is a place.
async fn aside<T: Send + 'static>(
    places: &Arc<FairSemaphore>,
    mut answers: RuleAnswers,
    asker: Asker,
    subject: impl Future<Output = Result<T, NoAnswer>>,
    ask: impl FnOnce(&mut RuleAnswers, T) + Send + 'static,
) -> RuleAnswers {
    let Asker {
        party, deadline, ..
    } = asker;
    let Ok(place) = timeout_at(deadline, places.take(party)).await else {
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

const TOO_LATE: &str = "it could not be looked into in time";

/// Others have left time to speak of.
fn has_time(deadline: Instant) -> bool {
    deadline.saturating_duration_since(Instant::now()) >= limits::SERVICE_FAIR_WAIT
}

/// All of a message of so many bytes, in memory that is counted in `share`. Waits for that until `deadline`.
async fn content_of(
    mut reader: DraftReader,
    bytes: u64,
    mut share: Reservation,
    deadline: Instant,
) -> Result<Bytes, NoAnswer> {
    if bytes > limits::CONTENT_BYTES {
        let most = write_size(limits::CONTENT_BYTES);
        return Err(format!("it is larger than {most}").into());
    }
    if !share.grow_until(bytes, deadline).await {
        return Err(NoAnswer::NotAsked(NO_MEMORY.to_owned()));
    }
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    let unreadable = |error| NoAnswer::NotAsked(words::unreadable(error));
    while let Some(block) = reader.next().await.map_err(unreadable)? {
        content.extend_from_slice(&block);
    }
    Ok(share.held_by(content))
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
