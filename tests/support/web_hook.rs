//! A server that webhooks are sent to: takes every POST with 204 and keeps what it was told.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rcgen::generate_simple_self_signed;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::wait::{self, PATIENCE};

/// One POST: its header in lower case, and its body.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Told {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(crate) struct WebHook {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
}

impl WebHook {
    /// A server that speaks plain HTTP.
    pub(crate) async fn start() -> WebHook {
        WebHook::listen(None).await
    }

    /// A server that speaks HTTPS as `localhost`, by a certificate that is written to `file`.
    pub(crate) async fn start_secured(file: &Path) -> WebHook {
        let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(file, certified.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
        let chain = vec![certified.cert.der().clone()];
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(key))
            .unwrap();
        WebHook::listen(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(tls: Option<TlsAcceptor>) -> WebHook {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                match &tls {
                    None => answer(stream, &kept).await,
                    Some(tls) => answer(tls.accept(stream).await.unwrap(), &kept).await,
                }
            }
        });
        WebHook { address, told }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Everything it was told so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// Waits until it was told something for the `count`th time, and gives that.
    pub(crate) async fn wait_for(&self, count: usize) -> Told {
        wait::until(&format!("word number {count}"), PATIENCE, || async {
            self.told().get(count - 1).cloned()
        })
        .await
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, kept: &Mutex<Vec<Told>>) {
    let mut bytes = Vec::new();
    let told = loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                let body = body.to_owned();
                break Told { head, body };
            }
        }
        let count = stream.read_buf(&mut bytes).await.unwrap();
        assert!(count > 0, "closed inside a request: {text}");
    };
    kept.lock().unwrap().push(told);
    let words = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    stream.write_all(words.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
}
