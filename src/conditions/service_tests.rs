use std::cell::{Cell, RefCell};
use std::future::{pending, ready};

use super::*;
use crate::conditions::testing::asker;

const SECOND: Duration = Duration::from_secs(1);
const CLIENTS: [&str; 3] = ["anna", "bert", "carl"];

/// A service, and what it says to neutral questions.
struct Scene {
    service: Service,
    /// None: nothing.
    neutral: RefCell<Option<Result<(), String>>>,
    neutral_questions: Cell<u32>,
}

impl Scene {
    fn new() -> Self {
        Self {
            service: Service::new("clamd", 4),
            neutral: RefCell::new(Some(Ok(()))),
            neutral_questions: Cell::new(0),
        }
    }

    fn says_to_neutral_questions(&self, answer: Option<Result<(), &str>>) {
        *self.neutral.borrow_mut() = answer.map(|answer| answer.map_err(str::to_owned));
    }

    async fn neutral(&self) -> Result<(), String> {
        self.neutral_questions.set(self.neutral_questions.get() + 1);
        let answer = self.neutral.borrow().clone();
        match answer {
            Some(answer) => answer,
            None => pending().await,
        }
    }

    /// A message of a client, about which this comes of the question.
    async fn ask(&self, client: &str, answer: Result<(), ServiceError>) -> Result<(), NoAnswer> {
        let question = ready(answer);
        let asker = asker(client, 10 * SECOND);
        self.service.ask(asker, question, self.neutral()).await
    }

    /// A message of a client that the service never comes to an end with.
    async fn be_slow(&self, client: &str) -> Result<(), NoAnswer> {
        let question = pending::<Result<(), ServiceError>>();
        let asker = asker(client, 10 * SECOND);
        self.service.ask(asker, question, self.neutral()).await
    }

    fn state(&self) -> ServiceState {
        self.service.figures().expect("it was asked").state
    }
}

fn down() -> ServiceError {
    ServiceError::Service("refused".to_owned())
}

fn cannot_tell(words: &str) -> Result<(), NoAnswer> {
    Err(NoAnswer::CannotTell(words.to_owned()))
}

/// The words of a service that is left alone.
fn is_left_alone(answer: &Result<(), NoAnswer>) -> bool {
    matches!(answer, Err(NoAnswer::CannotTell(why)) if why.contains("left alone"))
}

#[tokio::test(start_paused = true)]
async fn messages_that_it_is_slow_with_are_nobody_else_s_trouble() {
    let scene = Scene::new();
    assert_eq!(scene.service.figures(), None);
    for _ in 0..4 {
        for client in CLIENTS {
            let answer = scene.be_slow(client).await;
            assert_eq!(answer, cannot_tell("clamd: no answer within 10.0 s"));
        }
        assert_eq!(scene.ask("dora", Ok(())).await, Ok(()));
    }
    assert_eq!(scene.state(), ServiceState::Asked);
    assert_eq!(scene.neutral_questions.get(), 4, "one for each doubt");
}

