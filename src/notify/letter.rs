//! Makes messages: what is said of alerts, of deliveries given up, and the heartbeat. Pure.

use crate::domain::alert::TransitionKind;
use crate::domain::notice::{NotificationKind, TroubleKind};
use crate::domain::time::Timestamp;
use crate::store::read::notify::{AlertFacts, DeadRow};
use crate::store::read::troubles::TroubleRow;

use super::expected::{self, Case};
use super::matcher::Labels;
use super::message::{Item, LISTED, Message};
use super::route;

/// Deliveries given up that a message names by themselves.
const NAMED: usize = 5;

/// To whom, in which group, and when.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    pub id: &'a str,
    pub receiver: &'a str,
    pub group: &'a str,
    pub now: Timestamp,
    pub place: Place<'a>,
}

/// What messages say of where things are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// Where our pages are, without a slash at its end; `None` where no public address is configured.
    pub public_url: Option<&'a str>,
    /// Regions that are town ([`expected::on_site`]).
    pub towns: Option<&'a [String]>,
}

/// A message about alerts, each with what happened to it.
#[must_use]
pub fn alerts(envelope: &Envelope<'_>, kind: NotificationKind, changes: &[(&AlertFacts, TransitionKind)]) -> Message {
    let mut items: Vec<Item> = changes.iter().map(|(facts, change)| item(facts, *change, envelope.place)).collect();
    worst_first(&mut items);
    let count = items.len();
    items.truncate(LISTED);
    let of_areas = !changes.is_empty() && changes.iter().all(|(facts, _)| facts.is_area());
    let list = if of_areas { "/areas?state=open" } else { "/alerts?state=firing" };
    let link = envelope.place.public_url.map(|url| format!("{url}{list}"));
    let (zh, en) = areas(changes);
    Message { items, count, link, zh, en, ..bare(envelope, kind) }
}

/// The labels that routes, ladders and silences match.
#[must_use]
pub fn labels(facts: &AlertFacts) -> Labels {
    Labels {
        rule: facts.rule.clone(),
        severity: facts.severity.clone(),
        region: facts.region.clone(),
        site: facts.site.clone(),
        maintainer: facts.maintainer.clone(),
        owner: facts.owner.clone(),
        unit: facts.unit.clone(),
    }
}

/// How many units several area events are about, which the reader would have to add up; empty for other messages.
fn areas(changes: &[(&AlertFacts, TransitionKind)]) -> (String, String) {
    let areas = || changes.iter().map(|(facts, _)| *facts).filter(|facts| facts.is_area());
    let (places, units) = (areas().count(), areas().map(|facts| facts.units).sum::<i64>());
    if places == 0 {
        return (String::new(), String::new());
    }
    (format!("共 {places} 处，{units} 台电梯"), format!("{units} units at {places} places in all"))
}

/// Where an item leads: the alert's page, or the area event's.
fn link(facts: &AlertFacts, url: &str) -> String {
    let list = if facts.is_area() { "areas" } else { "alerts" };
    format!("{url}/{list}/{}", facts.id)
}

/// What one alert is, as a message says it.
#[must_use]
pub fn item(facts: &AlertFacts, change: TransitionKind, place: Place<'_>) -> Item {
    let firing = facts.state == "firing";
    let expected = expected::expected(Case {
        rule: &facts.rule,
        severity: &facts.severity,
        firing,
        starts_at: Timestamp(facts.starts_at),
        on_site: expected::on_site(&facts.region, place.towns),
    });
    Item {
        alert: facts.id.clone(),
        rule: facts.rule.clone(),
        severity: facts.severity.clone(),
        change: change.as_str().to_owned(),
        firing,
        starts_at: facts.starts_at,
        ends_at: facts.ends_at,
        unit: facts.unit.clone(),
        region: facts.region.clone(),
        site: facts.site.clone(),
        address: facts.address.clone(),
        owner: facts.owner.clone(),
        maintainer: facts.maintainer.clone(),
        summary_zh: facts.summary_zh.clone(),
        summary_en: facts.summary_en.clone(),
        basis: facts.basis.clone(),
        expected_zh: expected.zh,
        expected_en: expected.en,
        expected_by: expected.by.map(|at| at.0),
        link: place.public_url.map(|url| link(facts, url)),
    }
}

/// To the operator: deliveries that were given up.
#[must_use]
pub fn dead(envelope: &Envelope<'_>, rows: &[DeadRow]) -> Message {
    let named: Vec<String> = rows
        .iter()
        .take(NAMED)
        .map(|row| format!("{} {} ({}): {}", row.receiver, row.sink, row.id, row.detail.as_deref().unwrap_or("")))
        .collect();
    let named = named.join("; ");
    let link = envelope.place.public_url.map(|url| format!("{url}/api/v1/deliveries?state=dead"));
    Message {
        count: rows.len(),
        link,
        zh: format!("{} 条消息未能送达,已放弃:{named}", rows.len()),
        en: format!("{} messages could not be delivered and were given up: {named}", rows.len()),
        ..bare(envelope, NotificationKind::Operator)
    }
}

