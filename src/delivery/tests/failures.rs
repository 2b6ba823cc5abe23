//! What goes wrong, before and after the point of no return.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use super::scene::{Gate, assert_all, delivery, kinds, message, next_hop, request, script};
use super::scripted_server::{PIPELINING, ScriptedServer};
use crate::delivery::{DeliveryRequest, Suspension, TimeoutProfile};
use crate::limits;
use crate::message::words::OutcomeKind;
use crate::message::{Body, MemoryBudget, Outcome, Reservation};
use crate::settings::UncertainPolicy;

const UP_TO_THE_CONTENT: &str = "
    C: MAIL FROM
    C: RCPT TO
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 354 go on
";

async fn check(dialogue: &[&str], gate: Gate, expected: &[&str], counts: (u32, u32)) {
    let server = ScriptedServer::start([script(dialogue)]).await;
    let delivery = delivery();
    let request = request(message(1, "text\r\n"), next_hop(server.address));
    let report = delivery.attempt(request, &gate).await;
    assert_eq!(kinds(&report), expected, "{:?}", report.outcomes);
    assert_eq!(gate.counts(), counts);
    assert_eq!(delivery.next_hops()[0].open_connections, 0);
    server.finish().await;
}

#[tokio::test]
async fn a_hang_up_after_the_dot_is_uncertain() {
    let hang_up = "
        content
        close
    ";
    let dialogue = [PIPELINING, UP_TO_THE_CONTENT, hang_up];
    check(&dialogue, Gate::default(), &["0 uncertain 451"], (1, 1)).await;
}

#[tokio::test]
async fn nonsense_after_the_dot_is_uncertain() {
    let nonsense = "
        content
        S: what?
    ";
    let dialogue = [PIPELINING, UP_TO_THE_CONTENT, nonsense];
    check(&dialogue, Gate::default(), &["0 uncertain 451"], (1, 1)).await;
}

#[tokio::test]
async fn silence_after_the_dot_is_uncertain_in_the_end() {
    let silence = "
        content
        time flies
        silence
    ";
    let dialogue = [PIPELINING, UP_TO_THE_CONTENT, silence];
    let began = tokio::time::Instant::now();
    check(&dialogue, Gate::default(), &["0 uncertain 451"], (1, 1)).await;
    assert!(began.elapsed() >= limits::AFTER_DOT_WAIT);
}

#[tokio::test]
async fn silence_before_the_dot_is_deferred() {
    let dialogue = [PIPELINING, "time flies\nsilence"];
    let began = tokio::time::Instant::now();
    check(&dialogue, Gate::default(), &["0 deferred 451"], (0, 0)).await;
    assert!(began.elapsed() < 2 * limits::FAST_COMMAND_WAIT);
}

#[tokio::test]
async fn a_closed_gate_closes_the_connection_without_a_dot() {
    let dialogue = [PIPELINING, UP_TO_THE_CONTENT, "client closes"];
    check(&dialogue, Gate::shut(), &["0 deferred 451"], (1, 0)).await;
}

#[tokio::test]
async fn a_421_after_the_dot_is_deferred() {
    let closing = "
        content
        S: 421 4.3.2 shutting down
    ";
    let dialogue = [PIPELINING, UP_TO_THE_CONTENT, closing];
    check(&dialogue, Gate::default(), &["0 deferred 421"], (1, 1)).await;
}

#[tokio::test]
async fn a_421_in_the_envelope_takes_back_what_was_accepted() {
    let closing = "
        C: MAIL FROM
        C: RCPT TO
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 421 4.3.2 shutting down
    ";
    let dialogue = [PIPELINING, closing];
    check(&dialogue, Gate::default(), &["0 deferred 421"], (0, 0)).await;
}

#[tokio::test]
async fn what_is_no_smtp_is_deferred() {
    check(
        &["S: SSH-2.0-OpenSSH_9.2"],
        Gate::default(),
        &["0 deferred 451"],
        (0, 0),
    )
    .await;
}

#[tokio::test]
async fn a_refusal_at_the_door_is_ours_to_repair() {
    let refusal = "S: 554 5.7.1 your address is on a list";
    check(&[refusal], Gate::default(), &["0 deferred 451"], (0, 0)).await;
}

/// A message that no socket buffer holds, for a server that ends it in the middle.
async fn cut_off(ending: &str) -> Vec<String> {
    let ending = format!("some content\n{ending}");
    let patient = PIPELINING.replace("SIZE 100000", "SIZE 0");
    let server = ScriptedServer::start([script(&[&patient, UP_TO_THE_CONTENT, &ending])]).await;
    let mut message = message(1, "");
    let line = bytes::Bytes::from("0123456789\r\n".repeat(5_000));
    let reservation = Reservation::empty(MemoryBudget::new(1));
    message.body = Arc::new(Body::in_memory(vec![line; 500], reservation));
    let gate = Gate::default();
    let request = request(message, next_hop(server.address));
    let report = delivery().attempt(request, &gate).await;
    assert_eq!(gate.counts(), (0, 0));
    server.finish().await;
    kinds(&report)
}

