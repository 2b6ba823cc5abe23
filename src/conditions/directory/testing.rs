//! A directory in the process that does what a test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::super::service_stream::ServiceStream;
use super::ber::{self, Elements, element, numbered};

/// What stands in the directory: a part of the questions that find it, its name, its attributes.
pub(crate) type FakeEntry = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// How it behaves.
#[derive(Clone)]
pub(crate) enum Manner {
    /// It answers as LDAP has it.
    Proper(&'static [FakeEntry]),
    /// The same, under TLS after StartTLS.
    Secure(&'static [FakeEntry], TlsAcceptor),
    /// The same, and every search is the last of its connection.
    HangsUp(&'static [FakeEntry]),
    /// It has this result code for every login.
    LoginFails(u32),
    /// It has this result code for every search.
    SearchFails(u32),
    /// It says this to whatever it is asked.
    Says(Vec<u8>),
    /// It never says anything.
    Silent,
    /// It answers as LDAP has it, but for searches of which this is a part.
    SilentAbout(&'static str, &'static [FakeEntry]),
}

/// A directory, for as long as it is held.
pub(crate) struct FakeDirectory {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    running: AbortHandle,
}

impl FakeDirectory {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&asked);
        let running = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                noted.lock().unwrap().push("connection".to_owned());
                tokio::spawn(serve(stream, manner.clone(), Arc::clone(&noted)));
            }
        });
        Self {
            address,
            asked,
            running: running.abort_handle(),
        }
    }

    /// The settings of `directory` for it.
    pub(crate) fn settings(&self) -> Value {
        json!({"url": format!("ldap://{}", self.address), "base": "dc=example,dc=org"})
    }

    /// What was asked of it so far: connections, logins, searches.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for FakeDirectory {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn serve(stream: TcpStream, manner: Manner, asked: Arc<Mutex<Vec<String>>>) {
    let mut stream: Box<dyn ServiceStream> = Box::new(stream);
    while let Some(request) = read(&mut *stream).await {
        let mut parts = Elements(&request);
        let id = parts.number(ber::INTEGER).expect("a number");
        let (operation, content) = parts.next().expect("an operation");
        let answer = match (&manner, operation) {
            (Manner::Silent, _) => std::future::pending().await,
            (Manner::Says(bytes), _) => bytes.clone(),
            (Manner::LoginFails(code), 0x60) => message(id, 0x61, *code),
            (_, 0x60) => {
                asked.lock().unwrap().push(login(content));
                message(id, 0x61, 0)
            }
            (Manner::Secure(..), 0x77) => message(id, 0x78, 0),
            (_, 0x77) => message(id, 0x78, 2),
            (Manner::SearchFails(code), _) => message(id, 0x65, *code),
            (Manner::SilentAbout(part, _), _)
                if String::from_utf8_lossy(content).contains(part) =>
            {
                std::future::pending().await
            }
            (Manner::Proper(entries) | Manner::HangsUp(entries), _)
            | (Manner::Secure(entries, _) | Manner::SilentAbout(_, entries), _) => {
                asked.lock().unwrap().push("search".to_owned());
                answer(id, entries, content)
            }
            (Manner::LoginFails(_), _) => message(id, 0x65, 50),
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
        match (&manner, operation) {
            (Manner::Secure(_, acceptor), 0x77) => match acceptor.accept(stream).await {
                Ok(secured) => stream = Box::new(secured),
                Err(_) => return,
            },
            (Manner::HangsUp(_), 0x63) | (Manner::Says(_), _) => return,
            _ => {}
        }
    }
}

async fn read(stream: &mut (dyn ServiceStream + '_)) -> Option<Vec<u8>> {
    let mut front = [0; 2];
    stream.read_exact(&mut front).await.ok()?;
    let mut written = [0; 4];
    let written = &mut written[..ber::bytes_of_length(front[1]).ok()?];
    stream.read_exact(written).await.ok()?;
    let mut content = vec![0; ber::length(front[1], written)];
    stream.read_exact(&mut content).await.ok()?;
    Some(content)
}

fn login(content: &[u8]) -> String {
    let mut parts = Elements(content);
    parts.number(ber::INTEGER).expect("a version");
    let dn = parts.text().expect("a name");
    let password = parts.expect(0x80).expect("a password");
    format!("login {dn} {}", String::from_utf8_lossy(password))
}

/// The result of an operation.
pub(crate) fn message(id: u32, operation: u8, code: u32) -> Vec<u8> {
    let result = [
        numbered(ber::ENUMERATED, code),
        element(ber::OCTET_STRING, b""),
        element(ber::OCTET_STRING, b"so be it"),
    ];
    whole(id, element(operation, &result.concat()))
}

fn whole(id: u32, operation: Vec<u8>) -> Vec<u8> {
    element(
        ber::SEQUENCE,
        &[numbered(ber::INTEGER, id), operation].concat(),
    )
}

fn answer(id: u32, entries: &[FakeEntry], question: &[u8]) -> Vec<u8> {
    let text = |text: &str| element(ber::OCTET_STRING, text.as_bytes());
    let asked = String::from_utf8_lossy(question).into_owned();
    let mut answer = Vec::new();
    for (needle, dn, attributes) in entries {
        if !asked.contains(needle) {
            continue;
        }
        let attributes = attributes.iter().map(|(name, value)| {
            let values = element(ber::SET, &text(value));
            element(ber::SEQUENCE, &[text(name), values].concat())
        });
        let attributes: Vec<Vec<u8>> = attributes.collect();
        let entry = [text(dn), element(ber::SEQUENCE, &attributes.concat())];
        answer.extend(whole(id, element(0x64, &entry.concat())));
    }
    answer.extend(message(id, 0x65, 0));
    answer
}
