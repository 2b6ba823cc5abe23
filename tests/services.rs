//! The services that the conditions ask are there and do what the scenes count on: each is spoken to
//! in its own protocol, without an appliance between.

use std::sync::Arc;

use reqwest::Client;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::services::clamav_milter::ClamavMilter;
use crate::support::services::clamd::{self, Clamd, eicar};
use crate::support::services::gnupg::GnuPg;
use crate::support::services::opendkim::{Opendkim, SELECTOR};
use crate::support::services::rspamd::{ADD_HEADER, GREYLIST, REJECT, REWRITE_SUBJECT, Rspamd};
use crate::support::services::slapd::{ADMINISTRATOR, PASSWORD, SUFFIX, Slapd};
use crate::support::services::spamd::{Spamd, THRESHOLD};
use crate::support::services::{Door, Wire, gtube};
use crate::support::wait::{self, PATIENCE};

/// Sends a request and reads until the service hangs up.
async fn ask(door: &Door, request: &[u8]) -> String {
    let mut wire = door.connect().await.unwrap();
    wire.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = wire.read_to_end(&mut answer);
    wait::within("the answer", PATIENCE, read).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// A request to clamd: chunks, each after its length, and an empty one.
fn in_stream(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [b"zINSTREAM\0", &length[..], content, &[0; 4]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn clamd_finds_eicar_and_nothing_else() {
    let clamd = Clamd::start().await;
    let port = Door::Port(clamd.address());
    let socket = Door::Socket(clamd.socket().to_owned());
    for door in [&port, &socket] {
        assert_eq!(ask(door, b"zPING\0").await, "PONG\0");
        let found = format!("stream: {} FOUND\0", clamd::EICAR);
        assert_eq!(ask(door, &in_stream(eicar().as_bytes())).await, found);
        assert_eq!(ask(door, &in_stream(b"hello")).await, "stream: OK\0");
    }
    clamd.service.stop().await;
    assert!(socket.connect().await.is_err());

    let clamd = Clamd::start_with("StreamMaxLength 1K").await;
    let answer = ask(&Door::Port(clamd.address()), &in_stream(&[b'a'; 2_000])).await;
    assert_eq!(answer, "INSTREAM size limit exceeded. ERROR\0");
}

fn message(subject: &str, body: &str) -> String {
    format!(
        "From: a@example.org\r\nTo: b@example.net\r\nSubject: {subject}\r\nMessage-ID: <1@example.org>\r\n\r\n{body}\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn rspamd_judges_by_the_subject() {
    let rspamd = Rspamd::start("").await;
    let url = format!("http://{}/checkv2", rspamd.address());
    let http = Client::builder().timeout(PATIENCE).build().unwrap();
    let action = async |content: String| {
        let response = http.post(&url).body(content).send().await.unwrap();
        let answer: Value = response.json().await.unwrap();
        answer["action"].as_str().unwrap().to_owned()
    };
    for (points, expected) in [
        (GREYLIST - 1, "no action"),
        (GREYLIST, "greylist"),
        (ADD_HEADER, "add header"),
        (REWRITE_SUBJECT, "rewrite subject"),
        (REJECT, "reject"),
    ] {
        let content = message(&format!("worth {points} points"), "hello");
        assert_eq!(action(content).await, expected, "{points} points");
    }
    assert_eq!(action(message("try later", "hello")).await, "soft reject");
    assert_eq!(action(message("hello", &gtube())).await, "reject");
    // Its workers would outlive it if they were let.
    rspamd.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rspamd_takes_further_settings() {
    let rspamd = Rspamd::start("actions { reject = 2; }").await;
    let url = format!("http://{}/checkv2", rspamd.address());
    let content = message("worth 3 points", "hello");
    let response = Client::new().post(&url).body(content).send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["action"], "reject", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spamd_judges_by_the_subject() {
    let spamd = Spamd::start().await;
    let door = Door::Port(spamd.address());
    let below = THRESHOLD - 1;
    for (content, expected) in [
        (message("hello", "hello"), "Spam: False ; 0.0 / 5.0"),
        (
            message(&format!("worth {below} points"), ""),
            "Spam: False ; 4.0 / 5.0",
        ),
        (message("worth 7 points", ""), "Spam: True ; 7.0 / 5.0"),
        (message("hello", &gtube()), "Spam: True ; 1000.0 / 5.0"),
    ] {
        let length = content.len();
        let request = format!("CHECK SPAMC/1.5\r\nContent-length: {length}\r\n\r\n{content}");
        let answer = ask(&door, request.as_bytes()).await;
        assert!(
            answer.starts_with("SPAMD/1.1 0 EX_OK\r\n") && answer.contains(expected),
            "{content}: {answer}"
        );
    }
}

/// One message through a milter that speaks version 6: what it answers to the end of the message, a
/// letter and its argument each, the last of which is its verdict.
async fn filtered(door: &Door, message: &str) -> Vec<(u8, String)> {
    let mut wire = door.connect().await.unwrap();
    // Every action may be taken, and every step is answered or not as the milter says.
    let offer = [6_u32, 0x1ff, 0x1f_ffff].map(u32::to_be_bytes).concat();
    send(&mut wire, b'O', &offer).await;
    let (letter, accepted) = receive(&mut wire).await;
    assert_eq!((letter, &accepted[..4]), (b'O', &6_u32.to_be_bytes()[..]));
    let steps = u32::from_be_bytes(accepted[8..12].try_into().unwrap());
    let (head, body) = message.split_once("\r\n\r\n").unwrap();
    let mut client = b"client.example.org\x004".to_vec();
    client.extend(2_525_u16.to_be_bytes());
    client.extend(b"127.0.0.1\0");
    // Each step, the bit that says that the milter does not want it, and the bit that says that it
    // does not answer it.
    let mut dialogue = vec![
        (b'C', client, 0x1, 0x1000),
        (b'H', b"client.example.org\0".to_vec(), 0x2, 0x2000),
        (b'M', b"<a@example.org>\0".to_vec(), 0x4, 0x4000),
        (b'R', b"<b@example.net>\0".to_vec(), 0x8, 0x8000),
        (b'T', Vec::new(), 0x200, 0x1_0000),
    ];
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(": ").unwrap();
        dialogue.push((b'L', format!("{name}\0{value}\0").into_bytes(), 0x20, 0x80));
    }
    dialogue.push((b'N', Vec::new(), 0x40, 0x4_0000));
    dialogue.push((b'B', body.as_bytes().to_vec(), 0x10, 0x8_0000));
    for (letter, argument, unwanted, unanswered) in dialogue {
        if steps & unwanted == 0 {
            send(&mut wire, letter, &argument).await;
            if steps & unanswered == 0 {
                let (answer, _) = receive(&mut wire).await;
                assert_eq!(char::from(answer), 'c', "to {}", char::from(letter));
            }
        }
    }
    send(&mut wire, b'E', b"").await;
    let mut answers = Vec::new();
    loop {
        let (letter, argument) = receive(&mut wire).await;
        answers.push((letter, String::from_utf8(argument).unwrap()));
        if b"acrty".contains(&letter) {
            return answers;
        }
    }
}

async fn send(wire: &mut impl Wire, letter: u8, argument: &[u8]) {
    let length = u32::try_from(argument.len() + 1).unwrap().to_be_bytes();
    let packet = [&length[..], &[letter], argument].concat();
    wire.write_all(&packet).await.unwrap();
}

async fn receive(wire: &mut impl Wire) -> (u8, Vec<u8>) {
    let read = async {
        let length = wire.read_u32().await.unwrap();
        let letter = wire.read_u8().await.unwrap();
        let mut argument = vec![0; usize::try_from(length).unwrap() - 1];
        wire.read_exact(&mut argument).await.unwrap();
        (letter, argument)
    };
    wait::within("a milter's word", PATIENCE, read).await
}

#[tokio::test(flavor = "multi_thread")]
async fn opendkim_signs() {
    let on_port = Opendkim::start("example.org").await;
    let on_socket = Opendkim::start_on_socket("example.org").await;
    for opendkim in [on_port, on_socket] {
        let answers = filtered(opendkim.door(), &message("hello", "hello")).await;
        let [(b'i', inserted), (b'a', _)] = answers.as_slice() else {
            panic!("{answers:?}")
        };
        let signer = format!("d=example.org;\n\ts={SELECTOR};");
        assert!(inserted.contains("DKIM-Signature\0") && inserted.contains(&signer));
        assert!(
            opendkim
                .dns_record()
                .starts_with("v=DKIM1; k=rsa; p=MIIBIjAN")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clamav_milter_refuses_eicar() {
    let clamd = Clamd::start().await;
    let milter = ClamavMilter::start(&clamd).await;
    let answers = filtered(milter.door(), &message("hello", &eicar())).await;
    assert!(
        matches!(answers.as_slice(), [.., (b'r' | b'y', _)]),
        "{answers:?}"
    );
    let answers = filtered(milter.door(), &message("hello", "hello")).await;
    assert!(
        matches!(answers.as_slice(), [.., (b'a' | b'c', _)]),
        "{answers:?}"
    );
    let marked = answers
        .iter()
        .any(|(_, header)| header.contains("X-Virus-Status\0Clean"));
    assert!(marked, "{answers:?}");
}

const PEOPLE: &str = "dn: uid=b,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: inetLocalMailRecipient
uid: b
cn: B
sn: B
mail: b@example.org
mailLocalAddress: b@example.org
mailRoutingAddress: b@inside.example.net
mailHost: mx.example.net
";

/// A BER element shorter than 128 bytes.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    assert!(length < 128, "an element of short form");
    [&[tag, length], content].concat()
}

/// One LDAP request (RFC 4511), and the first message of the answer, which is of short form as well.
async fn ldap(wire: &mut impl Wire, request: &[u8]) -> Vec<u8> {
    let message = element(0x30, &[&element(0x02, &[1]), request].concat());
    wire.write_all(&message).await.unwrap();
    let read = async {
        let mut front = [0; 2];
        wire.read_exact(&mut front).await.unwrap();
        assert!(front[0] == 0x30 && front[1] < 128, "{front:?}");
        let mut answer = vec![0; usize::from(front[1])];
        wire.read_exact(&mut answer).await.unwrap();
        answer
    };
    wait::within("the directory's answer", PATIENCE, read).await
}

fn bind(name: &str, password: &str) -> Vec<u8> {
    let version = element(0x02, &[3]);
    let name = element(0x04, name.as_bytes());
    let password = element(0x80, password.as_bytes());
    element(0x60, &[version, name, password].concat())
}

/// Asks for the mailHost of whoever has this mailLocalAddress.
fn search(address: &str) -> Vec<u8> {
    let equal = [
        element(0x04, b"mailLocalAddress"),
        element(0x04, address.as_bytes()),
    ];
    element(
        0x63,
        &[
            element(0x04, SUFFIX.as_bytes()),
            element(0x0a, &[2]), // the whole subtree
            element(0x0a, &[0]), // aliases are not followed
            element(0x02, &[0]), // of any number
            element(0x02, &[0]), // in any time
            element(0x01, &[0]), // with values
            element(0xa3, &equal.concat()),
            element(0x30, &element(0x04, b"mailHost")),
        ]
        .concat(),
    )
}

/// The result code in a message's operation.
fn result_code(answer: &[u8]) -> u8 {
    let [0x02, 1, 1, _, _, 0x0a, 1, code, ..] = answer else {
        panic!("no result: {answer:?}")
    };
    *code
}

#[tokio::test(flavor = "multi_thread")]
async fn slapd_has_what_it_was_given() {
    let slapd = Slapd::start(PEOPLE).await;
    let mut wire = TcpStream::connect(slapd.address()).await.unwrap();
    assert_eq!(result_code(&ldap(&mut wire, &bind("", "")).await), 0);
    assert_eq!(
        result_code(&ldap(&mut wire, &bind(ADMINISTRATOR, "wrong")).await),
        49
    );

    let mut wire = TcpStream::connect(slapd.address()).await.unwrap();
    let start_tls = element(0x77, &element(0x80, b"1.3.6.1.4.1.1466.20037"));
    assert_eq!(result_code(&ldap(&mut wire, &start_tls).await), 0);
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(slapd.certificate().as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut wire = connector.connect(name, wire).await.unwrap();
    let answer = ldap(&mut wire, &bind(ADMINISTRATOR, PASSWORD)).await;
    assert_eq!(result_code(&answer), 0);
    let answer = ldap(&mut wire, &search("b@example.org")).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("mx.example.net"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gnupg_decrypts_what_others_encrypted() {
    let recipient = GnuPg::home().await;
    recipient.generate_key("b@example.net").await;
    let public_key = recipient.public_key("b@example.net").await;
    assert!(public_key.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----"));
    let sender = GnuPg::home().await;
    sender.import(&public_key).await;
    let secret = sender.encrypt("b@example.net", b"hello\r\n").await;
    assert!(secret.starts_with(b"-----BEGIN PGP MESSAGE-----"));
    assert_eq!(recipient.decrypt(&secret).await, b"hello\r\n");
}
