//! A stand-in for clamd that is slow with the messages that a scene wants it to be slow with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::clamd::eicar;
use crate::support::wait::{self, PATIENCE};

/// What a message holds that it is slow with.
pub(crate) const SLOW: &str = "SLOW";

pub(crate) struct ScriptedClamd {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    /// It takes connections, and says nothing.
    hangs: AtomicBool,
    /// Slow messages that it has begun with.
    slow: AtomicUsize,
    /// A permit for each slow message that it may come to an end with.
    ends: Semaphore,
}

impl ScriptedClamd {
    pub(crate) async fn start() -> ScriptedClamd {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            hangs: AtomicBool::new(false),
            slow: AtomicUsize::new(0),
            ends: Semaphore::new(0),
        });
        let scanning = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(scan(stream, Arc::clone(&scanning)));
            }
        });
        ScriptedClamd { address, state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it says nothing at all, or something again.
    pub(crate) fn hang(&self, hangs: bool) {
        self.state.hangs.store(hangs, Ordering::SeqCst);
    }

    /// Slow messages that it has begun with.
    pub(crate) fn slow_begun(&self) -> usize {
        self.state.slow.load(Ordering::SeqCst)
    }

    pub(crate) async fn wait_for_slow(&self, begun: usize) {
        let what = format!("{begun} slow messages");
        wait::until_true(&what, PATIENCE, || async { self.slow_begun() >= begun }).await;
    }

    /// It comes to an end with so many slow messages.
    pub(crate) fn end_slow(&self, messages: usize) {
        self.state.ends.add_permits(messages);
    }
}

/// `zINSTREAM`, and chunks behind their lengths, of which the last one is empty.
async fn scan(mut stream: TcpStream, state: Arc<State>) -> Option<()> {
    stream
        .read_exact(&mut [0; b"zINSTREAM\0".len()])
        .await
        .ok()?;
    let mut content = Vec::new();
    loop {
        let length = stream.read_u32().await.ok()?;
        if length == 0 {
            break;
        }
        let before = content.len();
        content.resize(before + usize::try_from(length).ok()?, 0);
        stream.read_exact(&mut content[before..]).await.ok()?;
    }
    if state.hangs.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let holds = |text: &str| {
        content
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    if holds(SLOW) {
        state.slow.fetch_add(1, Ordering::SeqCst);
        state.ends.acquire().await.ok()?.forget();
    }
    let says: &[u8] = match holds(&eicar()) {
        true => b"stream: Scripted FOUND\0",
        false => b"stream: OK\0",
    };
    stream.write_all(says).await.ok()
}
