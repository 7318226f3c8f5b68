//! A maintenance visit as units and evidence show it.

use super::wire::{json, time};
use crate::store::read::visits::VisitRow;

/// A maintenance visit as its record tells it.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct VisitWire {
    pub id: String,
    pub unit: String,
    pub publisher: String,
    pub record_id: String,
    /// FM, HM, TM, SM or OY.
    pub kind: String,
    #[schema(format = DateTime)]
    pub started_at: String,
    #[schema(required, format = DateTime)]
    pub ended_at: Option<String>,
    #[schema(required)]
    pub supersedes: Option<String>,
    #[schema(format = DateTime)]
    pub received_at: String,
    /// The whole record.
    #[schema(required, nullable, value_type = Object)]
    pub record: Option<serde_json::Value>,
}

impl From<VisitRow> for VisitWire {
    fn from(row: VisitRow) -> Self {
        Self {
            id: row.id,
            unit: row.unit,
            publisher: row.publisher,
            record_id: row.record_id,
            kind: row.kind,
            started_at: time(row.started_at),
            ended_at: row.ended_at.map(time),
            supersedes: row.supersedes,
            received_at: time(row.received_at),
            record: json(Some(row.body)),
        }
    }
}
