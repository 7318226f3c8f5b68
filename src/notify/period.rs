//! Lengths of time as people write them in the configuration: `10s`, `5m`, `1h30m`, `3d`. Kept in milliseconds.

use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, de::Error};

use crate::domain::time::{DAY, HOUR, MINUTE, SECOND};

/// The longest that anything here may take: longer than any alert stays unanswered.
const LONGEST: i64 = 365 * DAY;

/// The largest first, as they must stand.
const UNITS: [(char, i64); 4] = [('d', DAY), ('h', HOUR), ('m', MINUTE), ('s', SECOND)];

/// Why a text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a length of time such as 10s, 5m, 1h30m or 3d, of at most 365d")]
pub struct NotAPeriod;

/// Reads a length of time, in milliseconds.
///
/// # Errors
/// [`NotAPeriod`] for another form, units that do not descend, or more than a year.
pub fn parse(text: &str) -> Result<i64, NotAPeriod> {
    let mut units = UNITS.iter();
    let mut rest = text;
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(NotAPeriod)?;
        let count: i64 = rest[..digits].parse().map_err(|_| NotAPeriod)?;
        let unit = rest[digits..].chars().next().ok_or(NotAPeriod)?;
        let (_, length) = units.find(|(name, _)| *name == unit).ok_or(NotAPeriod)?;
        sum = count.checked_mul(*length).and_then(|part| sum.checked_add(part)).ok_or(NotAPeriod)?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    if text.is_empty() || sum > LONGEST { Err(NotAPeriod) } else { Ok(sum) }
}

/// The shortest way to write it.
#[must_use]
pub fn show(millis: i64) -> String {
    let mut rest = millis;
    let mut text = String::new();
    for (name, length) in UNITS {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            write!(text, "{count}{name}").expect("a String takes everything");
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// The same where the key may be left out.
///
/// # Errors
/// [`NotAPeriod`].
pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    millis(deserializer).map(Some)
}

/// For settings: `#[serde(deserialize_with = "period::millis")]`.
///
/// # Errors
/// [`NotAPeriod`].
pub fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_shows_it_in_the_same_way() {
        for (text, millis) in [("0s", 0), ("10s", 10_000), ("1h30m", 5_400_000), ("3d", 3 * DAY), ("1d1s", DAY + 1000)]
        {
            assert_eq!(parse(text), Ok(millis), "{text}");
            assert_eq!(show(millis), text);
        }
        assert_eq!(parse("90m").map(show), Ok("1h30m".to_owned()));
        for text in ["", "5", "m", "5 m", "5ms", "1m1h", "1m1m", "-1m", "366d", "99999999999999d", "1µ", "５m"] {
            assert_eq!(parse(text), Err(NotAPeriod), "{text}");
        }
    }
}
