//! The PROXY protocol header of a connection that a proxy passes on: its client.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::limits;
use crate::smtp::proxy_protocol::{self, Malformed, ProxyHeader};

/// Why a proxy's connection is closed without a word.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoHeader {
    /// It sent something else.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// It ended before it said a word: the health check of a balancer.
    #[error("the connection ended before a word was said")]
    Silent,
    /// It ended, or broke.
    #[error("the connection ended before its header: {0}")]
    Ended(#[from] io::Error),
    /// It did not come.
    #[error("no header came in time")]
    Late,
}

/// Reads the header that `proxy` begins its connection with: the client's address, and what was read
/// behind the header.
pub(super) async fn read<R: AsyncRead + Unpin>(
    stream: &mut R,
    proxy: IpAddr,
) -> Result<(IpAddr, BytesMut), NoHeader> {
    let reading = async {
        let mut said = BytesMut::with_capacity(limits::PROXY_HEADER_BYTES);
        loop {
            match stream.read_buf(&mut said).await {
                Ok(0) | Err(_) if said.is_empty() => return Err(NoHeader::Silent),
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some((header, bytes)) = proxy_protocol::read(&said)? {
                said.advance(bytes);
                let client = match header {
                    ProxyHeader::Proxied { source, .. } => source.ip().to_canonical(),
                    ProxyHeader::Local => proxy,
                    // An address that no trusted network has.
                    ProxyHeader::Unknown => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                };
                return Ok((client, said));
            }
        }
    };
    timeout(limits::PROXY_HEADER_WAIT, reading)
        .await
        .unwrap_or(Err(NoHeader::Late))
}
