//! The city's controllers: tells the story over real MQTT, one client per publisher, history first and then live.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::city::City;
use super::publisher::{PublishError, Publisher, PublisherSettings, Tally};
use super::story::{Story, StorySettings};
use crate::domain::time::Timestamp;

/// Where the time of day comes from.
pub type Now<'a> = &'a (dyn Fn() -> Timestamp + Send + Sync);

/// How the city is played.
#[derive(Debug, Clone)]
pub struct SimulationSettings {
    pub connection: PublisherSettings,
    pub story: StorySettings,
    /// Begins every client id, so that two simulations can share a broker.
    pub client_prefix: String,
}

/// Plays `city` until shutdown: the past as fast as the broker takes it, then each message when it is due.
/// Counts into `tally` as it goes. On shutdown waits for what was sent and leaves nothing behind.
///
/// # Errors
/// [`PublishError`] when the broker cannot be reached at start.
pub async fn run(
    city: &City,
    settings: SimulationSettings,
    clock: Now<'_>,
    tally: Arc<Tally>,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), PublishError> {
    let story = Story::new(city, settings.story.clone());
    let mut publishers = Vec::new();
    for name in story.publishers() {
        let client_id = format!("{}-{name}", settings.client_prefix);
        publishers.push(Publisher::connect(&client_id, name, &settings.connection, Arc::clone(&tally)).await?);
    }
    tell(story, &publishers, clock, &mut shutdown).await?;
    let finished = publishers.into_iter().map(|publisher| tokio::spawn(publisher.finish(Duration::from_secs(3))));
    for publisher in finished.collect::<Vec<_>>() {
        if !publisher.await.unwrap_or(false) {
            tracing::warn!("some simulated messages were not taken by the broker before the end");
        }
    }
    Ok(())
}

async fn tell(
    story: Story,
    publishers: &[Publisher],
    clock: Now<'_>,
    shutdown: &mut watch::Receiver<bool>,
) -> Result<(), PublishError> {
    let mut now = clock();
    for message in story {
        // Asked only when it matters: the past needs no clock.
        while message.at > now {
            now = clock();
            let wait = u64::try_from(message.at - now).unwrap_or(0);
            if wait > 0 {
                tokio::select! {
                    _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
                    () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                }
            }
        }
        tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
            published = publishers[message.publisher].publish(message.topic, message.payload) => published?,
        }
    }
    Ok(())
}
