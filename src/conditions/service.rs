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

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout_at};

use crate::clients::{ClientId, FairSemaphore};
use crate::limits;
use crate::settings::conditions::WhenUnavailable;

/// A service where it is reached, and what was learned of it there.
#[derive(Debug)]
pub struct Service {
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
pub struct Asker {
    /// The client whose message it is about.
    pub party: ClientId,
    /// The end of the wait, also of that for a free connection.
    pub deadline: Instant,
    /// What becomes of the message without an answer: one that would pass is shown to the service even while
    /// the breaker is open.
    pub when_unavailable: WhenUnavailable,
}

/// Why a question was not answered.
#[derive(Debug)]
pub enum ServiceError {
    /// The service is down, too slow, or talks nonsense.
    Service(String),
    /// It answers, but cannot check this one message.
    Message(String),
    /// The message could not be shown to it, or for too short a time: the service is not to blame.
    NotShown(String),
}

impl From<String> for ServiceError {
    fn from(why: String) -> Self {
        Self::Service(why)
    }
}

/// Why there is no answer about a message, in words that name the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The service was asked about the message, or has just failed a neutral question.
    CannotTell(String),
    /// The service was not asked about the message, or for too short a time.
    NotAsked(String),
}

impl From<String> for NoAnswer {
    fn from(why: String) -> Self {
        Self::CannotTell(why)
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::CannotTell(why) | Self::NotAsked(why)) = self;
        formatter.write_str(why)
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

/// The breaker before a service.
enum BreakerState {
    /// Messages are shown to it.
    Closed,
    /// A neutral question comes first.
    HalfOpen,
    /// No message is shown to it, for this long.
    Open(Duration),
}

impl Service {
    /// A service that was never asked, with so many places.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, connections: u32) -> Self {
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
    pub async fn ask<T>(
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
                self.answered_neutral();
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
        match self.known().breaker() {
            BreakerState::Closed => Ok(true),
            BreakerState::HalfOpen => Ok(false),
            BreakerState::Open(rest) => {
                let seconds = rest.as_secs().max(1);
                let why = format!("{} is left alone for {seconds} s more", self.name);
                Err(NoAnswer::CannotTell(why))
            }
        }
    }

    /// Its figures; none when it was never asked.
    #[must_use]
    pub fn figures(&self) -> Option<ServiceFigures> {
        let known = self.known();
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
        let mut known = self.known();
        known.asked += 1;
        known.took = Some(took);
        self.trust(&mut known);
    }

    fn answered_neutral(&self) {
        self.trust(&mut self.known());
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
        let mut known = self.known();
        known.asked += 1;
        known.failed += 1;
        let told = |why: String| format!("{}: {why}", self.name);
        let (why, no_answer): (String, fn(String) -> NoAnswer) = match trouble {
            ServiceError::Service(why) => {
                known.doubt(party);
                (told(why), NoAnswer::CannotTell)
            }
            ServiceError::Message(why) => (told(why), NoAnswer::CannotTell),
            ServiceError::NotShown(why) => (told(why), NoAnswer::NotAsked),
        };
        why.clone_into(&mut known.trouble);
        no_answer(why)
    }

    fn failed_neutral(&self, why: &str, took: Duration) {
        let pause = limits::SERVICE_PAUSE.min(took * limits::SERVICE_PAUSE_FACTOR);
        let mut known = self.known();
        why.clone_into(&mut known.trouble);
        let until = Instant::now() + pause;
        if known.open_until.replace(until).is_none() {
            tracing::warn!(service = &*self.name, %why, "left alone for a while");
        }
    }

    /// Each change is a single step: what a panic leaves is whole.
    fn known(&self) -> MutexGuard<'_, ServiceRecord> {
        self.known.lock()
    }
}

fn no_answer_within(took: Duration) -> String {
    format!("no answer within {:.1} s", took.as_secs_f32())
}

impl ServiceRecord {
    fn breaker(&self) -> BreakerState {
        let has_failed_many = self.doubters.len() >= limits::SERVICE_DOUBTERS
            || self.failures_in_a_row >= limits::SERVICE_FAILURES;
        match self.rest() {
            Some(rest) if !rest.is_zero() => BreakerState::Open(rest),
            Some(_) => BreakerState::HalfOpen,
            None if has_failed_many => BreakerState::HalfOpen,
            None => BreakerState::Closed,
        }
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
