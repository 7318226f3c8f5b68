//! Writes units as the registry CSV that `import units` reads (docs/CONTRACT.md has the header).

use std::io::Write;

use crate::domain::unit::Unit;

/// The columns, in their order.
pub const HEADER: [&str; 17] = [
    "unit",
    "registration_code",
    "region",
    "site",
    "address",
    "kind",
    "maker",
    "model",
    "in_service_since",
    "owner",
    "maintainer",
    "publisher",
    "stops",
    "latitude",
    "longitude",
    "maintenance_interval_days",
    "last_inspection",
];

/// Writes the header and one line per unit.
///
/// # Errors
/// Whatever the writer says.
pub fn write(units: &[Unit], out: impl Write) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(HEADER)?;
    for unit in units {
        let or_empty = |text: Option<String>| text.unwrap_or_default();
        let degrees = |value: f64| format!("{value:.6}");
        writer.write_record([
            unit.id.as_str(),
            &unit.registration_code,
            unit.region.as_str(),
            &unit.site,
            &unit.address,
            unit.kind.as_str(),
            &unit.maker,
            &unit.model,
            &or_empty(unit.in_service_since.map(|date| date.to_string())),
            &unit.owner,
            &unit.maintainer,
            &or_empty(unit.publisher.as_ref().map(ToString::to_string)),
            &or_empty(unit.stops.map(|stops| stops.to_string())),
            &or_empty(unit.position.map(|(latitude, _)| degrees(latitude))),
            &or_empty(unit.position.map(|(_, longitude)| degrees(longitude))),
            &unit.maintenance_interval_days.to_string(),
            &or_empty(unit.last_inspection.map(|date| date.to_string())),
        ])?;
    }
    writer.flush()?;
    Ok(())
}
