//! A connection on which what is written leaves together, at the next wait for something to read.
//!
//! The MQTT library flushes after each acknowledgement, and a batch of two thousand was as many writes of four bytes, each
//! of which woke the broker. It reads whenever it has nothing more to write, so waiting for that delays nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that are held at most.
const ROOM: usize = 16 * 1024;

/// A stream whose writes are held until there is nothing left to do but read.
#[derive(Debug)]
pub struct Gathering {
    stream: TcpStream,
    held: Vec<u8>,
}

impl Gathering {
    /// Holds nothing yet.
    #[must_use]
    pub const fn new(stream: TcpStream) -> Self {
        Self { stream, held: Vec::new() }
    }

    /// Sends what is held.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.held))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gathering {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Where the other side takes nothing just now, the rest leaves when it does; reading goes on meanwhile.
        if let Poll::Ready(sent) = self.poll_send(context) {
            sent?;
        }
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Gathering {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.held.len() + bytes.len() > ROOM {
            ready!(self.poll_send(context))?;
        }
        if bytes.len() > ROOM {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        self.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        // A farewell is written and the stream given up without another read. What finds no room now is lost with the
        // connection, as it would have been anyway.
        drop(self.stream.try_write(&self.held));
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Gathering, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Gathering::new(near), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn what_is_written_leaves_with_the_next_read() {
        let (mut near, mut far) = pair().await;
        for _ in 0..3 {
            near.write_all(b"ack.").await.unwrap();
            near.flush().await.unwrap();
        }
        let mut seen = [0; 64];
        assert_eq!(far.try_read(&mut seen).map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
        let answer = async {
            let count = far.read(&mut seen).await.unwrap();
            far.write_all(b"x").await.unwrap();
            count
        };
        let (read, count) = tokio::join!(near.read_u8(), answer);
        assert_eq!((read.unwrap(), &seen[..count]), (b'x', &b"ack.ack.ack."[..]));
    }

    #[tokio::test]
    async fn a_farewell_leaves_although_nothing_is_read_any_more() {
        let (mut near, mut far) = pair().await;
        near.write_all(b"bye").await.unwrap();
        near.flush().await.unwrap();
        drop(near);
        let mut seen = Vec::new();
        far.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, b"bye");
    }

    #[tokio::test]
    async fn what_is_longer_than_the_room_arrives_whole_and_in_order() {
        let (mut near, mut far) = pair().await;
        let sent: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let write = async {
            for part in sent.chunks(37_001) {
                near.write_all(&part[..3]).await.unwrap();
                near.write_all(&part[3..]).await.unwrap();
            }
            near.shutdown().await.unwrap();
        };
        let mut seen = Vec::new();
        let (_, read) = tokio::join!(write, far.read_to_end(&mut seen));
        read.unwrap();
        assert!(seen == sent, "{} bytes of {}", seen.len(), sent.len());
    }
}
