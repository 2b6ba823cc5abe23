//! SIGKILL at random instants under load, with a destination that flaps between 250 and 450: what was
//! acknowledged is at the destination or in the queue, and in the end all of it is at the destination.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::admin::admin;
use crate::support::appliance::{Appliance, Plan};
use crate::support::ledger::{Kill, Ledger, Load, ONE_DOMAIN};
use crate::support::raw_sink::{Answer, RawSink, Script};
use crate::support::turn;
use crate::support::wait::{self, Looks};

/// The kills of one run, unless FASTPATH_SCENE_KILLS asks for others.
const KILLS: u32 = 20;
/// Clients that send at one time.
const CLIENTS: u64 = 8;
/// A kill comes at some instant in this time after the load began.
const LIFE: std::ops::Range<u64> = 30..900;
/// What is left after the last kill is delivered within this.
const RECOVERY: Duration = Duration::from_secs(120);
/// The front of each message that the sink keeps: enough to tell which it is.
const KEPT_BYTES: usize = 1_024;

/// The seed of this run: the one from the environment, to repeat a failure, or a new one.
fn seed() -> u64 {
    let given = std::env::var("FASTPATH_SCENE_SEED")
        .ok()
        .map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(|| rand::rng().random());
    println!("FASTPATH_SCENE_SEED={seed} repeats this run's choices");
    seed
}

fn how_many() -> u32 {
    let given = std::env::var("FASTPATH_SCENE_KILLS").ok();
    given.map_or(KILLS, |many| many.parse().unwrap())
}

/// Kills the appliance, and says when.
async fn kill(appliance: &mut Appliance) -> Kill {
    let sent_at = Instant::now();
    appliance.kill().await;
    Kill {
        sent_at,
        ended_at: Instant::now(),
    }
}

/// Changes the sink's mind at random instants until told to stop.
async fn flap(sink: Arc<RawSink>, mut random: StdRng, stop: Arc<AtomicBool>) {
    let moods = [
        Script::accepting(),
        Script::accepting().any_recipient(Answer::say("450 4.2.1 Mailbox busy")),
        Script::accepting().recipient("r1@example.net", Answer::say("450 4.2.1 Mailbox busy")),
        Script::accepting().end_of_data(Answer::say("450 4.3.0 Not now")),
        Script::accepting().end_of_data(Answer::HangUp),
    ];
    while !stop.load(Ordering::Relaxed) {
        let mood = &moods[random.random_range(0..moods.len())];
        sink.change(|script| {
            let capabilities = std::mem::take(&mut script.capabilities);
            *script = Script {
                capabilities,
                ..mood.clone().keeping(KEPT_BYTES)
            };
        });
        // The instants themselves are what varies here; nothing is waited for.
        tokio::time::sleep(Duration::from_millis(random.random_range(5..80))).await;
    }
}

