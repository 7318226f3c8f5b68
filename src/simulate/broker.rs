//! An MQTT 5 broker inside the process, on loopback, for `demo` and for tests. Its queue is in memory: never for production.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use tokio::sync::oneshot;

/// Messages that may wait for one subscriber: a month of history of a city, several times over.
const QUEUE: usize = 4_000_000;

/// A running broker; it stops when this is dropped.
pub struct EmbeddedBroker {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerStartError {
    #[error("port {port} of 127.0.0.1 is taken: {reason}")]
    Port { port: u16, reason: String },
    #[error("the broker's thread did not start: {0}")]
    Thread(std::io::Error),
}

impl EmbeddedBroker {
    /// Listens on 127.0.0.1; port 0 takes any free one, which [`Self::address`] tells. Returns when clients can connect.
    ///
    /// # Errors
    /// [`BrokerStartError::Port`] when the port is taken.
    pub fn start(port: u16) -> Result<Self, BrokerStartError> {
        let (started, start) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        // A runtime of its own: dropping it is the only way to end the connections that the broker has spawned.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("broker")
            .enable_all()
            .build()
            .map_err(BrokerStartError::Thread)?;
        let work = move || {
            runtime.block_on(serve(port, started, stopped));
            runtime.shutdown_timeout(Duration::from_secs(1));
        };
        let thread =
            std::thread::Builder::new().name("broker".to_owned()).spawn(work).map_err(BrokerStartError::Thread)?;
        let address = start.recv().unwrap_or_else(|_| Err("it ended at once".to_owned()));
        let address = address.map_err(|reason| BrokerStartError::Port { port, reason })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _already_gone = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

async fn serve(port: u16, started: mpsc::Sender<Result<SocketAddr, String>>, stopped: oneshot::Receiver<()>) {
    let listener = match listen(port) {
        Ok(listener) => listener,
        Err(error) => {
            let _nobody_waits = started.send(Err(error));
            return;
        }
    };
    let address = listener.local_addr().map_err(|error| error.to_string());
    let context = ServerContext::new().task_exec_queue_max(QUEUE).busy_check_enable(false).build().await;
    let server = MqttServer::new(context).listener_by_id(listener, 1).build();
    let _nobody_waits = started.send(address);
    tokio::select! {
        _ = server.run() => {}
        _ = stopped => {}
    }
}

fn listen(port: u16) -> Result<Listener, String> {
    let window = NonZeroU16::new(8192).unwrap_or(NonZeroU16::MIN);
    let day = Duration::from_secs(24 * 3600);
    let bound = Builder::new()
        .name("embedded")
        .laddr((Ipv4Addr::LOCALHOST, port).into())
        .reuseaddr(Some(true))
        .nodelay(true)
        .max_packet_size(16 * 1024 * 1024)
        .max_inflight(window)
        .max_mqueue_len(QUEUE)
        .session_expiry_interval(day)
        .max_session_expiry_interval(day)
        .message_expiry_interval(day)
        // MQTT 5 sends again at a new connection only; its default of 20 s would double a slow catch-up.
        .message_retry_interval(day)
        .bind();
    bound.and_then(Listener::tcp).map_err(|error| error.to_string())
}
