//! STARTTLS, and what happens where it fails.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::scene::{Gate, assert_all, delivery, message, next_hop, request, script};
use super::scripted_server::ScriptedServer;
use crate::message::words::OutcomeKind;
use crate::settings::TlsPolicy;

const STARTTLS: &str = "
    S: 220 server ready
    C: EHLO relay.example.net
    S: 250-server
    S: 250 STARTTLS
    C: STARTTLS
";
const SECOND_EHLO: &str = "
    C: EHLO relay.example.net
    S: 250-server
    S: 250 PIPELINING
";
const PLAIN: &str = "
    S: 220 server ready
    C: EHLO relay.example.net
    S: 250-server
    S: 250-STARTTLS
    S: 250 PIPELINING
";
const TAKEN: &str = "
    C: MAIL FROM
    C: RCPT TO
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 354 go on
    content
    S: 250 taken
    C: QUIT
";

/// A server's side with a certificate that nobody has reason to trust.
pub(super) fn acceptor() -> TlsAcceptor {
    let names = vec!["elsewhere.example.com".to_owned()];
    let own = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .expect("the key belongs to the certificate");
    TlsAcceptor::from(Arc::new(config))
}

async fn check<const N: usize>(scripts: [String; N], policy: TlsPolicy, tls: bool) {
    let server = ScriptedServer::start(scripts).await;
    let delivery = delivery();
    let mut next_hop = next_hop(server.address);
    next_hop.policy.tls = policy;
    let request = request(message(1, "text\r\n"), next_hop);
    let report = delivery.attempt(request, &Gate::default()).await;
    assert_all(&report, OutcomeKind::Delivered);
    assert_eq!(report.tls, tls);
    delivery.close().await;
    server.finish().await;
}

#[tokio::test]
async fn any_certificate_is_better_than_none() {
    let tls = "
        S: 220 go on
        tls
    ";
    let dialogue = script(&[STARTTLS, tls, SECOND_EHLO, TAKEN]);
    check([dialogue], TlsPolicy::Opportunistic, true).await;
}

#[tokio::test]
async fn a_refused_or_failed_handshake_falls_back_to_a_fresh_plain_connection() {
    for failure in [
        "S: 454 4.7.0 not now",
        "S: 220 go on\nclose",
        "S: 220 go on\nS: no handshake at all\nsilence",
    ] {
        let first = script(&[STARTTLS, failure]);
        let second = script(&[PLAIN, TAKEN]);
        check([first, second], TlsPolicy::Opportunistic, false).await;
    }
}

#[tokio::test]
async fn the_policy_may_be_never() {
    check([script(&[PLAIN, TAKEN])], TlsPolicy::Never, false).await;
}
