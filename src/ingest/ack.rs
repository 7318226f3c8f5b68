//! Publishes application acks from a client of its own, so that they can never hold up the session that receives.
//! May drop an ack, never waits: the next ack of the same unit says more.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, PublishOptions};

use crate::broker::LinkStatus;
use crate::pipeline::message::ApplicationAck;

/// The publishing side; its task ends when this is dropped.
pub struct AckPublisher {
    client: AsyncClient,
    status: Arc<LinkStatus>,
    task: tokio::task::JoinHandle<()>,
}

impl AckPublisher {
    /// Starts the task that holds the connection.
    #[must_use]
    pub fn start(options: MqttOptions, status: Arc<LinkStatus>) -> Self {
        let (client, eventloop) = AsyncClient::builder(options).build();
        let task = tokio::spawn(keep_connected(eventloop, Arc::clone(&status)));
        Self { client, status, task }
    }

    /// Queues one ack on `liftack/v1/<publisher>/<unit>`; drops and counts it where there is no room.
    pub fn publish(&self, ack: &ApplicationAck) {
        let topic = format!("liftack/v1/{}/{}", ack.publisher, ack.unit);
        let payload = serde_json::json!({ "boot": ack.boot, "first": ack.first, "seq": ack.seq }).to_string();
        if self.client.try_publish(topic, payload, PublishOptions::at_least_once()).is_err() {
            let dropped = self.status.note_application_ack_dropped();
            // Each power of two: told soon, and never a flood.
            if dropped.is_power_of_two() {
                tracing::warn!(region = %self.status.region, dropped, "application acks dropped: the broker does not take them");
            }
        }
    }

    /// Gives queued acks up to `within` to leave, then disconnects.
    pub async fn finish(mut self, within: Duration) {
        let asked = self.client.try_disconnect_with_timeout(within).is_ok();
        if asked && tokio::time::timeout(within, &mut self.task).await.is_ok() {
            return;
        }
        tracing::debug!(region = %self.status.region, "application acks left unsent at shutdown");
    }
}

impl Drop for AckPublisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep_connected(mut eventloop: EventLoop, status: Arc<LinkStatus>) {
    let mut failing = false;
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                failing = false;
                eventloop.options.clear_session_store();
            }
            // It subscribes to nothing, so what comes was meant for the session.
            Ok(Event::Incoming(Incoming::Publish(_))) => {
                tracing::error!(
                    region = %status.region,
                    "the broker takes the client that publishes acks for the session that receives, as it names clients by \
                     their user: set ack_username to another user, or application_ack to false. No acks until then"
                );
                return;
            }
            Ok(_) => {}
            Err(ConnectionError::RequestsDone | ConnectionError::DisconnectTimeout) => return,
            Err(error) => {
                if !failing {
                    tracing::warn!(region = %status.region, %error, "no connection for application acks; trying again");
                }
                failing = true;
                tokio::time::sleep(super::connection::retry_delay()).await;
            }
        }
    }
}