#[tokio::test(start_paused = true)]
async fn one_client_raises_no_doubt_until_it_has_failed_often() {
    let scene = Scene::new();
    for _ in 1..limits::SERVICE_FAILURES {
        let _ = scene.be_slow("anna").await;
    }
    assert_eq!(
        scene.ask("anna", Err(down())).await,
        cannot_tell("clamd: refused")
    );
    assert_eq!(scene.neutral_questions.get(), 0);
    assert_eq!(scene.ask("bert", Ok(())).await, Ok(()));
    assert_eq!(scene.neutral_questions.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_is_left_alone_for_a_while() {
    let scene = Scene::new();
    scene.says_to_neutral_questions(None);
    for client in CLIENTS {
        let _ = scene.be_slow(client).await;
    }
    // It is asked neutrally first, and about the message only when it answers that.
    let began = Instant::now();
    let hangs = "clamd fails a neutral question: no answer within 3.0 s";
    assert_eq!(scene.ask("dora", Ok(())).await, cannot_tell(hangs));
    assert_eq!(began.elapsed(), limits::SERVICE_NEUTRAL_WAIT);
    assert!(is_left_alone(&scene.ask("dora", Ok(())).await));
    assert_eq!(began.elapsed(), limits::SERVICE_NEUTRAL_WAIT);
    assert_eq!(
        scene.state(),
        ServiceState::LeftAlone(limits::SERVICE_PAUSE)
    );
    let figures = scene.service.figures().expect("it was asked");
    assert_eq!((figures.asked, figures.failed), (3, 3));
    assert_eq!(figures.trouble, hangs);

    tokio::time::advance(limits::SERVICE_PAUSE).await;
    assert_eq!(scene.state(), ServiceState::LeftAlone(Duration::ZERO));
    assert_eq!(scene.ask("dora", Ok(())).await, cannot_tell(hangs));
    assert!(is_left_alone(&scene.ask("dora", Ok(())).await));
    assert_eq!(scene.neutral_questions.get(), 2);
    tokio::time::advance(limits::SERVICE_PAUSE).await;
    scene.says_to_neutral_questions(Some(Ok(())));
    assert_eq!(scene.ask("dora", Ok(())).await, Ok(()));
    assert_eq!(scene.state(), ServiceState::Asked);
    let refused = cannot_tell("clamd: refused");
    assert_eq!(scene.ask("dora", Err(down())).await, refused);
    assert_eq!(scene.neutral_questions.get(), 3, "it is trusted again");
}

/// What would pass without an answer is shown to it all the same, for a moment.
#[tokio::test(start_paused = true)]
async fn nothing_passes_untried() {
    let scene = Scene::new();
    scene.says_to_neutral_questions(None);
    for client in CLIENTS {
        let _ = scene.be_slow(client).await;
    }
    let asker = || Asker {
        when_unavailable: WhenUnavailable::Pass,
        ..asker("dora", 10 * SECOND)
    };
    let ask = async |answer| {
        scene
            .service
            .ask(
                asker(),
                ready::<Result<(), ServiceError>>(answer),
                scene.neutral(),
            )
            .await
    };
    assert_eq!(ask(Err(down())).await, cannot_tell("clamd: refused"));
    assert!(is_left_alone(&scene.ask("dora", Ok(())).await));
    let began = Instant::now();
    let question = pending::<Result<(), ServiceError>>();
    let answer = scene.service.ask(asker(), question, scene.neutral()).await;
    assert_eq!(answer, cannot_tell("clamd: no answer within 1.0 s"));
    assert_eq!(began.elapsed(), limits::SERVICE_BRIEF_WAIT);
    assert_eq!(ask(Ok(())).await, Ok(()), "it is well");
    assert_eq!(scene.state(), ServiceState::Asked);
}

/// Nothing passes unchecked behind a service that is there again, where it costs nobody time to know.
#[tokio::test(start_paused = true)]
async fn a_service_that_fails_at_once_is_found_again_at_once() {
    let scene = Scene::new();
    scene.says_to_neutral_questions(Some(Err("refused")));
    for client in CLIENTS {
        let _ = scene.ask(client, Err(down())).await;
    }
    for _ in 0..3 {
        let failed = cannot_tell("clamd fails a neutral question: refused");
        assert_eq!(scene.ask("dora", Ok(())).await, failed);
    }
    assert_eq!(scene.state(), ServiceState::LeftAlone(Duration::ZERO));
    scene.says_to_neutral_questions(Some(Ok(())));
    assert_eq!(scene.ask("dora", Ok(())).await, Ok(()));
    assert_eq!(scene.state(), ServiceState::Asked);
}

#[tokio::test(start_paused = true)]
async fn one_asks_neutrally_and_the_others_wait_for_what_comes_of_it() {
    let scene = Scene::new();
    scene.says_to_neutral_questions(None);
    for client in CLIENTS {
        let _ = scene.be_slow(client).await;
    }
    let (one, other, third) = tokio::join!(
        scene.ask("anna", Ok(())),
        scene.ask("bert", Ok(())),
        async {
            // It waits for half a second only: then nobody can say that the service could not tell.
            let asker = asker("carl", SECOND / 2);
            let question = ready(Ok::<(), ServiceError>(()));
            scene.service.ask(asker, question, scene.neutral()).await
        },
    );
    assert!(matches!(one, Err(NoAnswer::CannotTell(_))), "{one:?}");
    assert!(is_left_alone(&other), "{other:?}");
    assert!(matches!(third, Err(NoAnswer::NotAsked(_))), "{third:?}");
    assert_eq!(scene.neutral_questions.get(), 1);

    // Whoever asks and goes away leaves it to the next.
    tokio::time::advance(limits::SERVICE_PAUSE).await;
    {
        let asking = scene.ask("anna", Ok(()));
        tokio::pin!(asking);
        assert!(futures_util::poll!(&mut asking).is_pending());
    }
    scene.says_to_neutral_questions(Some(Ok(())));
    assert_eq!(scene.ask("bert", Ok(())).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_of_the_service_raises_no_doubt() {
    let scene = Scene::new();
    for _ in 0..2 * limits::SERVICE_FAILURES {
        for client in CLIENTS {
            let trouble = ServiceError::Message("too large".to_owned());
            let answer = scene.ask(client, Err(trouble)).await;
            assert_eq!(answer, cannot_tell("clamd: too large"));
            let trouble = ServiceError::NotShown("the disk is gone".to_owned());
            let answer = scene.ask(client, Err(trouble)).await;
            let why = "clamd: the disk is gone".to_owned();
            assert_eq!(answer, Err(NoAnswer::NotAsked(why)));
            // Others have used the time up.
            let question = pending::<Result<(), ServiceError>>();
            let asker = asker(client, SECOND / 2);
            let answer = scene.service.ask(asker, question, scene.neutral()).await;
            let why = "clamd: no answer within 0.5 s".to_owned();
            assert_eq!(answer, Err(NoAnswer::NotAsked(why)));
        }
    }
    assert_eq!(scene.ask("anna", Ok(())).await, Ok(()));
    assert_eq!(scene.neutral_questions.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_deadline() {
    let scene = Scene::new();
    let began = Instant::now();
    let slow = || scene.be_slow("anna");
    // One client has half of the places, whatever it does, and another one finds a place at once.
    let third = async {
        let question = ready(Ok::<(), ServiceError>(()));
        let asker = asker("anna", 5 * SECOND);
        scene.service.ask(asker, question, scene.neutral()).await
    };
    let (one, two, three, other) = tokio::join!(slow(), slow(), third, async {
        let answer = scene.ask("bert", Ok(())).await;
        (answer, began.elapsed())
    });
    assert_eq!(other, (Ok(()), Duration::ZERO));
    assert_eq!(began.elapsed(), 10 * SECOND);
    for answer in [one, two] {
        assert_eq!(answer, cannot_tell("clamd: no answer within 10.0 s"));
    }
    let why = "clamd is asked by too many".to_owned();
    assert_eq!(three, Err(NoAnswer::NotAsked(why)));
    let figures = scene.service.figures().expect("it was asked");
    assert_eq!(figures.asked, 3, "who found no place did not ask");
}
