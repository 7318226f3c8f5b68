//! Days and years where people read: in the zone of `[display] time_zone`. Asks no clock.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{ToSpan, Unit};

use crate::domain::time::Timestamp;

/// The zone in which pages show times, and the age from which a unit counts as over age.
#[derive(Debug, Clone)]
pub struct Calendar {
    pub zone: TimeZone,
    /// Years since the date of use, as `[rules.over_age] limit_years` has them.
    pub over_age_years: u8,
}

impl Calendar {
    /// Civil time in the zone; a time that no calendar has is the start of 1970.
    fn civil(&self, at: Timestamp) -> DateTime {
        self.zone.to_datetime(jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// The last day of first use that makes a unit over age at `now`, as `yyyy-mm-dd`.
    #[must_use]
    pub fn over_age_since(&self, now: Timestamp) -> String {
        let today = self.civil(now).date();
        today.checked_sub(i64::from(self.over_age_years).years()).unwrap_or(today).to_string()
    }

    /// Whole years from `since` (`yyyy-mm-dd`) to `now`; `None` if it is no date or lies ahead.
    #[must_use]
    pub fn years_in_use(&self, since: &str, now: Timestamp) -> Option<i16> {
        let since: Date = since.parse().ok()?;
        let years = since.until((Unit::Year, self.civil(now).date())).ok()?.get_years();
        (years >= 0).then_some(years)
    }

    /// `2026-11-24T14:05` in the zone, as a form's field has it.
    #[must_use]
    pub fn written(&self, at: i64) -> String {
        self.civil(Timestamp(at)).strftime("%Y-%m-%dT%H:%M").to_string()
    }

    /// The point in time that a form's field names in the zone; `None` if it names none.
    #[must_use]
    pub fn instant(&self, text: &str) -> Option<Timestamp> {
        let civil: DateTime = text.parse().ok()?;
        Some(Timestamp(self.zone.to_timestamp(civil).ok()?.as_millisecond()))
    }

    /// When the day `2026-11-24` begins in the zone, and when it is over; `None` if the text is no day.
    #[must_use]
    pub fn day(&self, text: &str) -> Option<(Timestamp, Timestamp)> {
        let day: Date = text.parse().ok()?;
        let begins = |day: Date| Some(Timestamp(self.zone.to_timestamp(day.at(0, 0, 0, 0)).ok()?.as_millisecond()));
        Some((begins(day)?, begins(day.tomorrow().ok()?)?))
    }

    /// `2026-11-24 14:05:03` in the zone.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> String {
        self.civil(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_over_age_on_the_day_that_completes_fifteen_years() {
        let calendar = Calendar { zone: TimeZone::fixed(jiff::tz::offset(8)), over_age_years: 15 };
        let now = Timestamp::parse("2026-11-23T16:30:00Z").unwrap();
        assert_eq!(calendar.over_age_since(now), "2011-11-24");
        assert_eq!(calendar.years_in_use("2011-11-24", now), Some(15));
        assert_eq!(calendar.years_in_use("2011-11-25", now), Some(14));
        assert_eq!(calendar.years_in_use("2031-01-01", now), None);
        assert_eq!(calendar.local(now), "2026-11-24 00:30:00");
        assert_eq!(calendar.written(now.0), "2026-11-24T00:30");
        assert_eq!(calendar.instant("2026-11-24T00:30"), Some(now));
        assert_eq!(calendar.instant("tomorrow"), None);
        let (begins, ends) = calendar.day("2026-11-24").unwrap();
        assert_eq!((begins.to_string().as_str(), ends - begins), ("2026-11-23T16:00:00.000Z", 86_400_000));
        assert_eq!(calendar.day("2026-02-30"), None);
    }
}
