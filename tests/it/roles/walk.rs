//! Each role walks through every route with what is its own, with what is not, and with what is not there at all.

use liftwatch::domain::access::Role;
use liftwatch::http::permit::{ROUTES, Who};
use liftwatch::pipeline::action::NotNow;

use super::{Answer, ask, token, token_until, with};
use crate::city::{City, NOW, city};

/// The unit, region, firm and owner that the roles of this walk have; `jj-0001` is a foreign one.
const OWN: &str = "jj-0004";
const FOREIGN: &str = "jj-0001";
const SCOPES: [(Role, &[&str]); 4] = [
    (Role::Auditor, &[]),
    (Role::Inspector, &["350583"]),
    (Role::Maintainer, &["示例维保0"]),
    (Role::Owner, &["示例物业4"]),
];

/// A city in which each thing is there twice: for a unit that the roles have, and for one that they have not.
async fn twofold() -> City {
    let mut city = city(0).await;
    let leaf = |unit: &str| format!(r#"{{"at":"2026-11-24T06:00:00.000Z","kind":"unit","ref":"{unit}","body":{{}}}}"#);
    let rows = format!(
        "insert into ledger_entry (idx, kind, ref, unit, number, leaf) values (0, 'unit', '{OWN}', '{OWN}', 1, '{own}'), \
         (1, 'unit', '{FOREIGN}', '{FOREIGN}', 1, '{foreign}'), (2, 'config', '', null, null, '{{}}'); \
         insert into visit (id, unit, publisher, record_id, kind, started_at, body, ts, received_at, region, site, owner, maintainer) \
         select iif(u.id = '{OWN}', 'v-own', 'v-foreign'), u.id, 'people', 'r-' || u.id, 'HM', {n}, '{{}}', {n}, {n}, u.region, u.site, \
         u.owner, u.maintainer from unit u where u.id in ('{OWN}', '{FOREIGN}'); \
         insert into ledger_tile values (0, 0, zeroblob(96)); \
         insert into ledger_checkpoint values (2, {n}, 'a note'); \
         insert into silence values ('s-1', '[[\"unit\",\"=\",\"{OWN}\"]]', 'li', 'works', {n}, {n} + 86400000, {n}, null), \
         ('s-2', '[[\"unit\",\"=\",\"{FOREIGN}\"]]', 'li', 'works', {n}, {n} + 86400000, {n}, null), \
         ('s-3', '[[\"rule\",\"=\",\"over_age\"]]', 'li', 'works', {n}, {n} + 86400000, {n}, null); \
         insert into quarantine values (4, {n}, '350583', 'maker-a', '{OWN}', 't', 'bad_json', 'x', 1, 'ab', x'00'); \
         insert into notification values ('n-1', 'r', 'alerts', 'g', {n}, '{{}}'), ('n-2', 'r', 'alerts', 'g', {n}, '{{}}'), \
         ('n-3', 'r', 'alerts', 'g', {n}, '{{}}'), ('n-4', 'r', 'alerts', 'g', {n}, '{{}}'); \
         insert into notification_alert values ('n-1', 'a-004'), ('n-2', 'a-002'), ('n-3', 'a-002'), ('n-3', 'a-004'), \
         ('n-4', 'a-004'), ('n-4', 'x-3'); \
         insert into delivery (id, notification, receiver, sink, state, created_at, due_at) \
         select 'd-' || substr(id, 3), id, 'r', 'webhook-0', 'delivered', {n}, {n} from notification",
        own = leaf(OWN),
        foreign = leaf(FOREIGN),
        n = NOW.0,
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&city.writer).await.unwrap();
    // Whoever may act gets as far as the store, which takes no writes here.
    let (_, mut actions) = tokio::sync::mpsc::channel(1);
    std::mem::swap(&mut actions, &mut city.actions);
    tokio::spawn(async move {
        while let Some(asked) = actions.recv().await {
            drop(asked.reply.send(Err(NotNow("a test".to_owned()))));
        }
    });
    city
}

/// What stands for the parameter of a path: something of the roles' own, something foreign, something that is not there.
/// A new path with a parameter needs a line here.
fn named(path: &str) -> Option<[&'static str; 3]> {
    let kind = path.trim_start_matches("/api/v1").split('/').nth(1).unwrap_or("");
    Some(match kind {
        _ if !path.contains('{') || path.starts_with("/r/") => return None,
        "alerts" => ["a-004", "a-002", "a-999"],
        "units" => [OWN, FOREIGN, "jj-9999"],
        "visits" => ["v-own", "v-foreign", "v-none"],
        "silences" => ["s-1", "s-2", "s-9"],
        "areas" => ["x-1", "x-3", "x-9"],
        "deliveries" => ["d-1", "d-2", "d-9"],
        "quarantine" => ["4", "1", "99"],
        "ledger" if path.contains("tile") => return None,
        "ledger" => ["0", "1", "99"],
        "admin" => return None,
        _ => panic!("tests/it/roles/walk.rs knows nothing to put into {path}"),
    })
}

fn filled(path: &str, id: &str) -> String {
    let (before, rest) = path.split_once('{').unwrap();
    format!("{before}{id}{}", rest.split_once('}').unwrap().1).replace("{role}", "recorder")
}

/// A body that is good enough to come past the reading of it.
fn body(path: &str) -> &'static str {
    match path.rsplit('/').next().unwrap_or("") {
        "release" | "false-alarm" => r#"{"reason":"seen by eye"}"#,
        "note" => r#"{"note":"seen by eye"}"#,
        _ => "{}",
    }
}