/// Everything in the queue is tried at once until the queue is empty: what is uncertain would wait
/// for ten minutes, and what a breaker holds back for its probe.
async fn drain(appliance: &Appliance) {
    let looks = Looks::at("the queue to be empty", RECOVERY);
    loop {
        let rows = appliance.queue("").await;
        if rows.is_empty() && appliance.queue_total().await == 0 {
            return;
        }
        let ids: Vec<Value> = rows.iter().map(|row| row["id"].clone()).collect();
        let body = json!({ "action": "retry", "ids": ids });
        // A row may be gone by now, which is what is wanted.
        appliance
            .call(reqwest::Method::POST, "/api/v1/queue/actions", Some(body))
            .await;
        looks.again().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_message_is_lost_by_kills() {
    let _turn = turn::take().await;
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let sink = Arc::new(RawSink::start(Script::accepting().keeping(KEPT_BYTES)).await);
    let stop = Arc::new(AtomicBool::new(false));
    let flapping = tokio::spawn(flap(
        sink.clone(),
        StdRng::seed_from_u64(seed ^ 1),
        stop.clone(),
    ));

    let ledger = Arc::new(Ledger::default());
    let mut appliance = Plan::new().next_hop(sink.address()).start().await;
    appliance
        .set(json!({ "retry_schedule_seconds": [1], "ack_deadline_seconds": 2 }))
        .await;
    let mut kills = Vec::new();
    for life in 0..how_many() {
        // Half of the lives on each path: their promises are kept in different ways.
        appliance
            .set(json!({ "path": if life % 2 == 0 { "fast" } else { "standard" } }))
            .await;
        let load = Load::start(
            appliance.smtp(),
            CLIENTS,
            random.random(),
            ONE_DOMAIN,
            &ledger,
        );
        let lifetime = Duration::from_millis(random.random_range(LIFE));
        tokio::time::sleep(lifetime).await;
        kills.push(kill(&mut appliance).await);
        load.stop().await;
        appliance = appliance.restart().await;
    }

    stop.store(true, Ordering::Relaxed);
    flapping.await.unwrap();
    sink.heal();
    let began = Instant::now();
    drain(&appliance).await;
    let account = ledger.account(&[&sink], &kills);
    println!(
        "{} kills: {account}; drained in {:?}",
        kills.len(),
        began.elapsed()
    );
    assert!(
        account.promised > 200,
        "the load was too small to show anything: {}",
        account.promised
    );
    assert!(
        account.lost.is_empty(),
        "seed {seed}: lost {:?}",
        account.lost
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_no_litter() {
    let _turn = turn::take().await;
    let random_life = Duration::from_millis(seed() % 500);
    let sink = RawSink::start(Script::accepting().keeping(KEPT_BYTES)).await;
    let mut appliance = Plan::new().next_hop(sink.address()).start().await;
    let ledger = Arc::new(Ledger::default());
    let load = Load::start(appliance.smtp(), CLIENTS, 1, ONE_DOMAIN, &ledger);
    wait::until_true(
        "some messages to have passed",
        Duration::from_secs(30),
        || async { ledger.promised() > 20 },
    )
    .await;
    tokio::time::sleep(random_life).await;
    appliance.kill().await;
    load.stop().await;

    let appliance = appliance.restart().await;
    drain(&appliance).await;
    // What the killed process left in the spool is swept at the start; nothing waits, so nothing is there.
    wait::until_true("an empty spool", Duration::from_secs(30), || async {
        std::fs::read_dir(appliance.data_directory().join("spool"))
            .unwrap()
            .count()
            == 0
    })
    .await;
}

/// Next hops of all kinds, by the domain that goes to each.
const MIXTURE: &[&str] = &[
    "plain.example.net",
    "chunks.example.net",
    "lmtp.example.net",
    "slow.example.net",
];
/// A reply that comes behind the deadline of the next test: the client has its 250 by then.
const SLOW: Duration = Duration::from_millis(1_500);

/// Settings are changed and backups made, as long as the appliance lives: it may be killed within each.
async fn administer(appliance: &Appliance, mut random: StdRng) {
    let place = tempfile::tempdir().unwrap();
    for number in 0.. {
        let settings = json!({ "retry_schedule_seconds": [random.random_range(1..3)] });
        appliance
            .try_call(reqwest::Method::PATCH, "/api/v1/settings", Some(settings))
            .await;
        let backup = place.path().join(format!("{number}.tar"));
        let words = ["backup", backup.to_str().unwrap()];
        admin(appliance.data_directory(), &words, "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_in_a_mixture_of_next_hops_and_work() {
    let _turn = turn::take().await;
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let slow = Script::accepting().end_of_data(Answer::say_in(SLOW, "250 2.0.0 Taken late"));
    let scripts = [
        Script::accepting(),
        Script::accepting().offering("CHUNKING"),
        Script::accepting(),
        slow,
    ];
    let mut sinks = Vec::new();
    for script in scripts {
        sinks.push(Arc::new(RawSink::start(script.keeping(KEPT_BYTES)).await));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flapping = sinks[..3].iter().enumerate().map(|(number, sink)| {
        let random = StdRng::seed_from_u64(seed ^ (number as u64 + 1));
        tokio::spawn(flap(Arc::clone(sink), random, Arc::clone(&stop)))
    });
    let flapping: Vec<_> = flapping.collect();

    let mut appliance = Plan::new().next_hop(sinks[0].address()).start().await;
    let next_hops: Vec<Value> = MIXTURE
        .iter()
        .zip(&sinks)
        .map(|(domain, sink)| {
            let scheme = if domain.starts_with("lmtp") {
                "lmtp"
            } else {
                "smtp"
            };
            json!({ "domain": domain, "address": format!("{scheme}://{}", sink.address()) })
        })
        .collect();
    appliance
        .set(json!({ "next_hops": next_hops, "ack_deadline_seconds": 1 }))
        .await;
    let ledger = Arc::new(Ledger::default());
    let mut kills = Vec::new();
    for life in 0..how_many() {
        appliance
            .set(json!({ "path": if life % 2 == 0 { "fast" } else { "standard" } }))
            .await;
        let load = Load::start(appliance.smtp(), CLIENTS, random.random(), MIXTURE, &ledger);
        let lifetime = Duration::from_millis(random.random_range(LIFE));
        let work = administer(&appliance, StdRng::seed_from_u64(random.random()));
        let _ = tokio::time::timeout(lifetime, work).await;
        kills.push(kill(&mut appliance).await);
        load.stop().await;
        appliance = appliance.restart().await;
    }

    stop.store(true, Ordering::Relaxed);
    for flapping in flapping {
        flapping.await.unwrap();
    }
    sinks.iter().for_each(|sink| sink.heal());
    let began = Instant::now();
    drain(&appliance).await;
    let sinks: Vec<&RawSink> = sinks.iter().map(|sink| &**sink).collect();
    let account = ledger.account(&sinks, &kills);
    println!(
        "{} kills: {account}; drained in {:?}",
        kills.len(),
        began.elapsed()
    );
    assert!(account.promised > 100, "seed {seed}: {account}");
    assert!(
        account.lost.is_empty(),
        "seed {seed}: lost {:?}",
        account.lost
    );
}
