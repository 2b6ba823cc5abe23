//! What the other side of a connection has of what we wrote to it, as the kernel knows.
//!
//! A socket that is closed while something in it is unread is reset. So a client's orderly end proves that
//! it read everything that its kernel had acknowledged by then; and what a server's kernel does not have, the
//! server cannot have answered. Asked of our kernel through `sock_diag(7)`, which needs no privileges: `ss` does
//! the same.

use std::io;
use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, TCP_CLOSE_WAIT};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags,
};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr as NetlinkAddress};

use crate::limits;

/// The two ends of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Ours.
    pub local: SocketAddr,
    /// The other one: the client's, or that of a proxy before it.
    pub remote: SocketAddr,
}

impl Ends {
    /// The other side has ended its half in order, and its kernel has all that we wrote. False, too, when
    /// the connection was reset and the kernel does not know it any more.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn is_read_to_the_end(self) -> io::Result<bool> {
        let known = self.ask()?;
        Ok(known.is_some_and(|known| known.state == TCP_CLOSE_WAIT && known.send_queue == 0))
    }

    /// The other side's kernel has all that we wrote. False, too, when the connection was reset.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn has_everything(self) -> io::Result<bool> {
        let known = self.ask()?;
        Ok(known.is_some_and(|known| known.send_queue == 0))
    }

    /// What the kernel knows of the connection: the other side has ended its half when it waits for our close, and
    /// the queue is what of our bytes was not acknowledged. None when it does not know it any more.
    fn ask(self) -> io::Result<Option<InetResponseHeader>> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        // The kernel answers within the call that asks.
        socket.set_non_blocking(true)?;
        socket.bind_auto()?;
        socket.connect(&NetlinkAddress::new(0, 0))?;
        socket.send(&self.question(), 0)?;
        let mut answer = Vec::with_capacity(limits::SOCK_DIAG_ANSWER_BYTES);
        socket.recv(&mut answer, 0)?;
        let answer = NetlinkMessage::<SockDiagMessage>::deserialize(&answer)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        match answer.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(found)) => {
                Ok(Some(found.header))
            }
            NetlinkPayload::Error(error) if error.to_io().kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            NetlinkPayload::Error(error) => Err(error.to_io()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn question(self) -> Vec<u8> {
        let request = InetRequest {
            family: match self.local.ip() {
                IpAddr::V4(_) => AF_INET,
                IpAddr::V6(_) => AF_INET6,
            },
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::empty(),
            states: StateFlags::all(),
            socket_id: SocketId {
                source_port: self.local.port(),
                destination_port: self.remote.port(),
                source_address: self.local.ip(),
                destination_address: self.remote.ip(),
                interface_id: 0,
                // Whichever it is.
                cookie: [0xff; 8],
            },
        };
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST;
        let mut question =
            NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
        question.finalize();
        let mut bytes = vec![0; question.buffer_len()];
        question.serialize(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    async fn pair(listen: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), accepted.unwrap().0)
    }

    fn ends(socket: &TcpStream) -> Ends {
        Ends {
            local: socket.local_addr().unwrap(),
            remote: socket.peer_addr().unwrap(),
        }
    }

    /// Waits until the other side's end, in order or not, has come.
    async fn wait_for_the_end(socket: &mut TcpStream) {
        let ended = tokio::time::timeout(Duration::from_secs(10), async {
            while let Ok(1..) = socket.read(&mut [0; 64]).await {}
        });
        ended.await.expect("the other side closes");
    }

    #[tokio::test]
    async fn what_finds_no_room_there_is_not_had() {
        let (mut client, mut server) = pair("127.0.0.1:0").await;
        let ends = ends(&server);
        server.write_all(b"250 ok\r\n").await.unwrap();
        client.read_exact(&mut [0; 8]).await.unwrap();
        assert!(ends.has_everything().unwrap());
        // Nobody reads: the other side's buffer fills, then ours.
        while server.try_write(&[b'x'; 65_536]).is_ok() {}
        assert!(!ends.has_everything().unwrap());
        drop(client);
        wait_for_the_end(&mut server).await;
        assert!(!ends.has_everything().unwrap());
    }

    async fn check_read(listen: &str) {
        let (mut client, mut server) = pair(listen).await;
        server.write_all(b"250 ok\r\n").await.unwrap();
        assert!(!ends(&server).is_read_to_the_end().unwrap(), "still open");
        client.read_exact(&mut [0; 8]).await.unwrap();
        drop(client);
        wait_for_the_end(&mut server).await;
        assert!(ends(&server).is_read_to_the_end().unwrap());
    }

    #[tokio::test]
    async fn who_reads_and_closes_has_read() {
        check_read("127.0.0.1:0").await;
        check_read("[::1]:0").await;
    }

    #[tokio::test]
    async fn who_closes_without_reading_has_not() {
        let (client, mut server) = pair("127.0.0.1:0").await;
        let ends = ends(&server);
        server.write_all(b"250 ok\r\n").await.unwrap();
        client.readable().await.unwrap();
        drop(client);
        wait_for_the_end(&mut server).await;
        assert!(!ends.is_read_to_the_end().unwrap());
    }

    #[tokio::test]
    async fn who_closed_before_we_wrote_has_not() {
        let (client, mut server) = pair("127.0.0.1:0").await;
        let ends = ends(&server);
        drop(client);
        wait_for_the_end(&mut server).await;
        server.write_all(b"250 ok\r\n").await.unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        // The reset comes when the kernel gets to it.
        while ends.is_read_to_the_end().unwrap() {
            assert!(Instant::now() < until, "the reset never came");
            tokio::task::yield_now().await;
        }
    }
}
