//! The hot path: one small message on a connection that is kept, to a server that does next to nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fastpath::delivery::{CommitPoint, Delivery, DeliveryRequest, TimeoutProfile};
use fastpath::message::words::OutcomeKind;
use fastpath::message::{
    Body, Client, Envelope, MemoryBudget, Message, MessageId, Recipient, Reservation,
};
use fastpath::own_mark::OwnMark;
use fastpath::settings::{Publisher, Settings, SettingsDocument};
use fastpath::smtp::address::{Mailbox, ReversePath};
use fastpath::smtp::command::BodyType;
use jiff::Timestamp;

/// Accepts everything, as fast as it can.
fn start_server() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || serve(socket));
        }
    });
    Ok(address)
}

fn serve(mut socket: TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    socket.write_all(b"220 ready\r\n")?;
    let mut buffer = vec![0; 1 << 20];
    let mut filled = 0;
    loop {
        match socket.read(&mut buffer[filled..])? {
            0 => return Ok(()),
            count => filled += count,
        }
        let heard = &buffer[..filled];
        let reply: &[u8] = if heard.starts_with(b"EHLO") {
            b"250-server\r\n250 PIPELINING\r\n"
        } else if heard.ends_with(b"DATA\r\n") {
            b"250 ok\r\n250 ok\r\n354 go on\r\n"
        } else if heard.ends_with(b"\r\n.\r\n") {
            b"250 2.0.0 taken\r\n"
        } else {
            continue;
        };
        socket.write_all(reply)?;
        filled = 0;
    }
}

struct OpenGate;

impl CommitPoint for OpenGate {
    async fn may_commit(&self) -> bool {
        true
    }

    fn handed_over(&self) {}
}

fn message(content_bytes: usize) -> Message {
    let line = "A line of text as there are many in a message, of seventy bytes or so.\r\n";
    let content = line.repeat(content_bytes / line.len());
    let budget = MemoryBudget::new(1 << 20);
    let head = vec![Bytes::from(content)];
    let recipient = Mailbox::parse("recipient@example.org").expect("an address");
    Message {
        id: MessageId::from_i64(7),
        received_at: Timestamp::UNIX_EPOCH,
        client: Client {
            address: None,
            helo: "bench".into(),
            login: None,
        },
        envelope: Envelope {
            sender: ReversePath::parse("sender@example.net").expect("a path"),
            recipients: vec![Recipient::plain(recipient)],
            body_type: BodyType::SevenBit,
            smtputf8: false,
            ret: None,
            envelope_id: None,
        },
        prefix: Bytes::from_static(b"Received: from bench\r\n"),
        body: Body::in_memory(head, Reservation::empty(budget)).into(),
        content_from: 0,
        for_clause_at: None,
        eight_bit: false,
        needs_smtputf8: false,
    }
}

fn deliver(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let address = start_server().expect("a server");
    let settings = SettingsDocument {
        default_next_hop: Some(format!("smtp://{address}").parse().expect("an address")),
        ..SettingsDocument::default()
    };
    let settings = Settings::new(settings).expect("the settings hold");
    let next_hop = settings.next_hop_for("example.org");
    let publisher = Publisher::new(settings);
    let current = publisher.current();
    let delivery = runtime.block_on(async move {
        Delivery::new("relay.example.net".into(), OwnMark::random(), current)
    });

    let mut group = criterion.benchmark_group("deliver");
    group.throughput(Throughput::Elements(1));
    for (name, bytes) in [("4 KiB", 4_096), ("32 KiB", 32_768)] {
        let message = Arc::new(message(bytes));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let request = DeliveryRequest {
                    message: Arc::clone(&message),
                    recipients: vec![0],
                    next_hop: Arc::clone(&next_hop),
                    timeouts: TimeoutProfile::Fast,
                    busy_wait: Duration::from_secs(1),
                    converts: false,
                };
                let report = runtime.block_on(delivery.attempt(request, &OpenGate));
                assert_eq!(report.outcomes[0].1.kind(), OutcomeKind::Delivered);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, deliver);
criterion_main!(benches);