/// To the operator: who speaks for units that are not his or not known here, or whose client id is taken.
#[must_use]
pub fn trouble(envelope: &Envelope<'_>, kind: TroubleKind, rows: &[&TroubleRow]) -> Message {
    let (who_zh, who_en) = named(rows);
    let count = rows.len();
    let (zh, en) = match kind {
        TroubleKind::ForeignUnit => (
            format!(
                "{count} 个发布方上报了登记在他人名下的电梯，消息已拒收并存入隔离区：{who_zh}。请更正登记，或更正消息服务器的访问规则。"
            ),
            format!(
                "{count} publishers speak for units that the registry gives to others; what they send is refused and kept \
                 in quarantine: {who_en}. Mend the registry, or the broker's access rules."
            ),
        ),
        TroubleKind::ForeignRegion => (
            format!(
                "{count} 个发布方向某一地区的消息服务器上报了属于其他地区的电梯，消息已拒收并存入隔离区：{who_zh}。请更正登记中的地区，或更正发布方的设置。"
            ),
            format!(
                "{count} publishers send to one region's broker what belongs to units of another region; it is refused and \
                 kept in quarantine: {who_en}. Mend the region in the registry, or the publisher's settings."
            ),
        ),
        TroubleKind::UnknownUnit => (
            format!(
                "{count} 个发布方上报了未登记的电梯，其事件暂存至登记为止，任何规则都不检查：{who_zh}。请登记，或停止其上报。"
            ),
            format!(
                "{count} publishers tell of units that the registry does not have; their events are kept until it has them, \
                 and no rule looks at them: {who_en}. Register the units, or have their publisher stop."
            ),
        ),
        TroubleKind::ClientIdTaken => (
            format!(
                "另有客户端使用本系统的 MQTT 客户端标识，或线路时断时续，地区：{who_zh}。请为每个守护进程设置各自的 client_id，并在消息服务器上将其与用户绑定。"
            ),
            format!(
                "Another client uses our MQTT client id, or the line flaps, in region {who_en}. Give each daemon its own \
                 client_id, and tie client ids to users at the broker."
            ),
        ),
    };
    let page = match kind {
        TroubleKind::ForeignUnit => Some("quarantine?reason=foreign_unit"),
        TroubleKind::ForeignRegion => Some("quarantine?reason=foreign_region"),
        TroubleKind::UnknownUnit => Some("quarantine#strangers"),
        TroubleKind::ClientIdTaken => None,
    };
    let link = envelope.place.public_url.zip(page).map(|(url, page)| format!("{url}/{page}"));
    Message { count, link, zh, en, ..bare(envelope, NotificationKind::Operator) }
}

/// The first of them with their counts, in Chinese and English.
fn named(rows: &[&TroubleRow]) -> (String, String) {
    let counts = |row: &TroubleRow| {
        // A topic whose publisher cannot be read has none.
        let who = if row.subject.is_empty() { "?" } else { &row.subject };
        let times = row.times;
        match &row.units {
            Some((units, unit)) => (
                format!("{who}（{times} 条消息，{units} 台电梯，如 {unit}）"),
                format!("{who} ({times} messages, {units} units such as {unit})"),
            ),
            None => (format!("{who}（{times} 次）"), format!("{who} ({times} times)")),
        }
    };
    let (zh, en): (Vec<String>, Vec<String>) = rows.iter().take(NAMED).map(|row| counts(row)).unzip();
    (zh.join("；"), en.join("; "))
}

/// Proof that the way to the receiver works.
#[must_use]
pub fn heartbeat(envelope: &Envelope<'_>) -> Message {
    Message {
        zh: "liftwatch 正在运行,通知通道正常。".to_owned(),
        en: "liftwatch runs, and this way to you works.".to_owned(),
        ..bare(envelope, NotificationKind::Heartbeat)
    }
}

/// The ledger's newest checkpoint, to be kept: the signed note stands in the text as it was signed.
#[must_use]
pub fn checkpoint(envelope: &Envelope<'_>, note: &str) -> Message {
    Message {
        zh: "维保账本检查点。请另行保存：日后可据此证明此前的记录未被更改。".to_owned(),
        en: "A checkpoint of the maintenance ledger. Keep it: it proves later that nothing before it was changed."
            .to_owned(),
        checkpoint: note.to_owned(),
        link: envelope.place.public_url.map(|url| format!("{url}/ledger")),
        ..bare(envelope, NotificationKind::Checkpoint)
    }
}

/// What a person asks for to try the ways to a receiver.
#[must_use]
pub fn test(envelope: &Envelope<'_>) -> Message {
    Message {
        zh: "这是一条测试消息,无需处理。".to_owned(),
        en: "This is a test message; there is nothing to do.".to_owned(),
        ..bare(envelope, NotificationKind::Test)
    }
}

fn bare(envelope: &Envelope<'_>, kind: NotificationKind) -> Message {
    Message {
        id: envelope.id.to_owned(),
        kind: kind.as_str().to_owned(),
        receiver: envelope.receiver.to_owned(),
        group: envelope.group.to_owned(),
        created_at: envelope.now.0,
        items: Vec::new(),
        count: 0,
        link: None,
        zh: String::new(),
        en: String::new(),
        checkpoint: String::new(),
    }
}

/// Sorts alerts as messages list them: people inside before all others, then the worst, then the oldest.
pub fn worst_first(items: &mut [Item]) {
    items.sort_by(|a, b| (rank(a), a.starts_at, &a.alert).cmp(&(rank(b), b.starts_at, &b.alert)));
}

fn rank(item: &Item) -> u8 {
    match item.severity.as_str() {
        _ if item.rule == route::NEVER_FOLDED && item.firing => 0,
        "critical" => 1,
        "warning" => 2,
        _ => 3,
    }
}
