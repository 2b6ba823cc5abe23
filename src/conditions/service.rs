//! A service that checks ask: how many ask it at once, how long they wait, and when it is left alone.
//!
//! A service that fails several times in a row is left alone for a while, so that its time-outs do not
//! become everybody's; then one check tries it again.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::limits;

/// A service, and what was learned of it.
#[derive(Debug)]
pub struct Service {
    name: Arc<str>,
    /// Never closed; its permits are the connections that the settings allow, see [`Self::resize`].
    places: Semaphore,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Connections that the semaphore stands for.
    places: usize,
    asked: u64,
    failed: u64,
    failures_in_a_row: u32,
    /// Left alone until then.
    paused_until: Option<Instant>,
    /// Why it failed last.
    trouble: String,
    /// How long its last answer took; none before the first.
    took: Option<Duration>,
}

/// Why a service cannot tell.
#[derive(Debug)]
pub enum Trouble {
    /// It is down, too slow, or talks nonsense.
    Service(String),
    /// It answers, but has nothing to say of this one message; or we cannot show it. Whoever sends such
    /// messages must not be able to have it left alone for everybody.
    Message(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self::Service(why)
    }
}

/// What a check teaches of a service.
#[derive(Clone, Copy, Debug)]
enum Lesson<'a> {
    /// It answers.
    Fine,
    /// It fails, for this reason.
    Fails(&'a str),
    /// Nothing that concerns others; why it could not tell.
    Nothing(&'a str),
}

/// How a service fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFigures {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it is asked.
    pub state: ServiceState,
    /// How often it was asked since the start.
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
    /// It is left alone for so long.
    LeftAlone(Duration),
}

