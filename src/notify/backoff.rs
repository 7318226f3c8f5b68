//! What becomes of a delivery after a try: when the next one is, or that there is none. Pure; chance is handed in.

use std::time::Duration;

use crate::domain::notice::AttemptOutcome;
use crate::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use crate::store::deliveries::Next;

use super::sink::Answer;

/// The first pause at most; each next is twice as long (FAILURES: 1 s to 15 min, for 72 h).
const FIRST: i64 = SECOND;
const LONGEST: i64 = 15 * MINUTE;
/// After this long without success a delivery is given up.
pub const PATIENCE: i64 = 3 * DAY;
/// A receiver that asks for a longer pause than this is asked again after it all the same.
const LONGEST_ASKED: i64 = 6 * HOUR;
/// One that does not want a message is tried so often, this far apart: three tries over an hour.
const REFUSALS: u32 = 3;
const BETWEEN_REFUSALS: i64 = 30 * MINUTE;

/// How a delivery stands when its receiver has answered.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    pub created_at: Timestamp,
    /// Tries before this one.
    pub attempts: u32,
    pub now: Timestamp,
}

/// The word for an answer in the record, its status and its detail.
#[must_use]
pub fn recorded(answer: Answer) -> (AttemptOutcome, Option<u16>, String) {
    match answer {
        Answer::Delivered { status } => (AttemptOutcome::Delivered, status, String::new()),
        Answer::Retry { status, detail, .. } => (AttemptOutcome::Retry, status, detail),
        Answer::Refused { status, detail } => (AttemptOutcome::Refused, status, detail),
        Answer::Gone { status, detail } => (AttemptOutcome::Gone, status, detail),
    }
}

/// What becomes of it. `chance` from 0 to 1 chooses the pause within its bounds, so that what failed together does not
/// come back together.
#[must_use]
pub fn next(answer: &Answer, standing: Standing, chance: f64) -> Next {
    let Standing { created_at, attempts, now } = standing;
    let again = match answer {
        Answer::Delivered { .. } => return Next::Delivered,
        Answer::Gone { .. } => return Next::Dead,
        Answer::Refused { .. } if attempts + 1 >= REFUSALS => return Next::Dead,
        Answer::Refused { .. } => now + BETWEEN_REFUSALS,
        Answer::Retry { after, .. } => now + pause(attempts, chance).max(asked(*after)),
    };
    if again - created_at > PATIENCE { Next::Dead } else { Next::Again(again) }
}

/// Full jitter: anything from nothing to the whole pause.
fn pause(attempts: u32, chance: f64) -> i64 {
    let whole = FIRST.saturating_mul(1 << attempts.min(20)).min(LONGEST);
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "at most 15 minutes")]
    let part = (whole as f64 * chance.clamp(0.0, 1.0)) as i64;
    part
}

fn asked(after: Option<Duration>) -> i64 {
    let asked = after.map_or(0, |after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
    asked.min(LONGEST_ASKED)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: Timestamp = Timestamp(1_000_000);

    fn retry(after: Option<u64>) -> Answer {
        Answer::Retry { status: Some(503), detail: String::new(), after: after.map(Duration::from_secs) }
    }

    fn refused() -> Answer {
        Answer::Refused { status: Some(400), detail: String::new() }
    }

    fn standing(attempts: u32, now: Timestamp) -> Standing {
        Standing { created_at: CREATED, attempts, now }
    }

    #[test]
    fn pauses_double_from_a_second_to_a_quarter_of_an_hour() {
        let pauses: Vec<i64> = (0..12)
            .map(|attempts| match next(&retry(None), standing(attempts, CREATED), 1.0) {
                Next::Again(at) => (at - CREATED) / SECOND,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    }

    #[test]
    fn chance_chooses_anything_up_to_the_whole_pause() {
        assert_eq!(next(&retry(None), standing(9, CREATED), 0.0), Next::Again(CREATED));
        assert_eq!(next(&retry(None), standing(9, CREATED), 0.5), Next::Again(CREATED + 256 * SECOND));
    }

    #[test]
    fn a_receiver_that_names_a_pause_gets_it_within_reason() {
        assert_eq!(next(&retry(Some(120)), standing(0, CREATED), 1.0), Next::Again(CREATED + 120 * SECOND));
        let endless = next(&retry(Some(u64::MAX / 2)), standing(0, CREATED), 1.0);
        assert_eq!(endless, Next::Again(CREATED + LONGEST_ASKED));
    }

    #[test]
    fn a_delivery_is_given_up_after_72_hours_and_not_before() {
        let last = CREATED + (PATIENCE - LONGEST);
        assert!(matches!(next(&retry(None), standing(300, last), 1.0), Next::Again(_)));
        assert_eq!(next(&retry(None), standing(300, last + 1), 1.0), Next::Dead);
    }

    #[test]
    fn a_message_that_is_not_wanted_is_tried_three_times_over_an_hour() {
        assert_eq!(next(&refused(), standing(0, CREATED), 0.3), Next::Again(CREATED + 30 * MINUTE));
        assert_eq!(next(&refused(), standing(1, CREATED + 30 * MINUTE), 0.3), Next::Again(CREATED + HOUR));
        assert_eq!(next(&refused(), standing(2, CREATED + HOUR), 0.3), Next::Dead);
    }

    #[test]
    fn a_receiver_that_is_gone_is_not_tried_again() {
        let gone = Answer::Gone { status: Some(410), detail: String::new() };
        assert_eq!(next(&gone, standing(0, CREATED), 0.3), Next::Dead);
    }
}
