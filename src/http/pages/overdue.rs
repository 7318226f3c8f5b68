//! `/overdue`: the units whose planned visit did not take place, by firm and one by one.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::frame::{Frame, Reading, page};
use super::show::{Badge, Desk, Moment};
use crate::detect::maintenance_overdue::due;
use crate::domain::time::{DAY, Timestamp};
use crate::http::admitted::Admitted;
use crate::http::api::overdue::filter;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::store::read::overdue::{OverdueFirm, OverdueRow};

struct FirmLine {
    name: String,
    units: i64,
    grave: i64,
    longest: Moment,
}

struct UnitLine {
    unit: String,
    site: String,
    maintainer: String,
    owner: String,
    visit: String,
    visited: Moment,
    due: Moment,
    days: i64,
    severity: Badge,
    alert: String,
}

#[derive(Template)]
#[template(path = "overdue.html")]
struct OverduePage {
    frame: Frame,
    maintainer: String,
    region: String,
    /// Empty where one firm is asked for.
    firms: Vec<FirmLine>,
    units: Vec<UnitLine>,
    address: String,
    next: Option<String>,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/overdue", get(list))
}

async fn list(Admitted(http): Admitted, reading: Reading, mut params: Params) -> Result<Response, Problem> {
    params.text("lang")?;
    let filter = filter(&mut params)?;
    params.finish()?;
    let desk = Desk::of(&http, reading.language);
    let firms = match (&filter.maintainer, &filter.after) {
        (None, None) => http.reader.overdue_firms(filter.region.as_deref()).await?,
        _ => Vec::new(),
    };
    let found = http.reader.overdue(&filter).await?;
    page(&OverduePage {
        frame: reading.frame(reading.language.phrases().overdue, "/visits"),
        firms: firms.into_iter().map(|firm| firm_line(firm, &desk)).collect(),
        units: found.items.into_iter().map(|row| unit_line(row, &desk)).collect(),
        maintainer: filter.maintainer.unwrap_or_default(),
        region: filter.region.unwrap_or_default(),
        address: reading.address(),
        next: found.next,
    })
}

fn firm_line(firm: OverdueFirm, desk: &Desk) -> FirmLine {
    let longest = Moment::of(firm.due_at, desk);
    FirmLine { name: firm.maintainer, units: firm.units, grave: firm.grave, longest }
}

fn unit_line(row: OverdueRow, desk: &Desk) -> UnitLine {
    let interval = u32::try_from(row.maintenance_interval_days).unwrap_or(0);
    let due = due(Timestamp(row.last_started_at), interval);
    UnitLine {
        unit: row.unit,
        site: row.site,
        maintainer: row.maintainer,
        owner: row.owner,
        visit: row.last_visit,
        visited: Moment::of(row.last_started_at, desk),
        due: Moment::of(due.0, desk),
        days: (desk.now - due) / DAY,
        severity: Badge::severity(&row.severity, desk.language),
        alert: row.alert,
    }
}