#[tokio::test]
async fn a_reset_in_the_middle_of_the_content_is_deferred() {
    assert_eq!(cut_off("reset").await, ["0 deferred 451"]);
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_the_content_is_heard() {
    let too_big = "S: 552 5.3.4 too big\nclose";
    assert_eq!(cut_off(too_big).await, ["0 refused 552"]);
}

/// What becomes of a message whose server ends like this behind the content, where silence is assumed to mean
/// that it was delivered.
async fn check_assumed(ending: &str, expected: OutcomeKind) {
    let server = ScriptedServer::start([script(&[PIPELINING, UP_TO_THE_CONTENT, ending])]).await;
    let mut next_hop = next_hop(server.address);
    next_hop.policy.uncertain = UncertainPolicy::AssumeDelivered;
    let request = request(message(1, "text\r\n"), next_hop);
    let report = delivery().attempt(request, &Gate::default()).await;
    assert_all(&report, expected);
    server.finish().await;
}

#[tokio::test]
async fn an_uncertain_outcome_may_be_assumed_delivered() {
    check_assumed("content\nclose", OutcomeKind::Delivered).await;
}

#[tokio::test]
async fn who_says_a_part_of_a_reply_is_not_silent() {
    check_assumed("content\nS: 552-5.2.3 too\nclose", OutcomeKind::Uncertain).await;
}

/// A server that has room for little, and says after 354 what it would say of content that it has.
async fn hurried(listener: TcpListener) {
    let (mut socket, _) = listener.accept().await.expect("a client");
    socket
        .write_all(b"220 hello\r\n")
        .await
        .expect("it listens");
    let mut received = Vec::new();
    for (command, reply) in [
        ("EHLO", "250-me\r\n250 PIPELINING\r\n"),
        ("DATA", "250 ok\r\n250 ok\r\n354 go on\r\n"),
    ] {
        while !String::from_utf8_lossy(&received).contains(command) {
            let read = socket.read_buf(&mut received).await.expect("it speaks");
            assert!(read > 0, "it left at {command}");
        }
        socket
            .write_all(reply.as_bytes())
            .await
            .expect("it listens");
    }
    // The content is on its way, and fills what room there is.
    let mut some = [0; 1_024];
    while socket.peek(&mut some).await.expect("it speaks") < some.len() {}
    tokio::task::yield_now().await;
    let _ = socket.write_all(b"250 2.0.0 taken\r\n").await;
    // It reads no more.
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn nobody_answers_content_that_has_not_arrived() {
    for bytes in [100_000, 1_000_000] {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(2_304).expect("a small one");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(any).expect("a port");
        let listener = socket.listen(1).expect("it listens");
        let address = listener.local_addr().expect("it is bound");
        let server = tokio::spawn(hurried(listener));
        let content = "0123456789abcdef\r\n".repeat(bytes / 18);
        let request = request(message(1, &content), next_hop(address));
        let report = delivery().attempt(request, &Gate::default()).await;
        let kinds = kinds(&report);
        assert!(!kinds[0].contains("delivered"), "{bytes}: {kinds:?}");
        server.abort();
    }
}

/// Nobody listens there: the port was free a moment ago, and is not given to others so soon.
async fn deserted_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("it is bound")
}

#[tokio::test]
async fn a_run_of_failures_suspends_and_a_probe_resumes() {
    let address = deserted_address().await;
    let delivery = delivery();
    let attempt = async |timeouts| {
        let mut request: DeliveryRequest = request(message(1, "text\r\n"), next_hop(address));
        request.timeouts = timeouts;
        kinds(&delivery.attempt(request, &Gate::default()).await)
    };
    let name = address.to_string();
    for _ in 0..limits::BREAKER_FAILURES {
        assert_eq!(delivery.suspended(&name), None);
        assert_eq!(attempt(TimeoutProfile::Fast).await, ["0 deferred 451"]);
    }
    let probe_at = delivery.suspended(&name).expect("it is suspended");
    let suspended = [(Arc::from(&*name), probe_at)];
    assert_eq!(delivery.suspended_next_hops(), suspended);
    for timeouts in [TimeoutProfile::Fast, TimeoutProfile::Queue] {
        assert_eq!(attempt(timeouts).await, ["0 destination_suspended 451"]);
    }
    let [ref figures] = delivery.next_hops()[..] else {
        panic!("one next hop is known");
    };
    assert_eq!(figures.deferred, 5);
    assert!(matches!(figures.suspension, Suspension::Suspended { .. }));

    tokio::time::pause();
    tokio::time::sleep_until(probe_at).await;
    tokio::time::resume();
    assert_eq!(delivery.suspended(&name), None, "a probe is due");
    let taken = [
        PIPELINING,
        UP_TO_THE_CONTENT,
        "content\nS: 250 taken\nC: QUIT",
    ];
    let server = ScriptedServer::start_at(address, [script(&taken)]).await;
    assert_eq!(attempt(TimeoutProfile::Queue).await, ["0 delivered 250"]);
    assert_eq!(delivery.next_hops()[0].suspension, Suspension::None);
    let told = tokio::time::timeout(Duration::from_secs(10), delivery.recovered()).await;
    assert!(told.is_ok(), "nobody was told");
    delivery.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_busy_next_hop_is_waited_for_in_vain() {
    let server = ScriptedServer::start([script(&[PIPELINING, "silence"])]).await;
    let delivery = delivery();
    let first = tokio::spawn({
        let delivery = delivery.clone();
        let request = request(message(1, "text\r\n"), next_hop(server.address));
        async move { delivery.attempt(request, &Gate::default()).await }
    });
    while delivery
        .next_hops()
        .iter()
        .all(|known| known.open_connections == 0)
    {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let mut second = request(message(1, "text\r\n"), next_hop(server.address));
    second.busy_wait = Duration::from_millis(500);
    let report = delivery.attempt(second, &Gate::default()).await;
    assert_eq!(kinds(&report), ["0 destination_busy 451"]);
    assert!(began.elapsed() >= Duration::from_millis(500));
    assert_eq!(report.peer, None);
    let report = first.await.expect("it does not panic");
    assert!(matches!(report.outcomes[0].1, Outcome::Deferred(..)));
    server.finish().await;
}
