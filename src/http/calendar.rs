//! Days where people read: China's time, fixed at UTC+8, which has had no summer time since 1991. Asks no clock.

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

use crate::domain::time::Timestamp;

/// A unit that is this many years in use or more is over age (DOMAIN.md §3).
pub const OVER_AGE_YEARS: i16 = 15;

/// China's civil time; a time that no calendar has is the start of 1970.
fn civil(at: Timestamp) -> DateTime {
    Offset::constant(8).to_datetime(jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}

/// The civil day at `now` in China.
#[must_use]
pub fn today(now: Timestamp) -> Date {
    civil(now).date()
}

/// The last day of first use that makes a unit over age at `now`, as `yyyy-mm-dd`.
#[must_use]
pub fn over_age_since(now: Timestamp) -> String {
    use jiff::ToSpan;
    let today = today(now);
    today.checked_sub(OVER_AGE_YEARS.years()).unwrap_or(today).to_string()
}

/// Whole years from `since` (`yyyy-mm-dd`) to `now`; `None` if it is no date or lies ahead.
#[must_use]
pub fn years_in_use(since: &str, now: Timestamp) -> Option<i16> {
    let since: Date = since.parse().ok()?;
    let years = since.until((jiff::Unit::Year, today(now))).ok()?.get_years();
    (years >= 0).then_some(years)
}

/// `2026-11-24 14:05:03` in China's time.
#[must_use]
pub fn local(at: Timestamp) -> String {
    civil(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_over_age_on_the_day_that_completes_fifteen_years() {
        let now = Timestamp::parse("2026-11-23T16:30:00Z").unwrap();
        assert_eq!(over_age_since(now), "2011-11-24");
        assert_eq!(years_in_use("2011-11-24", now), Some(15));
        assert_eq!(years_in_use("2011-11-25", now), Some(14));
        assert_eq!(years_in_use("2031-01-01", now), None);
        assert_eq!(local(now), "2026-11-24 00:30:00");
    }
}
