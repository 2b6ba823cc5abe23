//! STARTTLS: RFC 3207.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::DuplexStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::scene::{Client, Scene};

pub(super) async fn handshake(
    scene: &Scene,
    stream: DuplexStream,
) -> Client<TlsStream<DuplexStream>> {
    let path = scene.directory.path().join("tls/certificate.pem");
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(path).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("relay.example.net").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    Client::new(connector.connect(name, stream).await.unwrap())
}

#[tokio::test]
async fn everything_begins_anew_under_tls() {
    let scene = Scene::with_tls();
    let mut plain = scene.connect();
    plain.expect("220").await;
    let offered = plain.say("EHLO plain.example.org", "250").await;
    assert!(offered.contains("STARTTLS"), "{offered}");
    plain.address().await;
    plain.say("STARTTLS", "220 2.0.0").await;
    let mut client = handshake(&scene, plain.stream).await;
    client.say("DATA", "503").await;
    client.say("MAIL FROM:<a@example.org>", "503").await;
    let offered = client.say("EHLO secure.example.org", "250").await;
    assert!(!offered.contains("STARTTLS"), "{offered}");
    client.say("STARTTLS", "503").await;
    client.address().await;
    client.say("DATA", "354").await;
    client.send("a\r\n".repeat(50_000)).await;
    client.say(".", "250").await;
    client.say("QUIT", "221").await;
    client.expect_end().await;
    let taken = scene.desk.taken.lock().unwrap();
    assert_eq!(taken[0].content.len(), 150_000);
    let received = std::str::from_utf8(&taken[0].message.prefix).unwrap();
    assert!(received.contains("from secure.example.org"), "{received}");
    assert!(received.contains("with ESMTPS"), "{received}");
    assert_eq!(scene.context.counters.tls_sessions.value(), 1);
}

#[tokio::test]
async fn commands_behind_starttls_are_refused() {
    let scene = Scene::with_tls();
    let mut client = scene.client().await;
    client
        .send("STARTTLS\r\nMAIL FROM:<x@example.org>\r\n")
        .await;
    client.expect("554").await;
    client.expect_end().await;
    assert_eq!(scene.context.counters.tls_sessions.value(), 0);
}

#[tokio::test]
async fn a_handshake_that_fails_ends_the_session() {
    let scene = Scene::with_tls();
    let mut client = scene.client().await;
    client.say("STARTTLS", "220").await;
    client.send("this is no handshake\r\n").await;
    while let Ok(1..) = tokio::io::AsyncReadExt::read(&mut client.stream, &mut [0; 64]).await {}
    assert_eq!(scene.context.counters.tls_failures.value(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_is_bounded() {
    let scene = Scene::with_tls();
    let mut client = scene.client().await;
    client.say("STARTTLS", "220").await;
    let began = tokio::time::Instant::now();
    client.expect_end().await;
    assert_eq!(began.elapsed(), crate::limits::TLS_HANDSHAKE_WAIT);
}
