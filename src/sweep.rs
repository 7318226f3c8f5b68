//! Time as an event: a tick each second, and whether the clock has jumped since the last one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::domain::time::{MINUTE, Timestamp};

/// How often time is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// A difference between the time of day and the monotonic time that is a jump (docs/SOURCES.md: over 60 s).
const JUMP: i64 = MINUTE;

/// Time has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The time of day was set since the last tick: nobody's silence can be judged by it.
    pub jumped: bool,
}

/// Sends ticks until shutdown. A tick that finds the last one still waiting is left out: time passes by itself.
pub async fn run(clock: Arc<dyn Clock>, ticks: mpsc::Sender<Tick>, mut shutdown: watch::Receiver<bool>) {
    let mut timer = tokio::time::interval(EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut jumps = JumpWatch::new(clock.now(), clock.monotonic());
    let mut jumped = false;
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            _ = shutdown.wait_for(|stop| *stop) => return,
        }
        // A jump stays told until a tick gets through.
        jumped |= jumps.look(clock.now(), clock.monotonic());
        match ticks.try_send(Tick { jumped }) {
            Ok(()) => jumped = false,
            Err(mpsc::error::TrySendError::Full(_)) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => return,
        }
    }
}

/// Compares how the two clocks run.
pub struct JumpWatch {
    now: Timestamp,
    monotonic: Duration,
}

impl JumpWatch {
    /// Begins at these readings.
    #[must_use]
    pub const fn new(now: Timestamp, monotonic: Duration) -> Self {
        Self { now, monotonic }
    }

    /// Whether the time of day ran more than a minute faster or slower than time itself since the last look.
    pub fn look(&mut self, now: Timestamp, monotonic: Duration) -> bool {
        let passed = i64::try_from(monotonic.saturating_sub(self.monotonic).as_millis()).unwrap_or(i64::MAX);
        let jumped = ((now - self.now) - passed).abs() > JUMP;
        (self.now, self.monotonic) = (now, monotonic);
        jumped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::VirtualClock;

    #[test]
    fn a_clock_that_is_set_has_jumped_and_one_that_runs_has_not() {
        let clock = VirtualClock::at(Timestamp(1_000_000));
        let mut jumps = JumpWatch::new(clock.now(), clock.monotonic());
        clock.advance(10 * MINUTE);
        assert!(!jumps.look(clock.now(), clock.monotonic()));
        clock.jump_to(Timestamp(5_000_000));
        assert!(jumps.look(clock.now(), clock.monotonic()));
        assert!(!jumps.look(clock.now(), clock.monotonic()), "a jump is told once");
        clock.jump_to(Timestamp(1_000_000));
        assert!(jumps.look(clock.now(), clock.monotonic()), "backward is a jump too");
    }
}