/// What a page's form sends there.
fn form(path: &str) -> &'static str {
    if path.ends_with("/answers") { "kind=note&note=seen" } else { "" }
}

async fn go(city: &City, secret: &str, method: &str, path: &str) -> Answer {
    if method == "POST" && !path.starts_with("/api/") {
        let bearer = format!("Bearer {secret}");
        let form_of = [
            ("authorization", bearer.as_str()),
            ("origin", city.address.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        return ask(method, &format!("{}{path}", city.address), &form_of, form(path)).await;
    }
    with(city, secret, method, path, if method == "POST" { body(path) } else { "" }).await
}

/// Every id of a unit in a text.
fn units(text: &str) -> Vec<&str> {
    text.match_indices("jj-").filter_map(|(at, _)| text.get(at..at + 7)).collect()
}

fn is_own(role: Role, unit: &str) -> bool {
    let number: u32 = unit[3..].parse().unwrap_or(0);
    match role {
        Role::Auditor => true,
        Role::Inspector | Role::Maintainer => number.is_multiple_of(4),
        Role::Owner => number % 6 == 4,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_finds_its_own_at_every_route_and_nothing_foreign() {
    let city = twofold().await;
    let mut walked = 0;
    for (role, scope) in SCOPES {
        let secret = token(&city, role, scope).await;
        for (method, path, who) in ROUTES {
            let Who::Roles(roles) = who else { continue };
            let [own, foreign, missing] = named(path).unwrap_or(["", "", ""]);
            let at = |id: &str| if id.is_empty() { (*path).to_owned() } else { filled(path, id) };
            if path.starts_with("/admin/") || path.contains("tile") {
                continue;
            }
            let answer = go(&city, &secret, method, &at(own)).await;
            walked += 1;
            if !roles.contains(&role) {
                assert_eq!(answer.status, 403, "{role} {method} {path}: {}", answer.body);
                continue;
            }
            assert!(
                ![401, 403, 404, 405].contains(&answer.status) || path.ends_with(".zip"),
                "{role} {method} {path}: {answer:?}"
            );
            // The made-up ledger has no package to give.
            assert!(
                answer.status != 500 || path.ends_with("ledger.zip") || path.ends_with("/report"),
                "{role} {method} {path}: {answer:?}"
            );
            let strange: Vec<&str> = units(&answer.body).into_iter().filter(|unit| !is_own(role, unit)).collect();
            assert!(strange.is_empty(), "{role} {method} {path} shows {strange:?}");
            if own.is_empty()
                || (*method == "GET" && ["/answers", "/expire", "/confirmation"].iter().any(|end| path.ends_with(end)))
            {
                continue;
            }
            let foreign_answer = go(&city, &secret, method, &at(foreign)).await;
            let missing_answer = go(&city, &secret, method, &at(missing)).await;
            assert_eq!(missing_answer.status, 404, "{role} {method} {path}: {missing_answer:?}");
            if role == Role::Auditor {
                assert_ne!(foreign_answer.status, 404, "{role} {method} {path}");
            } else {
                assert_eq!(foreign_answer.status, 404, "{role} {method} {path}: {foreign_answer:?}");
                let same = missing_answer.body.replace(missing, foreign);
                assert_eq!(
                    same, foreign_answer.body,
                    "{role} {method} {path}: a foreign id must read as a missing one"
                );
            }
        }
    }
    assert!(walked > 150, "{walked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_every_route_but_the_open_ones_asks_who_it_is() {
    let city = twofold().await;
    let good = token(&city, Role::Auditor, &[]).await;
    let expired = token_until(&city, Role::Auditor, &[], &format!("{}", NOW.0 - 1), "null").await;
    let revoked = token_until(&city, Role::Auditor, &[], "null", &format!("{}", NOW.0 - 1)).await;
    assert_eq!(with(&city, &good, "GET", "/api/v1/units", "").await.status, 200);
    for wrong in [&expired, &revoked, "", "lw_", "nonsense", &good[..40], &format!("{good}x")] {
        let answer = with(&city, wrong, "GET", "/api/v1/units", "").await;
        assert_eq!(answer.status, 401, "{wrong}: {answer:?}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
    }
    for (method, path, who) in ROUTES {
        if !matches!(who, Who::Roles(_)) || path.starts_with("/admin/") {
            continue;
        }
        let path = named(path).map_or((*path).to_owned(), |[own, ..]| filled(path, own));
        let path = path.replace("{level}", "0").replace("{*number}", "000");
        let answer = ask(method, &format!("{}{path}", city.address), &[], "").await;
        let led = answer.status == 303 && answer.header("location").starts_with("/sign-in?then=");
        assert!(answer.status == 401 || (led && *method == "GET"), "{method} {path}: {answer:?}");
    }
    // What is no route tells a stranger nothing either, and the operator's routes are none here.
    for path in ["/api/v1/nothing", "/nothing", "/admin/tokens"] {
        let answer = ask("GET", &format!("{}{path}", city.address), &[], "").await;
        assert!([401, 303].contains(&answer.status), "{path}: {answer:?}");
        assert_eq!(with(&city, &good, "GET", path, "").await.status, 404, "{path}");
    }
    // A scraper on this machine needs none.
    assert_eq!(ask("GET", &format!("{}/metrics", city.address), &[], "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_in_a_scope_is_a_name_and_nothing_else() {
    let city = twofold().await;
    for hostile in
        ["x' or '1'='1", "x') or 1=1 --", "\"] union select * from unit --", "%", "示例维保_", "'; drop table unit; --"]
    {
        for role in [Role::Maintainer, Role::Owner] {
            let secret = token(&city, role, &[hostile]).await;
            for path in ["/api/v1/units", "/api/v1/alerts", "/api/v1/events", "/api/v1/gaps", "/api/v1/deliveries"] {
                let answer = with(&city, &secret, "GET", path, "").await;
                assert_eq!(
                    (answer.status, answer.body.as_str()),
                    (200, r#"{"items":[],"next":null}"#),
                    "{hostile}: {path}"
                );
            }
            assert_eq!(with(&city, &secret, "GET", "/", "").await.status, 200);
        }
    }
    let whole = token(&city, Role::Auditor, &[]).await;
    assert!(with(&city, &whole, "GET", "/api/v1/units", "").await.body.contains(FOREIGN));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_on_only_from_what_its_reader_may_see() {
    let city = twofold().await;
    let secret = token(&city, Role::Maintainer, &["示例维保0"]).await;
    let whole = token(&city, Role::Auditor, &[]).await;
    let events: serde_json::Value =
        serde_json::from_str(&with(&city, &whole, "GET", &format!("/api/v1/events?unit={FOREIGN}"), "").await.body)
            .unwrap();
    let foreign = events["items"][0]["id"].as_str().unwrap();
    let answer = with(&city, &secret, "GET", &format!("/api/v1/events?after={foreign}"), "").await;
    let missing = with(&city, &secret, "GET", &format!("/api/v1/events?after={}", foreign.replace('0', "1")), "").await;
    assert_eq!((answer.status, missing.status), (400, 400), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inspector_ends_no_silence_that_reaches_beyond_its_regions() {
    let city = twofold().await;
    let secret = token(&city, Role::Inspector, &["350583"]).await;
    let answer = with(&city, &secret, "GET", "/api/v1/silences", "").await;
    let ids: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let ids: Vec<&str> = ids["items"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["s-3", "s-1"], "what concerns its units, and nothing else");
    assert_eq!(with(&city, &secret, "POST", "/api/v1/silences/s-3/expire", "{}").await.status, 403);
    assert_eq!(with(&city, &secret, "POST", "/api/v1/silences/s-2/expire", "{}").await.status, 404);
    assert_eq!(
        with(&city, &secret, "POST", "/api/v1/silences/s-1/expire", "{}").await.status,
        503,
        "as far as the store"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_offers_a_role_only_what_it_may_do() {
    let city = twofold().await;
    let page = |role: Role, scope: &'static [&'static str]| {
        let city = &city;
        async move {
            let secret = token(city, role, scope).await;
            with(city, &secret, "GET", "/alerts/a-008?lang=en", "").await.body
        }
    };
    let inspector = page(Role::Inspector, &["350583"]).await;
    for button in ["acknowledged", "arrived", "released", "false_alarm", "note"] {
        assert!(inspector.contains(&format!("value=\"{button}\"")), "{button}");
    }
    assert!(!inspector.contains("name=\"by\""), "the token says who it is");
    let maintainer = page(Role::Maintainer, &["示例维保0"]).await;
    assert!(maintainer.contains("value=\"acknowledged\"") && !maintainer.contains("value=\"released\""));
    assert!(!maintainer.contains("href=\"/quarantine\"") && !maintainer.contains("href=\"/ledger\""));
    let auditor = page(Role::Auditor, &[]).await;
    assert!(!auditor.contains("<button name=\"kind\""), "{auditor}");
    let owner = token(&city, Role::Owner, &["示例物业4"]).await;
    let headers = [
        ("authorization", format!("Bearer {owner}")),
        ("origin", city.address.clone()),
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
    ];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = ask("POST", &format!("{}/alerts/a-004/answers", city.address), &headers, "kind=acknowledged").await;
    assert_eq!(answer.status, 403, "{answer:?}");
}
