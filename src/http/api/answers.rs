//! What people answered, and where an alert stands with them, as the API shows it.

use super::wire::time;
use crate::domain::time::Timestamp;
use crate::notify::answered::{self, Standing};
use crate::store::read::ReadError;
use crate::store::read::alerts::AlertFile;
use crate::store::read::answers::AnswerRow;

/// One answer.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct AnswerWire {
    pub id: i64,
    /// acknowledged, false_alarm, arrived or note.
    pub kind: String,
    #[schema(format = DateTime)]
    pub at: String,
    pub by: String,
    /// Empty if nothing was said.
    pub note: String,
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// The alert's severity that whoever answered knew of.
    pub severity: String,
    /// The message whose link was used.
    #[schema(required)]
    pub delivery: Option<String>,
}

impl From<AnswerRow> for AnswerWire {
    fn from(row: AnswerRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            at: time(row.at),
            by: row.by,
            note: row.note,
            expires_at: row.expires_at.map(time),
            severity: row.severity,
            delivery: row.delivery,
        }
    }
}

/// Whether somebody has the alert in hand now.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct StandingWire {
    pub answered: bool,
    /// open: nobody answered; answered; expired; outgrown: it grew worse since; reopened: it fires again since.
    pub because: &'static str,
    /// When an answer that counts ceases to, or one that expired did.
    #[schema(required, format = DateTime)]
    pub until: Option<String>,
}

/// Where an alert stands with people at `now`.
///
/// # Errors
/// [`ReadError::Row`] if a row holds a word that this version does not know.
pub fn standing(file: &AlertFile, now: Timestamp) -> Result<Standing, ReadError> {
    answered::standing_of(&file.alert.severity, &file.answers, now).map_err(|error| ReadError::Row {
        table: "answer",
        id: file.alert.id.clone(),
        what: error.to_string(),
    })
}

/// The word for it, in the API and in the table of words.
#[must_use]
pub fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Open => "open",
        Standing::Answered { .. } => "answered",
        Standing::Expired(_) => "expired",
        Standing::Outgrown => "outgrown",
        Standing::Reopened => "reopened",
    }
}

/// When it ends, or ended.
#[must_use]
pub fn until(standing: Standing) -> Option<Timestamp> {
    match standing {
        Standing::Answered { until } => until,
        Standing::Expired(at) => Some(at),
        Standing::Open | Standing::Outgrown | Standing::Reopened => None,
    }
}

impl StandingWire {
    /// The wire form.
    ///
    /// # Errors
    /// A row that cannot be understood.
    pub fn of(file: &AlertFile, now: Timestamp) -> Result<Self, ReadError> {
        let standing = standing(file, now)?;
        Ok(Self {
            answered: standing.is_answered(),
            because: word(standing),
            until: until(standing).map(|at| time(at.0)),
        })
    }
}
