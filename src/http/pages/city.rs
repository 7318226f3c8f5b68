//! `/`: the city at one glance.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::frame::{Frame, Reading, page};
use super::show::{AlertView, Badge, Desk, Moment};
use crate::domain::time::Timestamp;
use crate::http::admitted::Admitted;
use crate::http::handles::Http;
use crate::http::phrases::Language;
use crate::http::problem::Problem;
use crate::http::vitals::Link;
use crate::store::read::city::City;

/// How many alerts of one rule and severity fire.
struct RuleLine {
    severity: Badge,
    rule: String,
    code: String,
    count: i64,
    rank: u8,
}

/// One region's units and link.
struct RegionLine {
    code: String,
    name: String,
    link: Badge,
    heard: i64,
    total: i64,
    over_age: i64,
    unmonitored: i64,
}

#[derive(Template)]
#[template(path = "city.html")]
struct CityPage {
    frame: Frame,
    heard: i64,
    total: i64,
    over_age: i64,
    unmonitored: i64,
    silent: i64,
    firing: i64,
    quarantined: i64,
    unregistered: i64,
    open_gaps: i64,
    rules: Vec<RuleLine>,
    newest: Vec<AlertView>,
    regions: Vec<RegionLine>,
    storage_fault: Option<String>,
    last_commit: Option<Moment>,
    made: String,
}

/// The route of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/", get(city))
}

async fn city(Admitted(http): Admitted, reading: Reading) -> Result<Response, Problem> {
    let language = reading.language;
    let desk = Desk::of(&http, language);
    let now = desk.now;
    let city = http.reader.city((now - http.heard_within).0, &http.calendar.over_age_since(now)).await?;
    let storage = http.vitals.storage();
    let mut links = http.vitals.links();
    if http.reader.scope().is_narrow() {
        links.retain(|link| city.regions.iter().any(|region| region.region == link.region));
    }
    let sum = |of: fn(&crate::store::read::city::RegionUnits) -> i64| city.regions.iter().map(of).sum();
    let mut frame = reading.frame(language.phrases().city, "/");
    frame.refresh = true;
    page(&CityPage {
        heard: sum(|region| region.heard),
        total: sum(|region| region.total),
        over_age: sum(|region| region.over_age),
        unmonitored: sum(|region| region.unmonitored),
        silent: city.silent,
        firing: city.firing.iter().map(|(_, _, n)| n).sum(),
        quarantined: city.quarantined,
        unregistered: city.unregistered,
        open_gaps: city.open_gaps,
        rules: rule_lines(&city, language),
        newest: AlertView::all(&city.newest, &desk),
        regions: region_lines(&city, &links, language),
        storage_fault: storage.fault,
        last_commit: storage.last_commit.map(|Timestamp(at)| Moment::of(at, &desk)),
        made: desk.calendar.local(now),
        frame,
    })
}

/// The worst first.
fn rule_lines(city: &City, language: Language) -> Vec<RuleLine> {
    let line = |(rule, severity, count): &(String, String, i64)| RuleLine {
        severity: Badge::severity(severity, language),
        rule: language.word("rule", rule),
        code: rule.clone(),
        count: *count,
        rank: match severity.as_str() {
            "critical" => 0,
            "warning" => 1,
            _ => 2,
        },
    };
    let mut lines: Vec<RuleLine> = city.firing.iter().map(line).collect();
    lines.sort_by(|a, b| (a.rank, b.count, &a.code).cmp(&(b.rank, a.count, &b.code)));
    lines
}

/// Every region that is configured or has units.
fn region_lines(city: &City, links: &[Link], language: Language) -> Vec<RegionLine> {
    let known = city.regions.iter().map(|region| region.region.as_str());
    let mut codes: Vec<&str> = links.iter().map(|link| link.region.as_str()).chain(known).collect();
    codes.sort_unstable();
    codes.dedup();
    let line = |code: &str| {
        let link = links.iter().find(|link| link.region == code);
        let units = city.regions.iter().find(|region| region.region == code).cloned().unwrap_or_default();
        RegionLine {
            code: code.to_owned(),
            name: link.map(|link| link.name.clone()).unwrap_or_default(),
            link: Badge::link(link.map(|link| link.down_for.is_none()), language),
            heard: units.heard,
            total: units.total,
            over_age: units.over_age,
            unmonitored: units.unmonitored,
        }
    };
    codes.into_iter().map(line).collect()
}
