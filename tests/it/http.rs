//! The HTTP door: what it answers, what it refuses, and what it never lets through.

use std::time::Duration;

use liftwatch::pipeline::action::{Action, Done, ImportReport};
use liftwatch::pipeline::action::{Asked, NotNow};
use serde_json::Value;

use crate::city::{City, HOSTILE, city};

/// An answer as the tests look at it.
struct Answer {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

async fn send(method: &str, url: String, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.as_bytes().to_vec()).unwrap();
    tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        let mut response = agent.run(request).unwrap();
        let body = response.body_mut().read_to_vec().unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    })
    .await
    .unwrap()
}

async fn get(city: &City, path: &str) -> Answer {
    send("GET", format!("{}{path}", city.address), &[], "").await
}

async fn json(city: &City, path: &str) -> Value {
    let answer = get(city, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_every_list_join_without_hole_or_repeat() {
    let city = city(0).await;
    for (path, key, whole) in [
        ("/api/v1/alerts?state=all&", "id", 8),
        ("/api/v1/events?", "id", 120),
        ("/api/v1/events?unit=jj-0003&", "id", 24),
        ("/api/v1/units?", "id", 40),
        ("/api/v1/quarantine?", "id", 3),
        ("/api/v1/gaps?", "id", 1),
        ("/api/v1/unregistered?", "unit", 1),
    ] {
        let mut seen: Vec<String> = Vec::new();
        let mut after = String::new();
        loop {
            let page = json(&city, &format!("{path}limit=7{after}")).await;
            let items = page["items"].as_array().unwrap();
            seen.extend(items.iter().map(|item| item[key].to_string()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        let mut distinct = seen.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!((seen.len(), distinct.len()), (whole, whole), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_shows_everything_that_proves_it() {
    let city = city(0).await;
    let alert = json(&city, "/api/v1/alerts/a-006").await;
    assert_eq!(alert["rule"], "fault_after_repair");
    assert_eq!(alert["state"], "resolved");
    assert_eq!(alert["starts_at"], "2026-11-15T05:46:00.000Z");
    assert_eq!(alert["ends_at"], "2026-11-16T05:46:00.000Z");
    assert_eq!(alert["summary"]["zh"], "维修后 6 天同一故障再次出现");
    let kinds: Vec<&str> =
        alert["facts"].as_array().unwrap().iter().map(|fact| fact["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["event", "visit", "missing"]);
    assert_eq!(alert["transitions"][0]["kind"], "fired");
    let gap = json(&city, "/api/v1/alerts/a-004").await;
    assert_eq!(gap["facts"][0]["gap"]["missing"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_and_all_leaves_withdrawn_alerts_out() {
    let city = city(0).await;
    let ids = |page: Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(json(&city, "/api/v1/alerts?state=resolved").await), ["a-006"]);
    assert_eq!(ids(json(&city, "/api/v1/alerts?state=withdrawn").await), ["a-009"]);
    assert_eq!(ids(json(&city, "/api/v1/alerts?rule=entrapment").await), ["a-008"]);
    assert_eq!(ids(json(&city, "/api/v1/alerts?unit=jj-0004").await), ["a-008", "a-004"]);
    assert_eq!(ids(json(&city, "/api/v1/alerts?region=350583").await), ["a-008", "a-004"]);
    assert_eq!(ids(json(&city, "/api/v1/units?q=JJ-0031").await), ["jj-0031"]);
    assert_eq!(ids(json(&city, "/api/v1/units?region=350583&limit=1").await), ["jj-0004"]);
    let events =
        json(&city, "/api/v1/events?type=fault_raised&from=2026-11-23T00:00:00Z&to=2026-11-24T14:00:00%2B08:00").await;
    let at: Vec<&str> = events["items"].as_array().unwrap().iter().map(|event| event["at"].as_str().unwrap()).collect();
    assert_eq!(at.len(), 4, "{at:?}");
    assert!(at.iter().all(|at| ("2026-11-23".."2026-11-24T06:00:00.000Z").contains(at)), "{at:?}");
    assert_eq!(json(&city, "/api/v1/gaps?state=closed").await["items"].as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_shows_live_state_age_counts_and_open_alerts() {
    let city = city(0).await;
    let unit = json(&city, "/api/v1/units/jj-0004").await;
    assert_eq!(unit["age_years"], 17);
    assert_eq!(unit["state"]["mode"], "normal");
    assert_eq!(unit["state"]["active_faults"][0]["vendor_code"], "E41");
    assert_eq!(
        (&unit["levels"]["entrapment"], &unit["levels"]["faults"][0]["code"]),
        (&Value::from(true), &Value::from("other"))
    );
    assert_eq!(unit["unmonitored"], false);
    assert_eq!(unit["firing_alerts"], 2);
    assert_eq!(unit["open_alerts"][0]["rule"], "entrapment");
    assert_eq!(
        unit["event_counts"]["last_30_days"].as_object().unwrap().values().filter_map(Value::as_i64).sum::<i64>(),
        24
    );
    assert_eq!(json(&city, "/api/v1/units/jj-0010").await["unmonitored"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_a_problem_that_names_what_is_wrong() {
    let city = city(0).await;
    for (path, status, part) in [
        ("/api/v1/alerts?state=open", 400, "state"),
        ("/api/v1/alerts?limit=1001", 400, "limit"),
        ("/api/v1/alerts?limit=-1", 400, "limit"),
        ("/api/v1/alerts?colour=red", 400, "colour"),
        ("/api/v1/alerts?rule=a&rule=b", 400, "rule"),
        ("/api/v1/alerts?rule=repeted_fault", 400, "rule"),
        ("/api/v1/events?type=boom", 400, "type"),
        ("/api/v1/events?from=2026-11-23", 400, "from"),
        ("/api/v1/events?after=nothing", 400, "after"),
        ("/api/v1/events?unit=%00", 400, "unit"),
        ("/api/v1/quarantine?after=x", 400, "after"),
        ("/api/v1/unregistered?after=x", 400, "after"),
        ("/api/v1/alerts/none", 404, "none"),
        ("/api/v1/alerts/%ff", 400, "UTF-8"),
        ("/api/v1/units/none", 404, "none"),
        ("/api/v1/quarantine/abc", 404, "abc"),
        ("/api/v1/quarantine/99", 404, "99"),
        ("/api/v1/nothing", 404, "/api/v1/nothing"),
    ] {
        let answer = get(&city, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert_eq!(answer.json()["status"], status);
        assert!(answer.json()["detail"].as_str().unwrap().contains(part), "{path}: {}", answer.body);
    }
    let answer = get(&city, "/api/v1/alerts?state=open").await.json();
    assert_eq!(answer["parameter"], "state");
    assert_eq!(answer["allowed"], serde_json::json!(["firing", "resolved", "all", "withdrawn"]));
    let answer = send("DELETE", format!("{}/api/v1/alerts/a-001", city.address), &[], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (405, "application/problem+json"));
    assert_eq!(answer.header("allow"), "GET,HEAD");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_waits_for_the_pipeline_and_only_ends_entrapments() {
    let mut city = city(0).await;
    let url = |id: &str| format!("{}/api/v1/alerts/{id}/release", city.address);
    let (trapped, old, none) = (url("a-008"), url("a-001"), url("nobody"));
    let kind = [("content-type", "application/json")];
    let body = r#"{"reason":"doors opened by hand, two people out","by":"Lin"}"#;
    assert_eq!(send("POST", old, &kind, body).await.status, 409);
    assert_eq!(send("POST", none, &kind, body).await.status, 404);
    assert_eq!(
        send("POST", trapped.clone(), &kind, r#"{"reason":" ","by":"Lin"}"#).await.json()["parameter"],
        "reason"
    );
    assert_eq!(send("POST", trapped.clone(), &kind, r#"{"reason":"x","by":"Lin","z":1}"#).await.status, 400);
    assert_eq!(send("POST", trapped.clone(), &[("content-type", "text/plain")], body).await.status, 415);
    assert_eq!(send("POST", trapped.clone(), &kind, &" ".repeat(70_000)).await.status, 413);
    let foreign = [("content-type", "application/json"), ("origin", "http://evil.example")];
    assert_eq!(send("POST", trapped.clone(), &foreign, body).await.status, 403);

    let writer = city.writer.clone();
    let pipeline = tokio::spawn(async move {
        let Some(Asked { action: Action::ReleasePassengers { unit, by, reason }, reply }) = city.actions.recv().await
        else {
            panic!()
        };
        assert_eq!((unit.as_str(), by.as_str()), ("jj-0004", "Lin"));
        assert_eq!(reason, "doors opened by hand, two people out");
        sqlx::query("update alert set state = 'resolved' where id = 'a-008'").execute(&writer).await.unwrap();
        reply.send(Ok(Done::Released { event: "e".into() })).unwrap();
        city
    });
    let answer = send("POST", trapped, &kind, body).await;
    assert_eq!((answer.status, answer.json()["state"].as_str()), (200, Some("resolved")));
    pipeline.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_reports_its_changes_or_every_wrong_line() {
    let mut city = city(0).await;
    let url = format!("{}/api/v1/units", city.address);
    let mut actions = std::mem::replace(&mut city.actions, tokio::sync::mpsc::channel(1).1);
    let pipeline = tokio::spawn(async move {
        let Some(Asked { action: Action::ImportUnits(units), reply }) = actions.recv().await else { panic!() };
        assert_eq!(units.iter().map(|unit| unit.id.as_str()).collect::<Vec<_>>(), ["x-1"]);
        reply.send(Ok(Done::Imported(ImportReport { added: 1, changed: 0, unchanged: 0 }))).unwrap();
        let Some(Asked { reply, .. }) = actions.recv().await else { panic!() };
        reply.send(Err(NotNow("the disk is full".into()))).unwrap();
    });
    let kind = [("content-type", "text/csv; charset=utf-8")];
    let good = "unit,region,kind\nx-1,350582,traction\n";
    assert_eq!(send("POST", url.clone(), &kind, good).await.json()["added"], 1);
    let refused = send("POST", url.clone(), &kind, "unit,region,kind\nx 1,350582,traction\nx-2,35,boat\n").await.json();
    let lines: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|line| &line.as_str().unwrap()[..14]).collect();
    assert_eq!(
        (refused["status"].as_u64(), lines),
        (Some(422), vec!["line 2: unit: ", "line 3: region", "line 3: kind: "])
    );
    let full = send("POST", url.clone(), &kind, good).await;
    assert_eq!((full.status, full.json()["detail"].as_str()), (503, Some("the disk is full")));
    pipeline.await.unwrap();
    assert_eq!(send("POST", url, &kind, good).await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_what_is_in_the_way() {
    let city = city(0).await;
    assert_eq!(get(&city, "/-/healthy").await.status, 200);
    assert_eq!(get(&city, "/-/ready").await.status, 200, "12 s without a broker is not yet too long");
    city.stand.links.lock().unwrap()[1].down_for = Some(Duration::from_secs(31));
    city.stand.storage.lock().unwrap().fault = Some("the disk is full".into());
    let answer = get(&city, "/-/ready").await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.json()["reasons"],
        serde_json::json!(["region 350583: no connection to its broker for 31 s", "storage: the disk is full"])
    );
    assert_eq!(get(&city, "/-/healthy").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_hosts_are_refused_and_every_answer_has_the_guards() {
    let city = city(0).await;
    for (host, status) in
        [("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost:8080", 200), ("[::1]:80", 200)]
    {
        let answer = send("GET", format!("{}/api/v1/gaps", city.address), &[("host", host)], "").await;
        assert_eq!(answer.status, status, "{host}");
    }
    for path in ["/", "/api/v1/gaps", "/nothing", "/metrics"] {
        let answer = get(&city, path).await;
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
    let answer = send("GET", format!("{}/metrics", city.address), &[("accept-encoding", "gzip")], "").await;
    assert_eq!(answer.header("content-encoding"), "gzip");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quarantine_exports_every_message_as_a_line() {
    let city = city(0).await;
    for n in 4..=1_203 {
        sqlx::query("insert into quarantine values ($1, 0, '350582', 'p', '', 't', 'bad_json', '', 1, '', x'41')")
            .bind(n)
            .execute(&city.writer)
            .await
            .unwrap();
    }
    let answer = get(&city, "/api/v1/quarantine/export").await;
    let ids: Vec<i64> =
        answer.body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=1_203).collect::<Vec<_>>());
    let first = json(&city, "/api/v1/quarantine/1").await;
    assert_eq!((&first["payload_hex"], &first["payload_text"]), (&Value::from("ff00"), &Value::Null));
    assert_eq!(json(&city, "/api/v1/quarantine/2").await["payload_text"], HOSTILE);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_has_every_route_and_no_dangling_reference() {
    let city = city(0).await;
    let document = json(&city, "/api/v1/openapi.json").await;
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 40, "{:?}", paths.keys());
    let guide = include_str!("../../docs/API.md");
    for path in paths.keys() {
        assert!(guide.contains(&format!("{path}`")), "docs/API.md does not name {path}");
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_values_in_every_documented_parameter_are_refused_or_answered_and_never_break_anything() {
    let city = city(0).await;
    let document = json(&city, "/api/v1/openapi.json").await;
    let odd = [
        "",
        "0",
        "-1",
        "99999999999999999999",
        "%00",
        "%ff",
        "%27%20or%201=1--",
        "%F0%9F%92%A5",
        "a%20b",
        "../x",
        "x~y",
    ];
    let long = "a".repeat(3_000);
    let values: Vec<&str> = odd.into_iter().chain([long.as_str()]).collect();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(operation) = operations.get("get") else { continue };
        let mut tries: Vec<String> = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            for value in &values {
                tries.push(match parameter["in"].as_str() {
                    Some("path") if value.is_empty() => continue,
                    Some("path") => path.replace(&format!("{{{name}}}"), value),
                    _ => format!("{path}?{name}={value}"),
                });
            }
        }
        for one in tries {
            let answer = get(&city, &one).await;
            asked += 1;
            assert!(answer.status < 500, "{one}: {} {}", answer.status, answer.body);
            if answer.status >= 400 {
                assert_eq!(answer.header("content-type"), "application/problem+json", "{one}");
                assert!(answer.body.len() < 1_500, "{one}: an answer must not grow with the question");
            }
        }
    }
    assert!(asked > 200, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_shuts_within_its_grace_though_a_peer_holds_it_open() {
    let mut city = city(0).await;
    let peer = city.address.trim_start_matches("http://").to_owned();
    let mut dripping = tokio::net::TcpStream::connect(&peer).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut dripping, b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    assert_eq!(get(&city, "/-/healthy").await.status, 200);
    drop(city.stop.take());
    let stopped = tokio::time::timeout(Duration::from_secs(8), &mut city.serving).await;
    stopped.expect("at most five seconds of grace").unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(&peer).await.is_err());
}
