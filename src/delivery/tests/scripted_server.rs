//! A server that follows a script, so that a test reads like the conversation it is about.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// One script a connection, played in the order in which they come. Lines of a script:
///
/// * `C: text`: the client's next line begins with the text.
/// * `S: text`: the server says the line.
/// * `content`: reads up to the final dot.
/// * `some content`: reads a kilobyte of it.
/// * `close`, `reset`: ends the connection. The end of the script closes it too.
/// * `client closes`: nothing comes any more.
/// * `silence`: says nothing more until the client closes.
/// * `time flies`: from now on, when everybody waits, the clock jumps to the next time-out.
/// * `tls`: goes on under TLS.
pub(crate) struct ScriptedServer {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    playing: JoinHandle<()>,
}

/// The start of most scripts.
pub(crate) const PIPELINING: &str = "
    S: 220 server ready
    C: EHLO relay.example.net
    S: 250-server
    S: 250-SIZE 100000
    S: 250-8BITMIME
    S: 250 PIPELINING
";

impl ScriptedServer {
    pub(crate) async fn start<const N: usize>(scripts: [String; N]) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), scripts).await
    }

    pub(crate) async fn start_at<const N: usize>(at: SocketAddr, scripts: [String; N]) -> Self {
        let listener = TcpListener::bind(at).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let playing = tokio::spawn(play_all(listener, Vec::from(scripts), Arc::clone(&heard)));
        Self {
            address,
            heard,
            playing,
        }
    }

    /// Every script was played to its end: what was heard on each connection.
    pub(crate) async fn finish(self) -> Vec<String> {
        self.playing.await.expect("the client kept to the scripts");
        std::mem::take(&mut self.heard.lock().expect("nobody panicked"))
    }
}

async fn play_all(listener: TcpListener, scripts: Vec<String>, heard: Arc<Mutex<Vec<String>>>) {
    let mut playing = Vec::new();
    for script in scripts {
        let (socket, _) = listener.accept().await.expect("a connection");
        let place = {
            let mut heard = heard.lock().expect("nobody panicked");
            heard.push(String::new());
            heard.len() - 1
        };
        let heard = Arc::clone(&heard);
        playing.push(tokio::spawn(async move {
            let line = play(socket, &script).await;
            heard.lock().expect("nobody panicked")[place] = line;
        }));
    }
    drop(listener);
    for one in playing {
        one.await.expect("the client kept to the script");
    }
}

struct Player<S> {
    stream: S,
    heard: Vec<u8>,
    /// How much of it was looked at.
    position: usize,
}

async fn play(socket: TcpStream, script: &str) -> String {
    let mut lines = script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let mut player = Player::new(socket);
    let before = player.play(&mut lines).await;
    match before {
        Ended::Secured => {
            let acceptor = super::secured::acceptor();
            let heard = player.heard_text();
            let Ok(stream) = accept(acceptor, player.stream).await else {
                return heard;
            };
            let mut secured = Player::new(stream);
            secured.play(&mut lines).await;
            heard + secured.heard_text().as_str()
        }
        Ended::Reset => {
            let heard = player.heard_text();
            player.stream.set_zero_linger().expect("an open socket");
            heard
        }
        Ended::Closed => player.heard_text(),
    }
}

async fn accept(
    acceptor: TlsAcceptor,
    socket: TcpStream,
) -> std::io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    acceptor.accept(socket).await
}

enum Ended {
    Closed,
    Reset,
    Secured,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Player<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            heard: Vec::new(),
            position: 0,
        }
    }

    fn heard_text(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }

    async fn play(&mut self, lines: &mut impl Iterator<Item = &str>) -> Ended {
        for line in lines {
            match line.split_once(": ") {
                Some(("S", said)) => self.say(said).await,
                Some(("C", expected)) => self.hear(expected).await,
                _ => match line {
                    "content" => self.hear_until(b"\r\n.\r\n").await,
                    "some content" => self.hear_bytes(1_024).await,
                    "client closes" | "silence" => self.hear_the_end(line).await,
                    "time flies" => tokio::time::pause(),
                    "close" => return Ended::Closed,
                    "reset" => return Ended::Reset,
                    "tls" => return Ended::Secured,
                    _ => panic!("no such line in a script: {line}"),
                },
            }
        }
        Ended::Closed
    }

    async fn say(&mut self, said: &str) {
        let line = format!("{said}\r\n");
        let written = self.stream.write_all(line.as_bytes()).await;
        written.expect("the client is there");
        self.stream.flush().await.expect("the client is there");
    }

    async fn hear(&mut self, expected: &str) {
        let from = self.position;
        self.hear_until(b"\r\n").await;
        let line = String::from_utf8_lossy(&self.heard[from..self.position]).into_owned();
        assert!(line.starts_with(expected), "{expected:?} is not {line:?}");
    }

    /// The final dot of an empty content directly follows a command's CRLF.
    async fn hear_until(&mut self, mark: &[u8]) {
        loop {
            let from = self
                .position
                .saturating_sub(2 * usize::from(mark.len() > 2));
            let found = self.heard[from..]
                .windows(mark.len())
                .position(|window| window == mark);
            if let Some(found) = found {
                self.position = from + found + mark.len();
                return;
            }
            self.read().await.expect("the client goes on");
        }
    }

    async fn hear_bytes(&mut self, count: usize) {
        while self.heard.len() < self.position + count {
            self.read().await.expect("the client goes on");
        }
        self.position += count;
    }

    async fn hear_the_end(&mut self, line: &str) {
        while self.read().await.is_some() {}
        if line == "client closes" {
            let rest = String::from_utf8_lossy(&self.heard[self.position..]).into_owned();
            assert_eq!(rest, "", "heard instead of the end");
        }
    }

    async fn read(&mut self) -> Option<usize> {
        let read = self.stream.read_buf(&mut self.heard).await;
        read.ok().filter(|&count| count > 0)
    }
}
