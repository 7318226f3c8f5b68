//! Whether an alert is answered now. An answer counts for the episode and the severity that it was given for. Pure.

use crate::domain::alert::Severity;
use crate::domain::notice::AnswerKind;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::UnknownWord;
use crate::store::read::answers::AnswerRow;

/// An answer as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    pub kind: AnswerKind,
    /// The alert's severity of which whoever answered knew.
    pub severity: Severity,
    /// The alert fired again since.
    pub reopened: bool,
    pub expires_at: Option<Timestamp>,
}

impl TryFrom<&AnswerRow> for Given {
    type Error = UnknownWord;

    fn try_from(row: &AnswerRow) -> Result<Self, UnknownWord> {
        Ok(Self {
            kind: row.kind.parse()?,
            severity: row.severity.parse()?,
            reopened: row.reopened,
            expires_at: row.expires_at.map(Timestamp),
        })
    }
}

/// Whether somebody has it in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has answered.
    Open,
    /// Somebody has it in hand; `until` is when that ceases to count by itself.
    Answered { until: Option<Timestamp> },
    /// The acknowledgement expired at that time.
    Expired(Timestamp),
    /// It has grown worse than it was when somebody answered.
    Outgrown,
    /// It fires again since somebody answered.
    Reopened,
}

impl Standing {
    /// Whether nobody need be reminded.
    #[must_use]
    pub fn is_answered(self) -> bool {
        matches!(self, Self::Answered { .. })
    }
}

/// Where an alert of this severity stands. `answers` is in the order in which they were given: the newest that is
/// more than a note decides, so that a shorter acknowledgement takes the place of one without an end.
#[must_use]
pub fn standing(severity: Severity, answers: &[Given], now: Timestamp) -> Standing {
    let Some(last) = answers.iter().rev().find(|answer| answer.kind != AnswerKind::Note) else {
        return Standing::Open;
    };
    if last.reopened {
        return Standing::Reopened;
    }
    if severity > last.severity {
        return Standing::Outgrown;
    }
    match last.expires_at {
        Some(end) if end <= now => Standing::Expired(end),
        until => Standing::Answered { until },
    }
}

/// The same for rows as they are read.
///
/// # Errors
/// A word that this program cannot have written.
pub fn standing_of(severity: &str, answers: &[AnswerRow], now: Timestamp) -> Result<Standing, UnknownWord> {
    let answers = answers.iter().map(Given::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok(standing(severity.parse()?, &answers, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn given(kind: AnswerKind) -> Given {
        Given { kind, severity: Severity::Warning, reopened: false, expires_at: None }
    }

    #[test]
    fn an_acknowledgement_an_arrival_and_a_false_alarm_answer_and_a_note_does_not() {
        for kind in [AnswerKind::Acknowledged, AnswerKind::Arrived, AnswerKind::FalseAlarm] {
            assert!(standing(Severity::Warning, &[given(kind)], NOW).is_answered(), "{kind}");
        }
        assert_eq!(standing(Severity::Warning, &[], NOW), Standing::Open);
        assert_eq!(standing(Severity::Warning, &[given(AnswerKind::Note)], NOW), Standing::Open);
        let noted = [given(AnswerKind::Acknowledged), given(AnswerKind::Note)];
        assert!(standing(Severity::Warning, &noted, NOW).is_answered(), "a note takes nothing back");
    }

    #[test]
    fn a_rise_in_severity_opens_it_again_and_a_fall_does_not() {
        let answers = [given(AnswerKind::Acknowledged)];
        assert_eq!(standing(Severity::Critical, &answers, NOW), Standing::Outgrown);
        assert!(standing(Severity::Info, &answers, NOW).is_answered());
    }

    #[test]
    fn an_acknowledgement_holds_until_it_expires_and_not_at_that_moment() {
        let answer = Given { expires_at: Some(NOW), ..given(AnswerKind::Acknowledged) };
        let before = standing(Severity::Warning, &[answer], NOW - 1);
        assert_eq!(before, Standing::Answered { until: Some(NOW) });
        assert_eq!(standing(Severity::Warning, &[answer], NOW), Standing::Expired(NOW));
    }

    #[test]
    fn the_newest_answer_decides() {
        let short = Given { expires_at: Some(NOW - 1), ..given(AnswerKind::Acknowledged) };
        let endless = given(AnswerKind::Acknowledged);
        assert_eq!(standing(Severity::Warning, &[endless, short], NOW), Standing::Expired(NOW - 1));
        assert!(standing(Severity::Warning, &[short, endless], NOW).is_answered());
    }

    #[test]
    fn an_alert_that_fires_again_is_open_until_somebody_answers_anew() {
        let before = Given { reopened: true, ..given(AnswerKind::FalseAlarm) };
        assert_eq!(standing(Severity::Warning, &[before], NOW), Standing::Reopened);
        assert!(standing(Severity::Warning, &[before, given(AnswerKind::Arrived)], NOW).is_answered());
    }
}
