//! A small made-up city in a database of its own, and the HTTP door open on it. Every name, code and address is invented.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use liftwatch::clock::VirtualClock;
use liftwatch::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use liftwatch::http::calendar::Calendar;
use liftwatch::http::caller::Caller;
use liftwatch::http::doorkeeper::Doorkeeper;
use liftwatch::http::handles::{Answering, FIRING_SERIES, Http, Showing};
use liftwatch::http::serve;
use liftwatch::http::vitals::{Link, Storage, Vitals};
use liftwatch::metrics::Metrics;
use liftwatch::notify::received::Key;
use liftwatch::pipeline::action::Asked;
use liftwatch::store::Store;
use liftwatch::store::read::Reader;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{mpsc, oneshot};

/// 2026-11-24T06:00:00Z: the moment at which the made-up city stands still.
pub const NOW: Timestamp = Timestamp(1_795_500_000_000);

/// A hostile text that must never reach a page as markup.
pub const HOSTILE: &str = "<script>alert(1)</script>\"'&";

/// What signs the made-up city's links.
pub fn key() -> Key {
    Key::new(b"a secret of the made-up city, long enough").unwrap()
}

/// Links and storage that a test sets.
#[derive(Default)]
pub struct Stand {
    pub links: Mutex<Vec<Link>>,
    pub storage: Mutex<Storage>,
}

impl Vitals for Stand {
    fn links(&self) -> Vec<Link> {
        self.links.lock().unwrap().clone()
    }

    fn storage(&self) -> Storage {
        self.storage.lock().unwrap().clone()
    }

    fn certificates(&self) -> Vec<(String, Timestamp)> {
        vec![("broker_ca".into(), NOW.plus_days(900)), ("broker_client".into(), NOW.plus_days(30))]
    }
}

/// The city, its open door, and the far end of the pipeline's.
pub struct City {
    pub address: String,
    pub writer: SqlitePool,
    pub stand: Arc<Stand>,
    pub metrics: Arc<Metrics>,
    pub actions: mpsc::Receiver<Asked>,
    pub reader: Reader,
    pub keeper: Arc<Doorkeeper>,
    /// Sent or dropped, it stops the door.
    pub stop: Option<oneshot::Sender<()>>,
    pub serving: tokio::task::JoinHandle<std::io::Result<()>>,
    _dir: tempfile::TempDir,
}

