//! The city's controllers: tells the story over real MQTT, one client per publisher, history first and then live.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::city::City;
use super::controller::{Controller, Farewell};
use super::publisher::{PublishError, PublisherSettings, Tally};
use super::story::{Story, StorySettings};
use crate::domain::time::Timestamp;

/// Before an event is told again that the city has not acknowledged (docs/CONTRACT.md).
pub const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// How often is looked for what is due to be told again.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Where the time of day comes from.
pub type Now<'a> = &'a (dyn Fn() -> Timestamp + Send + Sync);

/// How the city is played.
#[derive(Debug, Clone)]
pub struct SimulationSettings {
    pub connection: PublisherSettings,
    pub story: StorySettings,
    /// Begins every client id, so that two simulations can share a broker.
    pub client_prefix: String,
    /// Before an event that the city has not acknowledged is told again; `None` keeps no event.
    pub again_after: Option<Duration>,
}

/// Plays `city` until shutdown: the past as fast as the broker takes it, then each message when it is due.
/// Counts into `tally` as it goes. On shutdown waits for what was sent and leaves nothing behind; says how many events
/// the city has not acknowledged.
///
/// # Errors
/// [`PublishError`] when the broker cannot be reached at start.
pub async fn run(
    city: &City,
    settings: SimulationSettings,
    clock: Now<'_>,
    tally: Arc<Tally>,
    mut shutdown: watch::Receiver<bool>,
) -> Result<Farewell, PublishError> {
    let story = Story::new(city, settings.story.clone());
    let mut controllers = Vec::new();
    for name in story.publishers() {
        let client_id = format!("{}-{name}", settings.client_prefix);
        let (connection, tally) = (&settings.connection, Arc::clone(&tally));
        controllers.push(Controller::connect(&client_id, name, connection, settings.again_after, tally).await?);
    }
    tell(story, &mut controllers, clock, &mut shutdown).await?;
    let finished = controllers.into_iter().map(|controller| tokio::spawn(controller.finish(Duration::from_secs(3))));
    let mut all = Farewell { settled: true, ..Farewell::default() };
    for finished in finished.collect::<Vec<_>>() {
        let Farewell { settled, unacknowledged, given_up } = finished.await.unwrap_or_default();
        all.settled &= settled;
        all.unacknowledged += unacknowledged;
        all.given_up += given_up;
    }
    if !all.settled {
        tracing::warn!("some simulated messages were not taken by the broker before the end");
    }
    Ok(all)
}

async fn tell(
    story: Story,
    controllers: &mut [Controller],
    clock: Now<'_>,
    shutdown: &mut watch::Receiver<bool>,
) -> Result<(), PublishError> {
    let mut now = clock();
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for message in story {
        loop {
            // Asked only when it matters: the past needs no clock.
            if message.at > now {
                now = clock();
            }
            let wait = Duration::from_millis(u64::try_from(message.at - now).unwrap_or(0));
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
                _ = look.tick() => {}
                () = rest(wait) => break,
            }
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
                told = tell_again(controllers) => told?,
            }
        }
        tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
            told = controllers[message.publisher].tell(message) => told?,
        }
    }
    Ok(())
}

async fn rest(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

async fn tell_again(controllers: &mut [Controller]) -> Result<(), PublishError> {
    for controller in controllers {
        controller.tell_again().await?;
    }
    Ok(())
}
