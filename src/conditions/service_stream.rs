//! A connection to a service, over TCP or a unix socket.

use std::io;

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::limits;
use crate::settings::service_address::ServiceAddress;
use crate::system_error::in_words;

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
) -> io::Result<()> {
    AsyncWriteExt::write_all_buf(&mut stream, &mut blocks).await
}

/// Everything up to the end of the connection, at most [`limits::SERVICE_ANSWER_BYTES`].
///
/// # Errors
/// In words that follow the service's name.
pub(super) async fn read_to_end(stream: &mut (dyn ServiceStream + '_)) -> Result<Vec<u8>, String> {
    let mut answer = Vec::new();
    let most = limits::SERVICE_ANSWER_BYTES as u64;
    let mut bounded = stream.take(most);
    let read = bounded.read_to_end(&mut answer).await;
    let read = read.map_err(|error| format!("the connection broke: {error}"))?;
    if read as u64 == most {
        return Err(format!("its answer is longer than {most} bytes"));
    }
    Ok(answer)
}