impl Service {
    /// A service that was never asked.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            places: Semaphore::new(0),
            known: Mutex::default(),
        }
    }

    /// Asks, at most `connections` at once and until `deadline`, waiting for a free one included.
    ///
    /// # Errors
    /// Why it cannot tell: left alone, too late, or what `question` came to.
    pub async fn ask<T>(
        &self,
        connections: u32,
        deadline: Instant,
        question: impl Future<Output = Result<T, impl Into<Trouble>>>,
    ) -> Result<T, String> {
        self.resize(connections);
        if let Some(pause) = self.pause() {
            let seconds = pause.as_secs().max(1);
            return Err(format!("{} is left alone for {seconds} s more", self.name));
        }
        let place = timeout_at(deadline, self.places.acquire()).await;
        // Whoever found no place says nothing about the service.
        let Ok(place) = place else {
            return Err(format!("{} is asked by too many", self.name));
        };
        let place = place.expect("the semaphore is never closed");
        let began = Instant::now();
        let answer = timeout_at(deadline, question).await;
        drop(place);
        let took = began.elapsed();
        let told = |why: &str| format!("{}: {why}", self.name);
        match answer {
            Ok(Ok(answer)) => {
                self.learn(Lesson::Fine, took);
                Ok(answer)
            }
            Ok(Err(trouble)) => {
                let (why, is_of_service) = match trouble.into() {
                    Trouble::Service(why) => (told(&why), true),
                    Trouble::Message(why) => (told(&why), false),
                };
                self.learn(lesson(&why, is_of_service), took);
                Err(why)
            }
            Err(_) => {
                let why = told(&format!("no answer within {:.1} s", took.as_secs_f32()));
                // What others have left of a deadline may be nothing, which is no service's fault.
                self.learn(lesson(&why, took >= limits::SERVICE_FAIR_WAIT), took);
                Err(why)
            }
        }
    }

    /// How it fares; none when it was never asked.
    #[must_use]
    pub fn figures(&self) -> Option<ServiceFigures> {
        let known = self.known();
        let now = Instant::now();
        let pause = known.paused_until.filter(|until| *until > now);
        (known.asked > 0).then(|| ServiceFigures {
            name: Arc::clone(&self.name),
            state: pause.map_or(ServiceState::Asked, |until| {
                ServiceState::LeftAlone(until.saturating_duration_since(now))
            }),
            asked: known.asked,
            failed: known.failed,
            trouble: known.trouble.clone(),
            took: known.took,
        })
    }

    /// Other settings, other places; those that are taken are given back first.
    fn resize(&self, connections: u32) {
        let wanted = connections as usize;
        let mut known = self.known();
        if wanted > known.places {
            self.places.add_permits(wanted - known.places);
            known.places = wanted;
        } else if wanted < known.places {
            known.places -= self.places.forget_permits(known.places - wanted);
        }
    }

    /// How long it is left alone; the first who comes when that is over tries it, and the others wait
    /// for what comes of that.
    fn pause(&self) -> Option<Duration> {
        let mut known = self.known();
        let until = known.paused_until?;
        let now = Instant::now();
        if now < until {
            return Some(until - now);
        }
        known.paused_until = Some(now + limits::SERVICE_PAUSE);
        None
    }

    fn learn(&self, lesson: Lesson<'_>, took: Duration) {
        let mut known = self.known();
        known.asked += 1;
        match lesson {
            Lesson::Fine => {
                if known.paused_until.take().is_some() {
                    tracing::info!(service = &*self.name, "answers again");
                }
                known.failures_in_a_row = 0;
                known.took = Some(took);
            }
            Lesson::Nothing(why) => {
                known.failed += 1;
                why.clone_into(&mut known.trouble);
                // Whoever tried it has learnt nothing: the next one tries.
                if known.paused_until.is_some() {
                    known.paused_until = Some(Instant::now());
                }
            }
            Lesson::Fails(why) => {
                known.failed += 1;
                known.failures_in_a_row += 1;
                why.clone_into(&mut known.trouble);
                if known.failures_in_a_row >= limits::SERVICE_FAILURES {
                    if known.paused_until.is_none() {
                        tracing::warn!(service = &*self.name, %why, "left alone for a while");
                    }
                    known.paused_until = Some(Instant::now() + limits::SERVICE_PAUSE);
                }
            }
        }
    }

    /// Each change is a single step: what a panic leaves is whole.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lesson(why: &str, is_of_service: bool) -> Lesson<'_> {
    if is_of_service {
        Lesson::Fails(why)
    } else {
        Lesson::Nothing(why)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn ask(service: &Service, answer: Result<(), &str>) -> Result<(), String> {
        let answer = answer.map_err(str::to_owned);
        let deadline = Instant::now() + SECOND;
        service.ask(2, deadline, ready(answer)).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_fails_is_left_alone_for_a_while() {
        let service = Service::new("clamd");
        assert_eq!(service.figures(), None);
        for _ in 0..limits::SERVICE_FAILURES {
            let answer = ask(&service, Err("refused")).await;
            assert_eq!(answer, Err("clamd: refused".to_owned()));
        }
        let answer = ask(&service, Ok(())).await.expect_err("left alone");
        assert!(answer.contains("left alone"), "{answer}");
        let figures = service.figures().expect("it was asked");
        assert_eq!(
            figures.state,
            ServiceState::LeftAlone(limits::SERVICE_PAUSE)
        );
        assert_eq!((figures.asked, figures.failed), (3, 3));

        tokio::time::advance(limits::SERVICE_PAUSE).await;
        assert!(ask(&service, Err("refused")).await.is_err());
        assert!(ask(&service, Ok(())).await.is_err(), "left alone again");
        tokio::time::advance(limits::SERVICE_PAUSE).await;
        assert_eq!(ask(&service, Ok(())).await, Ok(()));
        assert_eq!(ask(&service, Ok(())).await, Ok(()));
        let figures = service.figures().expect("it was asked");
        assert_eq!(figures.state, ServiceState::Asked);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_the_message_s_fault_or_another_s_concerns_nobody_else() {
        let service = Service::new("clamd");
        for _ in 0..2 * limits::SERVICE_FAILURES {
            let deadline = Instant::now() + SECOND;
            let trouble = Trouble::Message("too large".to_owned());
            let answer = service.ask(2, deadline, ready(Err::<(), _>(trouble))).await;
            assert_eq!(answer, Err("clamd: too large".to_owned()));
            // Others have used the time up.
            let deadline = Instant::now() + SECOND / 2;
            let waiting = pending::<Result<(), String>>();
            assert!(service.ask(2, deadline, waiting).await.is_err());
        }
        assert_eq!(ask(&service, Ok(())).await, Ok(()));
        // One that tries a service again and learns nothing leaves that to the next.
        for _ in 0..limits::SERVICE_FAILURES {
            let _ = ask(&service, Err("refused")).await;
        }
        tokio::time::advance(limits::SERVICE_PAUSE).await;
        let deadline = Instant::now() + SECOND;
        let trouble = Trouble::Message("too large".to_owned());
        let answer = service.ask(2, deadline, ready(Err::<(), _>(trouble))).await;
        assert_eq!(answer, Err("clamd: too large".to_owned()));
        assert_eq!(ask(&service, Ok(())).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn while_one_tries_again_nobody_else_does() {
        let service = Service::new("clamd");
        for _ in 0..limits::SERVICE_FAILURES {
            let _ = ask(&service, Err("refused")).await;
        }
        tokio::time::advance(limits::SERVICE_PAUSE).await;
        let deadline = Instant::now() + SECOND;
        let trying = service.ask(2, deadline, pending::<Result<(), String>>());
        tokio::pin!(trying);
        assert!(futures_util::poll!(&mut trying).is_pending());
        let other = ask(&service, Ok(())).await.expect_err("left alone");
        assert!(other.contains("left alone"), "{other}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_deadline() {
        let service = Service::new("clamd");
        let began = Instant::now();
        let deadline = began + SECOND;
        let (one, other, third) = tokio::join!(
            service.ask(2, deadline, pending::<Result<(), String>>()),
            service.ask(2, deadline, pending::<Result<(), String>>()),
            service.ask(2, deadline - SECOND / 2, pending::<Result<(), String>>()),
        );
        assert_eq!(began.elapsed(), SECOND);
        for answer in [one, other] {
            let why = answer.expect_err("too late");
            assert_eq!(why, "clamd: no answer within 1.0 s");
        }
        let why = third.expect_err("no place");
        assert_eq!(why, "clamd is asked by too many");
        let figures = service.figures().expect("it was asked");
        assert_eq!(figures.asked, 2, "who found no place did not ask");
    }

    #[tokio::test(start_paused = true)]
    async fn places_follow_the_settings() {
        let service = Service::new("clamd");
        service.resize(5);
        assert_eq!(service.places.available_permits(), 5);
        service.resize(2);
        assert_eq!(service.places.available_permits(), 2);
        service.resize(3);
        assert_eq!(service.places.available_permits(), 3);
    }
}
