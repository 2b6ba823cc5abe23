//! A service that checks ask: how many ask it at once, how long they wait, and its circuit breaker.
//!
//! A service that is gone must not make every message wait for it. But its failure with one message may be
//! that message's fault, and the sender of such messages must not open the breaker for all others. So
//! failures with messages never open it: several in a row, of several clients, only make it half open. Then
//! the next check asks the service a *neutral question*, which has nothing to do with any message. Only a
//! failure of that opens the breaker, for a moment, and then the next neutral question decides. A service
//! that is down and refuses connections at once costs no time, and is asked again for each message.
//!
//! A message that passes without an answer is never let through untried: it is shown to the service for a
//! second, even while the breaker is open.
//!
//! For the same reason its connections are shared fairly: see [`FairSemaphore`].

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::clients::{ClientId, FairSemaphore};
use crate::limits;
use crate::settings::Settings;
use crate::settings::conditions::WhenUnavailable;

/// A service where it is reached, and what was learned of it there.
#[derive(Debug)]
pub(super) struct Service {
    name: Arc<str>,
    /// The connections that the settings allow.
    places: Arc<FairSemaphore>,
    known: Mutex<ServiceRecord>,
    /// Held while the neutral question is asked: one check asks it, and the others wait for the answer.
    asks_neutrally: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct ServiceRecord {
    asked: u64,
    failed: u64,
    /// Since its last answer.
    failures_in_a_row: u32,
    /// The clients whose messages it failed since, up to [`limits::SERVICE_DOUBTERS`].
    doubters: Vec<ClientId>,
    /// It has failed the neutral question: the breaker is open until then.
    open_until: Option<Instant>,
    /// Why it failed last.
    trouble: String,
    /// How long its last answer took; none before the first.
    took: Option<Duration>,
}

/// Who asks a service, and until when.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    /// The client whose message it is about.
    pub(super) party: ClientId,
    /// The end of the wait, also of that for a free connection.
    pub(super) deadline: Instant,
    /// What becomes of the message without an answer: one that would pass is shown to the service even while
    /// the breaker is open.
    pub(super) when_unavailable: WhenUnavailable,
}

impl Asker {
    /// An administrator, who asks the directory itself. Waits for its time-out and [`limits::LOOK_UP_TRY_WAIT`] at
    /// most.
    pub(super) fn of_try_out(settings: &Settings) -> Self {
        let timeout = Duration::from_secs(settings.directory.timeout_seconds);
        Self {
            party: ClientId::Ourselves,
            deadline: Instant::now() + timeout.min(limits::LOOK_UP_TRY_WAIT),
            when_unavailable: WhenUnavailable::Defer,
        }
    }
}

/// Why a question was not answered, in words that follow the service's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ServiceError {
    /// The service is down, too slow, or talks nonsense.
    #[error("{0}")]
    Service(String),
    /// It answers, but cannot check this one message.
    #[error("{0}")]
    Message(String),
    /// The message could not be shown to it, or for too short a time: the service is not to blame.
    #[error("{0}")]
    NotShown(String),
}

impl ServiceError {
    /// The same in other words.
    pub(super) fn map(self, words: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Service(why) => Self::Service(words(why)),
            Self::Message(why) => Self::Message(words(why)),
            Self::NotShown(why) => Self::NotShown(words(why)),
        }
    }
}

impl From<String> for ServiceError {
    fn from(why: String) -> Self {
        Self::Service(why)
    }
}

/// Why there is no answer about a message, in words that name the service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// The service was asked about the message, or has just failed a neutral question.
    #[error("{0}")]
    CannotTell(String),
    /// The service was not asked about the message, or for too short a time.
    #[error("{0}")]
    NotAsked(String),
}

impl From<String> for NoAnswer {
    fn from(why: String) -> Self {
        Self::CannotTell(why)
    }
}

/// The figures of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFigures {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it is asked.
    pub state: ServiceState,
    /// How often it was asked since the start, or since its address was set.
    pub asked: u64,
    /// How often it could not tell.
    pub failed: u64,
    /// Why it could not tell last; empty when it always could.
    pub trouble: String,
    /// How long its last answer took; none before the first.
    pub took: Option<Duration>,
}

/// Whether a service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// It is.
    Asked,
    /// Its breaker is open for this long; then the next message has a neutral question asked first.
    LeftAlone(Duration),
}

impl Service {
    /// A service that was never asked, with so many places.
    pub(super) fn new(name: impl Into<Arc<str>>, connections: u32) -> Self {
        Self {
            name: name.into(),
            places: FairSemaphore::new(connections as usize),
            known: Mutex::default(),
            asks_neutrally: tokio::sync::Mutex::default(),
        }
    }

