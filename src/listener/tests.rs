//! Clients that come by TCP.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::session::tests::scene::{Client, Desk, Scene};

/// A listener on a free port with its sessions.
struct Open {
    scene: Scene,
    address: SocketAddr,
    sessions: TaskTracker,
    accepting: tokio::task::JoinHandle<()>,
}

/// More places than a scene needs.
fn many() -> ClientLimit<Network> {
    ClientLimit::new(100, 100)
}

fn open(scene: Scene, places: ClientLimit<Network>) -> Open {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_address();
    let sessions = TaskTracker::new();
    let acceptor: Acceptor<Desk> = Acceptor {
        context: Arc::clone(&scene.context),
        places: Arc::new(places),
        sessions: sessions.clone(),
        shutdown: scene.shutdown.clone(),
    };
    let accepting = tokio::spawn(Arc::new(acceptor).run(listener));
    Open {
        scene,
        address,
        sessions,
        accepting,
    }
}

impl Open {
    async fn client(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// Waits until so many sessions are open.
    async fn wait_for_sessions(&self, count: usize) {
        let reached = async {
            while self.sessions.len() != count {
                tokio::task::yield_now().await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(10), reached).await;
        assert!(reached.is_ok(), "{} sessions are open", self.sessions.len());
    }
}

#[tokio::test]
async fn each_client_has_a_session() {
    let open = open(Scene::new(), many());
    let mut first = open.client().await;
    let mut second = open.client().await;
    for client in [&mut first, &mut second] {
        client.expect("220").await;
        client.say("EHLO x", "250").await;
        client.address().await;
        client.say("DATA", "354").await;
        client.say("a\r\n.", "250").await;
    }
    open.wait_for_sessions(2).await;
    first.say("QUIT", "221").await;
    first.expect_end().await;
    drop(second);
    open.wait_for_sessions(0).await;
    assert_eq!(open.scene.contents(), ["a\r\n", "a\r\n"]);
}

#[tokio::test]
async fn all_sessions_are_bounded() {
    let open = open(Scene::new(), ClientLimit::new(2, 1));
    let mut first = open.client().await;
    first.expect("220").await;
    // Trusted, so that its own bound does not count.
    let mut second = open.client().await;
    second.expect("220").await;
    let mut third = open.client().await;
    third.expect("421").await;
    third.expect_end().await;
    assert_eq!(open.scene.context.counters.sessions_refused.value(), 1);
    drop(first);
    open.wait_for_sessions(1).await;
    open.client().await.expect("220").await;
}

#[tokio::test]
async fn the_sessions_of_one_client_are_bounded() {
    let scene = Scene::with(json!({"trusted_networks": []}));
    let open = open(scene, ClientLimit::new(10, 1));
    let mut first = open.client().await;
    first.expect("220").await;
    let mut second = open.client().await;
    second.expect("421").await;
    second.expect_end().await;
    first.say("QUIT", "221").await;
    open.wait_for_sessions(0).await;
    open.client().await.expect("220").await;
}

#[tokio::test]
async fn strangers_leave_places_to_trusted_clients() {
    // Of IPv4 it trusts this machine alone, of which one address is taken for a stranger's.
    let scene = Scene::with(json!({"trusted_networks": ["127.0.0.1/32"]}));
    let open = open(scene, ClientLimit::new(3, 3).keeping(2));
    let stranger = async || {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        Client::new(socket.connect(open.address).await.unwrap())
    };
    let mut first = stranger().await;
    first.expect("220").await;
    let mut second = stranger().await;
    second.expect("421").await;
    second.expect_end().await;
    let mut trusted = open.client().await;
    trusted.expect("220").await;
    open.client().await.expect("220").await;
}

#[tokio::test]
async fn shutdown_ends_accepting_and_idle_sessions() {
    let open = open(Scene::new(), many());
    let mut client = open.client().await;
    client.expect("220").await;
    open.scene.shutdown.cancel();
    open.accepting.await.unwrap();
    client.expect("421 4.3.2").await;
    client.expect_end().await;
    drop(client);
    open.sessions.close();
    let ended = tokio::time::timeout(Duration::from_secs(10), open.sessions.wait()).await;
    assert!(ended.is_ok());
    assert!(TcpStream::connect(open.address).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_cannot_be_bound() {
    let first = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let error = Listener::bind(first.local_address()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_certificate_that_the_settings_name_is_used() {
    let scene = Scene::with_tls();
    let other = tempfile::tempdir().unwrap();
    ServerTls::open(other.path(), "mail.example.net").unwrap();
    let tls = scene.context.tls.clone().unwrap();
    let own = tls.config();
    let reload = Arc::new(Notify::new());
    let following = tokio::spawn(follow_certificate(
        Arc::clone(&tls),
        scene.context.settings.clone(),
        Arc::clone(&reload),
        scene.shutdown.clone(),
    ));
    scene.change(json!({
        "tls_certificate_file": other.path().join("tls/certificate.pem"),
        "tls_key_file": other.path().join("tls/key.pem"),
    }));
    let changed_from = async |before| {
        let changed = async {
            while Arc::ptr_eq(before, &tls.config()) {
                tokio::task::yield_now().await;
            }
        };
        let changed = tokio::time::timeout(Duration::from_secs(10), changed).await;
        assert!(changed.is_ok());
    };
    changed_from(&own).await;
    // And read again when somebody says so.
    let named = tls.config();
    reload.notify_one();
    changed_from(&named).await;
    scene.shutdown.cancel();
    following.await.unwrap();
}
