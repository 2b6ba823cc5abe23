//! The bytes to and from a server, plain or under TLS.

use std::io;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::sock_diag::Ends;

/// The left one is plain.
pub(super) type ServerStream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

pub(super) fn socket(stream: &ServerStream) -> &TcpStream {
    match stream {
        Either::Left(socket) => socket,
        Either::Right(stream) => stream.get_ref().0,
    }
}

/// Whether there is something to read, or the end. The kernel is asked: what the runtime knows of a
/// socket may be a moment old. Under TLS it may be nothing that was said.
pub(super) fn has_arrived(socket: &TcpStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    let peeked = rustix::net::recv(socket, &mut [0; 1], flags);
    !matches!(peeked, Err(Errno::AGAIN))
}

/// Both ends of the connection.
///
/// # Errors
/// When there is none any more.
pub(super) fn ends(stream: &ServerStream) -> io::Result<Ends> {
    let socket = socket(stream);
    Ok(Ends {
        local: socket.local_addr()?,
        remote: socket.peer_addr()?,
    })
}
