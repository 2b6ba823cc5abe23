//! A web server for tests: answers each request as its script says, and hands over what it was sent.

use std::collections::VecDeque;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What a request is answered with; an empty text: nothing, while the connection stays open.
pub(super) const SILENCE: &str = "";
pub(super) const TAKEN: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
pub(super) const BROKEN: &str =
    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[derive(Debug)]
pub(super) struct Request {
    /// The request line and the header, in lower case.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub(super) struct ScriptedServer {
    pub(super) address: SocketAddr,
    requests: mpsc::Receiver<Request>,
}

impl ScriptedServer {
    /// Answers one request with each text; the last one holds for all that follow.
    pub(super) async fn start(answers: impl IntoIterator<Item = String>) -> Self {
        let mut answers: VecDeque<String> = answers.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, requests) = mpsc::channel(100);
        tokio::spawn(async move {
            let mut silent = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.expect("a client");
                let request = read(&mut stream).await;
                let answer = match answers.len() {
                    1 => answers[0].clone(),
                    _ => answers.pop_front().expect("an answer"),
                };
                if sender.send(request).await.is_err() {
                    return;
                }
                // A client that has given up is no trouble of the server's.
                let _ = stream.write_all(answer.as_bytes()).await;
                if answer == SILENCE {
                    silent.push(stream);
                }
            }
        });
        Self { address, requests }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?room=mail", self.address)
    }

    pub(super) async fn request(&mut self) -> Request {
        let next = tokio::time::timeout(std::time::Duration::from_secs(30), self.requests.recv());
        next.await.expect("a request in time").expect("a server")
    }

    /// How many requests have come that were not looked at.
    pub(super) fn unseen(&self) -> usize {
        self.requests.len()
    }
}

async fn read(stream: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let begin = head.len() + 4;
            let head = head.to_ascii_lowercase();
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|text| text.parse().ok()).unwrap_or(0);
            if bytes.len() >= begin + length {
                let body = bytes[begin..].to_vec();
                return Request { head, body };
            }
        }
        let count = stream.read_buf(&mut bytes).await.expect("a request");
        assert!(count > 0, "the client went away");
    }
}
