//! Connections of which there are not too many, and which do not wait for ever: a peer that sends nothing, drips its
//! request or does not read its answer is hung up on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tokio_rustls::TlsAcceptor;

use super::tls::Line;
use rustls::ServerConfig;

/// Connections at once: half of the 1,024 files that a process may have by default, so that the store keeps its own.
const CONNECTIONS: usize = 512;

/// From the last byte that we sent, or from the start, until a whole request has come.
const IDLE: Duration = Duration::from_secs(15);

/// A listener with so many places and no more; who comes later waits in the kernel's queue.
pub struct Entrance {
    listener: TcpListener,
    places: Arc<Semaphore>,
    tls: Option<TlsAcceptor>,
}

impl Entrance {
    /// The entrance at a bound address, with TLS or without.
    #[must_use]
    pub fn new(listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(CONNECTIONS)), tls: tls.map(TlsAcceptor::from) }
    }
}

impl Listener for Entrance {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        let idle = Box::pin(sleep(IDLE));
        let requests = Requests { running: Arc::default(), peer: Some(peer.ip()) };
        let stream = Line::new(stream, self.tls.as_ref());
        (Connection { stream, patience: IDLE, idle, requests, _place: place }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// How many requests of a connection are being answered; while one is, its own time limit holds.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    running: Arc<AtomicUsize>,
    peer: Option<IpAddr>,
}

impl Requests {
    /// Counts a request until what is returned is dropped.
    #[must_use]
    pub fn begin(&self) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(&self.running))
    }

    /// Where the connection comes from.
    #[must_use]
    pub const fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, Entrance>> for Requests {
    fn connect_info(stream: IncomingStream<'_, Entrance>) -> Self {
        stream.io().requests.clone()
    }
}

/// One peer's connection.
pub struct Connection {
    stream: Line,
    patience: Duration,
    idle: Pin<Box<Sleep>>,
    requests: Requests,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Pending until the peer's patience with us, or ours with it, has run out.
    fn hang_up<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.idle.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending if self.requests.running.load(Ordering::Relaxed) == 0 => self.hang_up(context),
            told => told,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => self.hang_up(context),
            Poll::Ready(told) => {
                self.idle = Box::pin(sleep(self.patience));
                Poll::Ready(told)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut entrance = Entrance::new(listener, None);
        let (near, far) = tokio::join!(entrance.accept(), TcpStream::connect(address));
        (near.0, far.unwrap())
    }

    /// As if `IDLE` had passed, but shorter.
    fn impatient(connection: &mut Connection) {
        connection.patience = Duration::from_millis(30);
        connection.idle = Box::pin(sleep(connection.patience));
    }

    #[tokio::test]
    async fn a_peer_that_drips_is_hung_up_on() {
        let (mut near, mut far) = pair().await;
        impatient(&mut near);
        far.write_all(b"GET").await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(near.read(&mut buffer).await.unwrap(), 3);
        assert_eq!(near.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_whose_request_is_being_answered_is_waited_for() {
        let (mut near, mut far) = pair().await;
        impatient(&mut near);
        let running = near.requests.begin();
        let later = tokio::spawn(async move {
            sleep(Duration::from_millis(90)).await;
            far.write_all(b"x").await.unwrap();
            far
        });
        assert_eq!(near.read(&mut [0; 4]).await.unwrap(), 1);
        drop(running);
        drop(later.await.unwrap());
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_hung_up_on() {
        let (mut near, _far) = pair().await;
        impatient(&mut near);
        let written = tokio::time::timeout(Duration::from_secs(5), async {
            loop {
                near.write_all(&[0; 65_536]).await?;
            }
        });
        let told: io::Result<()> = written.await.unwrap();
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
