//! Connections to services: over TCP or a unix socket, or by HTTP.

use std::io;

use bytes::Buf;
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::service::ServiceError;
use crate::limits;
use crate::settings::service_address::ServiceAddress;
use crate::system_error::{in_words, with_causes};

/// Both directions of a connection.
pub(super) trait ServiceStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ServiceStream for S {}

/// Connects. The caller bounds how long that may take.
///
/// # Errors
/// In words that follow the service's name.
pub(super) async fn connect(address: &ServiceAddress) -> Result<Box<dyn ServiceStream>, String> {
    let failed = |error: io::Error| format!("{address} cannot be reached: {}", in_words(&error));
    match address {
        ServiceAddress::Tcp { host, port } => {
            let stream = TcpStream::connect((&**host, *port)).await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            Ok(Box::new(stream))
        }
        ServiceAddress::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(failed)?;
            Ok(Box::new(stream))
        }
    }
}

/// Writes blocks that belong together: in one write, as far as the stream takes them, and without a copy.
///
/// # Errors
/// When the connection breaks.
pub(super) async fn write_blocks(
    mut stream: &mut (dyn ServiceStream + '_),
    mut blocks: impl Buf,
) -> Result<(), String> {
    let written = AsyncWriteExt::write_all_buf(&mut stream, &mut blocks).await;
    written.map_err(broke)
}

/// The answer to a question that was sent, well or not: a service that does not like it answers and closes
/// before it has read everything.
///
/// # Errors
/// Also when the answer is empty.
pub(super) async fn answer_to(
    sent: Result<(), ServiceError>,
    stream: &mut (dyn ServiceStream + '_),
) -> Result<Vec<u8>, ServiceError> {
    // It waits for the rest, which does not come.
    if let Err(trouble @ ServiceError::NotShown(_)) = sent {
        return Err(trouble);
    }
    match (sent, read_to_end(stream).await) {
        (_, Ok(answer)) if !answer.is_empty() => Ok(answer),
        (Err(trouble), _) => Err(trouble),
        (Ok(()), Err(why)) => Err(why.into()),
        (Ok(()), Ok(_)) => {
            let why = "it closed the connection without an answer";
            Err(ServiceError::Service(why.to_owned()))
        }
    }
}

/// Everything up to the end of the connection, at most [`limits::SERVICE_ANSWER_BYTES`].
async fn read_to_end(stream: &mut (dyn ServiceStream + '_)) -> Result<Vec<u8>, String> {
    let mut answer = Vec::new();
    let most = limits::SERVICE_ANSWER_BYTES as u64;
    let mut bounded = stream.take(most);
    let read = bounded.read_to_end(&mut answer).await;
    let read = read.map_err(broke)?;
    if read as u64 == most {
        return Err(format!("its answer is longer than {most} bytes"));
    }
    Ok(answer)
}

/// In words that follow the service's name.
pub(super) fn broke(error: io::Error) -> String {
    format!("the connection broke: {error}")
}

/// The client for services that are asked by HTTP, which is rspamd.
///
/// # Errors
/// In words that follow the service's name.
pub(super) fn http_client() -> Result<Client, String> {
    Client::builder()
        .redirect(Policy::none())
        // The settings say where messages go, not the environment.
        .no_proxy()
        // A connection that rspamd closes meanwhile would cost the next message its check: what was
        // sent of it cannot be sent again.
        .pool_max_idle_per_host(0)
        // Without TLS no certificates are needed, and a machine that has none can still ask.
        .tls_certs_only([])
        .build()
        .map_err(|error| with_causes(&error))
}
