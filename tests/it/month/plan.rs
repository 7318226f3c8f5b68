//! How long a month is, how many live in it, and what befalls it: the same for the daemon and for who checks it.

use liftwatch::detect::Settings;
use liftwatch::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use liftwatch::simulate::city::{City, CitySettings, build};

use crate::world::{START, region};

/// One run. The same plan gives the same messages at the same moments.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub units: usize,
    pub days: i64,
    /// Milliseconds between two heartbeats of a unit; whole minutes.
    pub beat: i64,
    pub seed: u64,
}

impl Plan {
    pub fn end(&self) -> Timestamp {
        START + self.days * DAY
    }

    /// The registry. Ages hold on the last day, so that some have their birthday in the month.
    pub fn city(&self) -> City {
        let today = jiff::Timestamp::from_millisecond(self.end().0).unwrap();
        let today = jiff::tz::TimeZone::UTC.to_datetime(today).date();
        build(&CitySettings { units: self.units, seed: self.seed, region: region(), today }).unwrap()
    }

    /// The rules, told how often this city's units say something.
    pub fn rules(&self) -> Settings {
        let mut settings = Settings::default();
        settings.silent_unit.heartbeat_seconds = u32::try_from(self.beat / 1_000).unwrap();
        settings
    }

    /// Without a word for so long a unit is silent.
    pub fn patience(&self) -> i64 {
        self.rules().silent_unit.patience()
    }

    /// The broker cannot be reached between these, for longer than anybody may be silent; what was told comes in one flood
    /// afterwards. On the second day, so that what the flood leaves with the allocator is not taken for growth later.
    pub fn lost(&self) -> (Timestamp, Timestamp) {
        let from = START + DAY + 12 * HOUR;
        (from, from + self.patience() + self.beat)
    }

    /// The daemon is killed, with what it heard last not acknowledged, and comes back.
    pub fn killed() -> (Timestamp, Timestamp) {
        let from = START + 16 * DAY + 10 * HOUR + 37 * MINUTE;
        (from, from + 20 * MINUTE)
    }
}
