//! A unit as the registry knows it: where it stands, who answers for it, since when it is in use.

use super::id::{PublisherId, RegionCode, UnitId};
use super::vocabulary::vocabulary;

vocabulary!(
    /// What kind of machine a unit is; decides its checklist and its fault codes.
    UnitKind, "unit kind", {
        /// Traction lift (曳引).
        Traction = "traction",
        /// Hydraulic lift (液压).
        Hydraulic = "hydraulic",
        /// Dumbwaiter (杂物).
        Dumbwaiter = "dumbwaiter",
        /// Escalator or moving walk (扶梯).
        Escalator = "escalator",
    }
);

/// One row of the registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    pub id: UnitId,
    /// Registration code as written, empty where unknown; never a reason to refuse a unit.
    pub registration_code: String,
    pub region: RegionCode,
    /// The compound, station or building.
    pub site: String,
    pub address: String,
    pub kind: UnitKind,
    pub maker: String,
    pub model: String,
    /// First day of use; `None` where neither the registry nor the registration code tells.
    pub in_service_since: Option<jiff::civil::Date>,
    /// Property manager that answers for the unit's use (使用单位).
    pub owner: String,
    /// Firm that holds the maintenance contract (维保单位).
    pub maintainer: String,
    /// Who may publish for this unit; `None` lets any publisher of its region.
    pub publisher: Option<PublisherId>,
    /// Number of landings served; `None` where unknown.
    pub stops: Option<u32>,
    /// Degrees north and east, WGS 84.
    pub position: Option<(f64, f64)>,
    /// Days between two planned visits (TSG T5002-2017: 15 by default).
    pub maintenance_interval_days: u32,
    pub last_inspection: Option<jiff::civil::Date>,
}