/// Opens a database with the schema in it.
pub async fn database(dir: &tempfile::TempDir) -> SqlitePool {
    let path = dir.path().join("liftwatch.db");
    Store::open(&path).await.unwrap().close().await.unwrap();
    SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

/// A seeded city behind an open port of loopback.
pub async fn city(port: u16) -> City {
    let dir = tempfile::tempdir().unwrap();
    let writer = database(&dir).await;
    seed(&writer).await;
    let reader = Reader::open(&dir.path().join("liftwatch.db")).await.unwrap();
    let stand = Arc::new(Stand::default());
    *stand.links.lock().unwrap() = vec![
        Link {
            region: "350582".into(),
            name: "晋江市".into(),
            down_for: None,
            last_message: Some(NOW - 1_500),
            clock_offset: Some(-250),
        },
        Link {
            region: "350583".into(),
            name: "南安市".into(),
            down_for: Some(Duration::from_secs(12)),
            last_message: None,
            clock_offset: None,
        },
    ];
    *stand.storage.lock().unwrap() =
        Storage { fault: None, last_commit: Some(NOW - 2_000), free_bytes: Some(50 << 30) };
    let metrics = Arc::new(Metrics::with_reasons(["bad_json", "unknown_unit"]));
    let (send, actions) = mpsc::channel(4);
    let keeper = Arc::new(Doorkeeper::default());
    let http = Http {
        reader: reader.clone(),
        metrics: Arc::clone(&metrics),
        vitals: Arc::clone(&stand) as Arc<dyn Vitals>,
        clock: Arc::new(VirtualClock::at(NOW)),
        actions: send,
        calendar: Calendar { zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(8)), over_age_years: 15 },
        heard_within: 210_000,
        firing_series: FIRING_SERIES,
        ledger_key: None,
        keeper: Arc::clone(&keeper),
        caller: Caller::Stranger,
        answering: Answering { ack_timeout: Some(8 * HOUR), links: Some(key()) },
        showing: Showing { merge_gap: 3_600_000, towns: None, home: "https://lifts.example".to_owned() },
        recent: Arc::default(),
        maintenance: Arc::default(),
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(serve(listener, http, stopped));
    City { stop: Some(stop), serving, address, writer, stand, metrics, actions, reader, keeper, _dir: dir }
}

async fn run(pool: &SqlitePool, sql: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

async fn seed(pool: &SqlitePool) {
    units(pool).await;
    events(pool).await;
    alerts(pool).await;
    areas(pool).await;
    refused(pool).await;
}

async fn units(pool: &SqlitePool) {
    for n in 1..=40 {
        let (region, kind) = if n % 4 == 0 { ("350583", "escalator") } else { ("350582", "traction") };
        let since = ["2009-05-04", "2012-02-11", "2019-08-30", "2023-01-15"][n % 4];
        let site = match n {
            7 => HOSTILE.replace('\'', "''"),
            _ => format!("{}小区", ["云锦", "松涛", "观澜", "青石", "和畅"][n % 5]),
        };
        let tower = n % 9 + 1;
        run(pool, format!(
            "insert into unit values ('jj-{n:04}', '31103505822009{n:06}', '{region}', '{site}', '示例路 {n} 号 {tower} 幢', '{kind}', '示例电梯厂', 'XT-{n}', '{since}', \
             '示例物业{}', '示例维保{}', 'maker-a', 18, 24.8, 118.6, 15, '2026-03-01', {}, null)",
            n % 6, n % 4, NOW.0 - 90 * DAY,
        )).await;
        if n % 10 != 0 {
            let heard = if n % 13 == 0 { NOW.0 - 3 * HOUR } else { NOW.0 - 20_000 };
            let state = format!(
                "{{\"ts\":{heard},\"mode\":\"normal\",\"moving\":false,\"direction\":\"none\",\"landing\":\"5\",\"door\":\"closed\",\"occupied\":true,\"active_faults\":[[\"door_closing\",\"E41\"]],\"runs\":120345}}"
            );
            run(pool, format!("insert into unit_live values ('jj-{n:04}', {heard}, {heard}, '{state}')")).await;
        }
    }
    run(pool, r#"insert into unit_flags values ('jj-0004', '{"mode":"normal","mode_as_of":0,"faults":[["other","E7"]],"faults_as_of":0,"alarm":true,"entrapment":true,"mains_off":false,"signals_as_of":0}')"#.to_owned()).await;
}

/// The id of the made-up event `n` minutes ago.
pub fn event_id(minutes: i64) -> String {
    format!("{:012x}-{minutes:08x}", NOW.0 - minutes * MINUTE)
}

async fn events(pool: &SqlitePool) {
    for n in 0..120_i64 {
        let minutes = n * 97;
        let unit = format!("jj-{:04}", n % 5 + 1);
        let (kind, code) = match n % 4 {
            0 => ("fault_raised", "'door_closing'"),
            1 => ("fault_cleared", "'door_closing'"),
            2 => ("alarm_pressed", "null"),
            _ => ("entrapment_reported", "null"),
        };
        run(pool, format!(
            "insert into event values ('{}', '{unit}', 'maker-a', '{kind}', {code}, 'E41', null, '5', 0, 1, {at}, {at}, {at} + 300, 0, 'b1', {n}, 'reported', '{{\"x\":1}}')",
            event_id(minutes), at = NOW.0 - minutes * MINUTE,
        )).await;
    }
    run(pool, format!(
        "insert into visit (id, unit, publisher, record_id, kind, started_at, ended_at, supersedes, body, ts, received_at) values ('v-0001', 'jj-0003', 'maker-a', 'r-1', 'FM', {s}, {s} + 3600000, null, '{{\"record_id\":\"r-1\",\"workers\":[\"w-17\",\"w-22\"]}}', {s}, {s})",
        s = NOW.0 - 3 * DAY)).await;
    run(pool, format!("insert into gap values (1, 'jj-0004', 'b1', 17, 19, {}, null)", NOW.0 - HOUR)).await;
    run(pool, format!("insert into hazard values ('h-1', 'jj-0002', 'inspector-x', 'rep-1', 'inspection_body', 'GB45067-4.6-b', 1, 'received', '{{}}', {n}, {n})", n = NOW.0)).await;
}

/// id, unit, days ago, rule, level, severity, state, basis, summary in Chinese and in English
type AlertSeed = (
    &'static str,
    &'static str,
    i64,
    &'static str,
    i64,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

async fn alerts(pool: &SqlitePool) {
    let rows: [AlertSeed; 9] = [
        (
            "a-001",
            "jj-0003",
            30,
            "repeated_fault",
            1,
            "warning",
            "firing",
            "福建省电梯维保信用评分 2016：每月故障 3 次及以上",
            "30 天内 3 次故障：关门故障 2 次、平层 1 次",
            "3 faults in 30 days: door closing 2 times, levelling once",
        ),
        (
            "a-002",
            "jj-0001",
            1,
            "over_age",
            2,
            "warning",
            "firing",
            "GB/T 42615-2023",
            "已使用 17 年，自 2009-05-04 起",
            "17 years in use, since 2009-05-04",
        ),
        (
            "a-003",
            "jj-0006",
            5,
            "repeated_fault_watch",
            1,
            "info",
            "firing",
            "New York 2023: precision .573",
            "90 天内 4 次故障",
            "4 faults in 90 days",
        ),
        (
            "a-004",
            "jj-0004",
            2,
            "evidence_gap",
            1,
            "info",
            "firing",
            "example 5",
            "序号 17 至 19 未到",
            "numbers 17 to 19 never came",
        ),
        (
            "a-005",
            "jj-0013",
            3,
            "silent_unit",
            1,
            "warning",
            "firing",
            "EN 81-28",
            "自 3 小时前起没有心跳",
            "no heartbeat for 3 hours",
        ),
        (
            "a-006",
            "jj-0005",
            9,
            "fault_after_repair",
            1,
            "warning",
            "resolved",
            "first-time fix",
            "维修后 6 天同一故障再次出现",
            "the same fault 6 days after its repair",
        ),
        (
            "a-007",
            "jj-0002",
            0,
            "critical_fault",
            1,
            "critical",
            "firing",
            "docs/RULES.md",
            "运行中安全回路断开，轿内有人",
            "safety chain open while running and occupied",
        ),
        (
            "a-008",
            "jj-0004",
            0,
            "entrapment",
            1,
            "critical",
            "firing",
            "TSG T5002-2017 art. 5(4)",
            "乘客被困，已 14 分钟",
            "passengers trapped for 14 minutes",
        ),
        ("a-009", "jj-0007", 0, "repeated_entrapment", 2, "critical", "withdrawn", "Nanjing 2013", "撤回", "withdrawn"),
    ];
    for (n, (id, unit, days, rule, level, severity, state, basis, zh, en)) in rows.into_iter().enumerate() {
        let starts = NOW.0 - days * DAY - 14 * MINUTE;
        let (ends, resolved) = match state {
            "resolved" => (format!("{}", starts + DAY), format!("{}", starts + DAY + 500)),
            _ if rule == "repeated_fault" => (format!("{}", NOW.0 + 4 * DAY), "null".into()),
            _ => ("null".into(), "null".into()),
        };
        let evidence = match rule {
            "over_age" => "[]".to_owned(),
            "fault_after_repair" => format!("[\"{}\",\"v-0001\",\"nothing-here\"]", event_id(0)),
            "evidence_gap" => "[\"gap-1\"]".to_owned(),
            _ => format!("[\"{}\",\"{}\",\"{}\"]", event_id(97 * 8), event_id(97 * 4), event_id(0)),
        };
        run(pool, format!(
            "insert into alert values ('{id}', '{rule}', '1', '{unit}', '{severity}', {level}, '{state}', {starts}, {ends}, '[[{starts},{level}]]', '{evidence}', '{basis}', '{zh}', '{en}', {recorded}, {resolved}, 0, null)",
            recorded = starts + 900)).await;
        run(pool, format!("insert into alert_transition values ({n}, '{id}', 'fired', {starts} + 900, '{severity}')"))
            .await;
        if state == "firing" {
            run(pool, format!("insert into outbox values ({n}, {n}, {})", starts + 900)).await;
        }
    }
}

/// A power cut that lasts and one that is over, a region that was out of sight; two alerts wait for the first.
async fn areas(pool: &SqlitePool) {
    let rows = [
        ("x-1", "blind_region", "350583", "", NOW.0 - DAY, (NOW.0 - DAY + HOUR).to_string(), 10),
        ("x-2", "area_power", "350582", HOSTILE, NOW.0 - 3 * HOUR, (NOW.0 - 2 * HOUR).to_string(), 6),
        ("x-3", "area_power", "350582", "云锦小区", NOW.0 - HOUR, "null".to_owned(), 8),
    ];
    for (id, kind, region, site, starts, ends, units) in rows {
        let site = site.replace('\'', "''");
        run(pool, format!(
            "insert into area_event values ('{id}', '{kind}', '{region}', '{site}', 'warning', {starts}, {ends}, {units}, \
             '规则 / the rule', '{units} 台电梯断电', '{units} units without mains')",
        )).await;
        run(
            pool,
            format!(
                "insert into alert_transition (alert, kind, at, severity) values ('{id}', 'fired', {starts}, 'warning')"
            ),
        )
        .await;
    }
    run(pool, format!("insert into inhibition select id, 'x-3', {} from alert where state = 'firing' limit 2", NOW.0))
        .await;
}

async fn refused(pool: &SqlitePool) {
    for n in 1..=3 {
        let (reason, payload) = match n {
            1 => ("bad_json", "x'ff00'".to_owned()),
            _ => ("unknown_field", format!("cast('{}' as blob)", HOSTILE.replace('\'', "''"))),
        };
        run(pool, format!(
            "insert into quarantine values ({n}, {}, '350582', 'maker-a', 'jj-0009', 'lift/v1/350582/maker-a/jj-0009/event', '{reason}', 'line 1 column 1: not JSON', 27, 'ab12', {payload})",
            NOW.0 - n * MINUTE)).await;
    }
    run(
        pool,
        format!("insert into unregistered_unit values ('maker-a', 'zz-1', '350582', {n} - 5000, {n}, 7)", n = NOW.0),
    )
    .await;
}
