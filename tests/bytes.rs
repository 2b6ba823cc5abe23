//! Whatever canonical content arrives leaves unchanged behind our Received field: through DATA and
//! through BDAT, from memory and from the spool file.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use crate::support::appliance::{Appliance, Plan};
use crate::support::messages;
use crate::support::raw_sink::{Arrival, RawSink, Script, Transport};

/// The default limit of one message.
const LARGEST: usize = 26_214_400;

/// A content as a sender might put together: lines, and how it is sent.
#[derive(Clone, Debug)]
struct Parcel {
    lines: Vec<Vec<u8>>,
    /// Text behind the last CRLF, which only BDAT can carry.
    rest: Vec<u8>,
    chunks: Vec<usize>,
}

impl Parcel {
    /// The content in which every line ends with CRLF.
    fn content(&self) -> Vec<u8> {
        self.lines
            .iter()
            .flat_map(|line| line.iter().copied().chain(*b"\r\n"))
            .collect()
    }
}

/// One line without its CRLF: the dangerous ones often, the ordinary ones of any length.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let text = || {
        any::<u8>().prop_filter("line ends and NUL are none", |byte| {
            !b"\r\n\0".contains(byte)
        })
    };
    prop_oneof![
        3 => Just(Vec::new()),
        3 => Just(b".".to_vec()),
        2 => Just(b"..".to_vec()),
        2 => vec(Just(b'.'), 1..6),
        2 => vec(text(), 0..80).prop_map(|mut line| { line.insert(0, b'.'); line }),
        2 => vec(text(), 0..80).prop_map(|mut line| { line.insert(0, b' '); line }),
        8 => vec(text(), 0..120),
        2 => vec(text(), 900..1_100),
        1 => (2_000_usize..60_000).prop_map(|length| vec![b'y'; length]),
    ]
}

fn parcel() -> impl Strategy<Value = Parcel> {
    let rest =
        prop_oneof![2 => Just(Vec::new()), 1 => Just(b".".to_vec()), 1 => Just(b"no end".to_vec())];
    (vec(line(), 0..60), rest, vec(0_usize..40_000, 0..5)).prop_map(|(lines, rest, chunks)| {
        Parcel {
            lines,
            rest,
            chunks,
        }
    })
}

/// The appliance between a client and a destination, for one set of the destination's extensions.
struct Scene {
    appliance: Appliance,
    sink: RawSink,
    sent: usize,
}

impl Scene {
    async fn with(script: Script) -> Scene {
        let sink = RawSink::start(script).await;
        let appliance = Plan::new().next_hop(sink.address()).start().await;
        Scene {
            appliance,
            sink,
            sent: 0,
        }
    }

    /// The content through DATA; what arrived.
    async fn through_data(&mut self, content: &[u8]) -> Arrival {
        let mut client = self.appliance.client().await;
        let reply = client
            .message(
                "<a@example.org> BODY=8BITMIME",
                &["<b@example.net>"],
                content,
            )
            .await;
        assert_eq!(reply.code, 250, "{reply}");
        self.arrival().await
    }

    /// The content through BDAT; what arrived.
    async fn through_chunks(&mut self, content: &[u8], sizes: &[usize]) -> Arrival {
        let mut client = self.appliance.client().await;
        let sender = "<a@example.org> BODY=8BITMIME";
        let reply = client
            .message_in_chunks(sender, &["<b@example.net>"], content, sizes)
            .await;
        assert_eq!(reply.code, 250, "{reply}");
        self.arrival().await
    }

    async fn arrival(&mut self) -> Arrival {
        self.sent += 1;
        let mut arrivals = self.sink.wait_for_accepted(self.sent).await;
        assert_eq!(arrivals.len(), self.sent, "a message arrived twice");
        arrivals.pop().expect("there is at least one")
    }

    async fn check(&mut self, parcel: &Parcel, transport: Transport) {
        let content = parcel.content();
        let arrival = self.through_data(&content).await;
        messages::assert_unchanged(&arrival.content, &content);
        assert_eq!(arrival.transport, transport);
        if transport == Transport::Data {
            assert_eq!(
                arrival.wire,
                messages::stuffed(&arrival.content),
                "stuffed in another way"
            );
        }

        let mut unfinished = content;
        unfinished.extend_from_slice(&parcel.rest);
        let arrival = self.through_chunks(&unfinished, &parcel.chunks).await;
        if !parcel.rest.is_empty() {
            // DATA needs the final CRLF that this body lacks, and every destination gets the same.
            unfinished.extend_from_slice(b"\r\n");
        }
        messages::assert_unchanged(&arrival.content, &unfinished);
    }
}

/// Sends many parcels through one appliance to a destination with this script.
fn check_parcels(script: Script, transport: Transport) {
    let runtime = Runtime::new().unwrap();
    let mut scene = runtime.block_on(Scene::with(script));
    let mut runner = TestRunner::new(Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    });
    let scene = std::cell::RefCell::new(&mut scene);
    let outcome = runner.run(&parcel(), |parcel| {
        runtime.block_on(scene.borrow_mut().check(&parcel, transport));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn any_content_passes_unchanged_to_a_destination_with_data() {
    check_parcels(Script::accepting(), Transport::Data);
}

#[test]
fn any_content_passes_unchanged_to_a_destination_with_chunking() {
    check_parcels(Script::accepting().offering("CHUNKING"), Transport::Data);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_message_passes_unchanged() {
    let mut scene = Scene::with(Script::accepting()).await;
    let arrival = scene.through_data(b"").await;
    messages::assert_unchanged(&arrival.content, b"");
    let arrival = scene.through_chunks(b"", &[]).await;
    messages::assert_unchanged(&arrival.content, b"");
}

/// Lines that begin and end with dots, up to exactly the largest message that is taken.
fn largest() -> Vec<u8> {
    let line = b".leading, and trailing.\r\n..\r\n";
    let mut content = line.repeat(LARGEST / line.len());
    content.resize(LARGEST - 2, b'z');
    content.extend_from_slice(b"\r\n");
    assert_eq!(content.len(), LARGEST);
    content
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_message_passes_unchanged() {
    let content = largest();
    let mut scene = Scene::with(Script::accepting()).await;
    let arrival = scene.through_data(&content).await;
    messages::assert_unchanged(&arrival.content, &content);

    let mut scene = Scene::with(Script::accepting().offering("CHUNKING")).await;
    let arrival = scene.through_chunks(&content, &[1, 1_000_000, 7]).await;
    messages::assert_unchanged(&arrival.content, &content);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_message_in_memory_alone_passes_unchanged() {
    let content = largest();
    let mut scene = Scene::with(Script::accepting()).await;
    scene
        .appliance
        .set(serde_json::json!({ "memory_threshold_bytes": LARGEST }))
        .await;
    let arrival = scene.through_data(&content).await;
    messages::assert_unchanged(&arrival.content, &content);
    let statistics = scene.appliance.statistics().await;
    assert_eq!(
        statistics["since_start"]["messages"]["memory"], 1,
        "{statistics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_comes_out_unchanged() {
    // On the standard path the content is read back from where it was stored: inline up to 128 KiB,
    // from a file beyond.
    for size in [300, 32_768, 131_072, 131_073, 2_000_000] {
        let mut scene = Scene::with(Script::accepting()).await;
        scene
            .appliance
            .set(serde_json::json!({ "path": "standard" }))
            .await;
        let content = messages::of_size("stored", size);
        let arrival = scene.through_data(&content).await;
        messages::assert_unchanged(&arrival.content, &content);
        scene.appliance.wait_for_queue(0).await;
    }
}
