//! Points in time as whole milliseconds since 1970 in UTC. Asks no clock: the time is always handed in.

use std::fmt;
use std::ops::{Add, Sub};

/// One second in milliseconds.
pub const SECOND: i64 = 1_000;
/// One minute in milliseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// One hour in milliseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// One day of 24 hours in milliseconds.
pub const DAY: i64 = 24 * HOUR;

/// How far a controller's clock may run ahead of ours before its time is not believed (docs/SOURCES.md: 5 minutes).
pub const CLOCK_TOLERANCE: i64 = 5 * MINUTE;

/// Before this, a controller's clock is taken for unset: no lift telemetry is older than 2000-01-01.
pub const EARLIEST: Timestamp = Timestamp(946_684_800_000);

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// Why a text is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not RFC 3339 with a zone, such as 2026-11-23T04:00:00.000Z")]
pub struct NotATime;

impl Timestamp {
    /// Reads RFC 3339 with a zone; parts below a millisecond are cut off.
    ///
    /// # Errors
    /// [`NotATime`] when the text has another form, no zone, or lies outside the years that can be counted.
    pub fn parse(text: &str) -> Result<Self, NotATime> {
        let at: jiff::Timestamp = text.parse().map_err(|_| NotATime)?;
        Ok(Self(at.as_millisecond()))
    }

    /// This time, or `now` where this lies further ahead of it than any sender's clock is believed.
    #[must_use]
    pub fn not_ahead_of(self, now: Self) -> Self {
        if self - now > CLOCK_TOLERANCE { now } else { self }
    }

    /// The point `days` whole days of 24 hours later.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        Self(self.0 + days * DAY)
    }
}

impl Add<i64> for Timestamp {
    type Output = Self;
    fn add(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl Sub<i64> for Timestamp {
    type Output = Self;
    fn sub(self, millis: i64) -> Self {
        Self(self.0.saturating_sub(millis))
    }
}

impl Sub for Timestamp {
    type Output = i64;
    fn sub(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// RFC 3339 in UTC with exactly three decimals, the form of every time in the API.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_three_decimals_in_utc() {
        let at = Timestamp::parse("2026-11-23T12:00:00+08:00").unwrap();
        assert_eq!(at.to_string(), "2026-11-23T04:00:00.000Z");
    }

    #[test]
    fn refuses_a_time_without_a_zone() {
        assert_eq!(Timestamp::parse("2026-11-23T12:00:00"), Err(NotATime));
    }
}