    /// Asks `question`; before it the `neutral` one, when the service has failed others.
    ///
    /// # Errors
    /// Why there is no answer: the breaker is open, it is too late, or the question failed.
    pub(super) async fn ask<T>(
        &self,
        asker: Asker,
        question: impl Future<Output = Result<T, impl Into<ServiceError>>>,
        neutral: impl Future<Output = Result<(), String>>,
    ) -> Result<T, NoAnswer> {
        let Asker {
            party,
            deadline,
            when_unavailable,
        } = asker;
        let deadline = match self.is_worth_asking(deadline, neutral).await {
            Ok(()) => deadline,
            Err(NoAnswer::CannotTell(_)) if when_unavailable == WhenUnavailable::Pass => {
                Instant::now() + limits::SERVICE_BRIEF_WAIT
            }
            Err(no_answer) => return Err(no_answer),
        };
        let place = timeout_at(deadline, self.places.take(party.clone())).await;
        // That no connection was free says nothing about the service.
        let Ok(place) = place else {
            let why = format!("{} is asked by too many", self.name);
            return Err(NoAnswer::NotAsked(why));
        };
        let began = Instant::now();
        let answer = timeout_at(deadline, question).await;
        drop(place);
        let took = began.elapsed();
        let trouble = match answer {
            Ok(Ok(answer)) => {
                self.answered(took);
                return Ok(answer);
            }
            Ok(Err(trouble)) => trouble.into(),
            Err(_) => {
                let why = no_answer_within(took);
                // Other checks may have left nothing of the deadline: the service is not to blame.
                match took < limits::SERVICE_FAIR_WAIT {
                    true => ServiceError::NotShown(why),
                    false => ServiceError::Service(why),
                }
            }
        };
        Err(self.failed(trouble, party))
    }

    /// Whether messages are shown to it; asks the neutral question where the breaker is half open.
    async fn is_worth_asking(
        &self,
        deadline: Instant,
        neutral: impl Future<Output = Result<(), String>>,
    ) -> Result<(), NoAnswer> {
        if self.is_closed()? {
            return Ok(());
        }
        let asking = timeout_at(deadline, self.asks_neutrally.lock()).await;
        let Ok(_asking) = asking else {
            let why = format!("{} is being tried by others", self.name);
            return Err(NoAnswer::NotAsked(why));
        };
        // Another check may have found out meanwhile.
        if self.is_closed()? {
            return Ok(());
        }
        let began = Instant::now();
        let until = deadline.min(began + limits::SERVICE_NEUTRAL_WAIT);
        let answer = timeout_at(until, neutral).await;
        let took = began.elapsed();
        let told = |why: &str| format!("{} fails a neutral question: {why}", self.name);
        let why = match answer {
            Ok(Ok(())) => {
                self.trust(&mut self.known.lock());
                return Ok(());
            }
            Ok(Err(why)) => told(&why),
            Err(_) => {
                let why = told(&no_answer_within(took));
                if took < limits::SERVICE_FAIR_WAIT {
                    return Err(NoAnswer::NotAsked(why));
                }
                why
            }
        };
        self.failed_neutral(&why, took);
        Err(NoAnswer::CannotTell(why))
    }

    fn is_closed(&self) -> Result<bool, NoAnswer> {
        let known = self.known.lock();
        let Some(rest) = known.rest() else {
            return Ok(!known.has_failed_many());
        };
        if rest.is_zero() {
            return Ok(false);
        }
        let seconds = rest.as_secs().max(1);
        let why = format!("{} is left alone for {seconds} s more", self.name);
        Err(NoAnswer::CannotTell(why))
    }

    /// Its figures; none when it was never asked.
    pub(super) fn figures(&self) -> Option<ServiceFigures> {
        let known = self.known.lock();
        (known.asked > 0).then(|| ServiceFigures {
            name: Arc::clone(&self.name),
            state: match known.rest() {
                None => ServiceState::Asked,
                Some(rest) => ServiceState::LeftAlone(rest),
            },
            asked: known.asked,
            failed: known.failed,
            trouble: known.trouble.clone(),
            took: known.took,
        })
    }

    fn answered(&self, took: Duration) {
        let mut known = self.known.lock();
        known.asked += 1;
        known.took = Some(took);
        self.trust(&mut known);
    }

    fn trust(&self, known: &mut ServiceRecord) {
        if known.open_until.take().is_some() {
            tracing::info!(service = &*self.name, "answers again");
        }
        known.failures_in_a_row = 0;
        known.doubters.clear();
    }

    /// It has failed a message of `party`.
    fn failed(&self, trouble: ServiceError, party: ClientId) -> NoAnswer {
        let mut known = self.known.lock();
        known.asked += 1;
        known.failed += 1;
        let no_answer = match trouble.map(|why| format!("{}: {why}", self.name)) {
            ServiceError::Service(why) => {
                known.doubt(party);
                NoAnswer::CannotTell(why)
            }
            ServiceError::Message(why) => NoAnswer::CannotTell(why),
            ServiceError::NotShown(why) => NoAnswer::NotAsked(why),
        };
        known.trouble = no_answer.to_string();
        no_answer
    }

    fn failed_neutral(&self, why: &str, took: Duration) {
        let pause = limits::SERVICE_PAUSE.min(took * limits::SERVICE_PAUSE_FACTOR);
        let mut known = self.known.lock();
        why.clone_into(&mut known.trouble);
        let until = Instant::now() + pause;
        if known.open_until.replace(until).is_none() {
            tracing::warn!(service = &*self.name, %why, "left alone for a while");
        }
    }
}

fn no_answer_within(took: Duration) -> String {
    format!("no answer within {:.1} s", took.as_secs_f32())
}

impl ServiceRecord {
    /// The breaker is half open at least: a neutral question comes first.
    fn has_failed_many(&self) -> bool {
        self.doubters.len() >= limits::SERVICE_DOUBTERS
            || self.failures_in_a_row >= limits::SERVICE_FAILURES
    }

    /// How long the breaker stays open; none: it has failed no neutral question.
    fn rest(&self) -> Option<Duration> {
        let until = self.open_until?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    fn doubt(&mut self, party: ClientId) {
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        if self.doubters.len() < limits::SERVICE_DOUBTERS && !self.doubters.contains(&party) {
            self.doubters.push(party);
        }
    }
}
