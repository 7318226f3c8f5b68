//! Answers and silences over HTTP: what is taken, what is refused, and what other sites' pages cannot do.

use std::time::Duration;

use liftwatch::domain::event::EventType;
use liftwatch::domain::time::HOUR;
use serde_json::{Value, json};

use super::{MESSAGE, Open, first_alert, open};
use crate::city::key;
use crate::world::{World, day, event, unit};

pub const JSON: (&str, &str) = ("content-type", "application/json");
pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

pub async fn send(method: &str, url: String, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.as_bytes().to_vec()).unwrap();
    tokio::task::spawn_blocking(move || {
        let settings = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let agent: ureq::Agent = settings.timeout_global(Some(Duration::from_secs(20))).build().into();
        let mut response = agent.run(request).unwrap();
        let place = response.headers().get("location").map_or("", |place| place.to_str().unwrap()).to_owned();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap(), place)
    })
    .await
    .unwrap()
}

pub async fn post(open: &Open, path: &str, body: &Value) -> (u16, Value) {
    let (status, text, _) = send("POST", format!("{}{path}", open.address), &[JSON], &body.to_string()).await;
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

pub async fn get(open: &Open, path: &str) -> (u16, String) {
    let (status, text, _) = send("GET", format!("{}{path}", open.address), &[], "").await;
    (status, text)
}

/// A city of two units; in one of them people are trapped.
async fn trapped(ack_timeout: Option<i64>) -> (Open, String) {
    let mut world = World::new().await;
    world.register(vec![unit("lift-2")]).await;
    world.pass_until(day(1)).await;
    world.tell(event(EventType::EntrapmentReported, day(1))).await;
    world.meddle(MESSAGE).await;
    let alert = first_alert(&mut world).await;
    (open(world, ack_timeout).await, alert)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_taken_and_shown_with_the_alert() {
    let (open, alert) = trapped(Some(8 * HOUR)).await;
    let at = |what: &str| format!("/api/v1/alerts/{alert}/{what}");
    let (status, file) = post(&open, &at("note"), &json!({"by": "Lin", "note": "on the 5th floor"})).await;
    assert_eq!((status, &file["standing"]["because"]), (200, &json!("open")), "{file}");
    let (_, file) = post(&open, &at("acknowledge"), &json!({"by": "Lin"})).await;
    assert_eq!(file["standing"], json!({"answered": true, "because": "answered", "until": "2026-01-02T08:00:00.000Z"}));
    let (_, file) = post(&open, &at("arrived"), &json!({"by": "Chen", "note": "door key at hand"})).await;
    assert_eq!(file["standing"]["until"], Value::Null);
    let (_, file) = post(&open, &at("false-alarm"), &json!({"by": "Chen", "reason": " nobody inside "})).await;
    let answers = file["answers"].as_array().unwrap();
    let kinds: Vec<&str> = answers.iter().map(|answer| answer["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["note", "acknowledged", "arrived", "false_alarm"]);
    assert_eq!((&answers[3]["note"], &answers[3]["severity"]), (&json!("nobody inside"), &json!("critical")));
    assert_eq!(file["state"], "firing", "a false alarm releases nobody");
    let (_, metrics) = get(&open, "/metrics").await;
    for line in [
        "liftwatch_alerts_answered{answer=\"false_alarm\",publisher=\"maker-1\",rule=\"entrapment\"} 1",
        "liftwatch_alerts_by_publisher{publisher=\"maker-1\",rule=\"entrapment\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_answer_is_refused_with_the_field_that_is_wrong() {
    let (open, alert) = trapped(None).await;
    let at = |what: &str| format!("/api/v1/alerts/{alert}/{what}");
    for (what, body, field) in [
        ("acknowledge", json!({"by": " "}), Some("by")),
        ("acknowledge", json!({"by": "x".repeat(101)}), Some("by")),
        ("acknowledge", json!({"by": "Lin", "note": "x".repeat(501)}), Some("note")),
        ("acknowledge", json!({"by": "Lin", "note": "a\u{0}b"}), Some("note")),
        ("acknowledge", json!({"by": "Lin", "expires_at": "tomorrow"}), Some("expires_at")),
        ("acknowledge", json!({"by": "Lin", "expires_at": "2026-01-02T00:00:00Z"}), Some("expires_at")),
        ("acknowledge", json!({"by": "Lin", "expires_at": "2028-01-02T00:00:00Z"}), Some("expires_at")),
        ("false-alarm", json!({"by": "Lin", "reason": ""}), Some("reason")),
        ("note", json!({"by": "Lin", "note": "\n"}), Some("note")),
        ("arrived", json!({"by": "Lin", "expires_at": "2026-01-02T01:00:00Z"}), None),
        ("false-alarm", json!({"by": "Lin"}), None),
        ("note", json!([]), None),
    ] {
        let (status, problem) = post(&open, &at(what), &body).await;
        assert_eq!(status, 400, "{what} {body}: {problem}");
        assert_eq!(problem["parameter"].as_str(), field, "{what} {body}: {problem}");
    }
    let (status, _) = post(&open, "/api/v1/alerts/a-none/note", &json!({"by": "Lin", "note": "x"})).await;
    assert_eq!(status, 404);
    let (status, _, _) = send("POST", format!("{}{}", open.address, at("note")), &[FORM], "by=Lin&note=x").await;
    assert_eq!(status, 415);
    assert_eq!(open.world.lock().await.count("select count(*) from answer").await, 0);
    open.world.lock().await.meddle("update alert set state = 'resolved'").await;
    let (status, problem) = post(&open, &at("acknowledge"), &json!({"by": "Lin"})).await;
    assert_eq!(status, 409, "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_says_what_it_meets_and_when_it_meets_nothing() {
    let (open, alert) = trapped(None).await;
    let wish = |matchers: &[&str]| json!({"matchers": matchers, "by": "Lin", "why": "works on the mains", "ends_at": "2026-01-02T12:00:00Z"});
    let (status, made) = post(&open, "/api/v1/silences", &wish(&["unit=lift-1", "rule=~\"entr.*\""])).await;
    assert_eq!(status, 200, "{made}");
    assert_eq!(made["matchers"], json!(["unit=\"lift-1\"", "rule=~\"entr.*\""]));
    assert_eq!((&made["units"], &made["firing"], &made["warning"]), (&json!(1), &json!(1), &Value::Null));
    assert_eq!(made["alerts"], json!([alert]));
    let (_, quiet) = post(&open, "/api/v1/silences", &wish(&["unit=lift-2"])).await;
    assert_eq!((&quiet["units"], &quiet["warning"]), (&json!(1), &json!("no alert that fires now meets it")));
    let (_, nothing) = post(&open, "/api/v1/silences", &wish(&["site=\"no such place\""])).await;
    assert_eq!(nothing["units"], 0);
    assert!(nothing["warning"].as_str().unwrap().contains("misspelt"), "{nothing}");

    let (_, page) = get(&open, &format!("/alerts/{alert}?lang=en")).await;
    assert!(page.contains("Silenced until") && page.contains("works on the mains"), "{page}");
    let end = format!("/api/v1/silences/{}/expire", made["id"].as_str().unwrap());
    let (status, ended) = post(&open, &end, &json!({"by": "Chen"})).await;
    assert_eq!((status, &ended["state"], &ended["ended_by"]), (200, &json!("expired"), &json!("Chen")), "{ended}");
    assert_eq!(post(&open, &end, &json!({"by": "Chen"})).await.0, 409);
    assert_eq!(post(&open, "/api/v1/silences/s-none/expire", &json!({"by": "Chen"})).await.0, 404);
    let (_, page) = get(&open, &format!("/alerts/{alert}?lang=en")).await;
    assert!(!page.contains("Silenced until"), "{page}");

    let count = async |query: &str| {
        let (_, list) = get(&open, &format!("/api/v1/silences{query}")).await;
        serde_json::from_str::<Value>(&list).unwrap()["items"].as_array().unwrap().len()
    };
    assert_eq!([count("").await, count("?state=active").await, count("?state=expired").await], [3, 2, 1]);
    assert_eq!(count("?limit=2").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_that_cannot_be_meant_is_refused() {
    let (open, _) = trapped(None).await;
    let whole = json!({"matchers": ["unit=lift-1"], "by": "Lin", "why": "x", "ends_at": "2026-01-02T12:00:00Z"});
    for (field, value, wrong) in [
        ("matchers", json!([]), "matchers"),
        ("matchers", json!(["severity=~.*"]), "matchers"),
        ("matchers", json!(["level=3"]), "matchers"),
        ("matchers", json!(["site=~\"(\""]), "matchers"),
        ("matchers", json!(["rule=entrapmant"]), "matchers"),
        ("matchers", json!(["severity=warning", "severity=critical"]), "matchers"),
        ("by", json!(""), "by"),
        ("why", json!(" "), "why"),
        ("ends_at", json!("2026-01-01T00:00:00Z"), "ends_at"),
        ("ends_at", json!("2027-12-01T00:00:00Z"), "ends_at"),
        ("starts_at", json!("2026-01-03T00:00:00Z"), "ends_at"),
        ("starts_at", json!("now"), "starts_at"),
    ] {
        let mut wish = whole.clone();
        wish[field] = value;
        let (status, problem) = post(&open, "/api/v1/silences", &wish).await;
        assert_eq!((status, problem["parameter"].as_str()), (400, Some(wrong)), "{wish}: {problem}");
    }
    assert_eq!(open.world.lock().await.count("select count(*) from silence").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_received_link_looks_without_acting_acts_once_and_is_good_for_its_delivery_alone() {
    let (open, alert) = trapped(Some(8 * HOUR)).await;
    let link = key().path("d-1");
    for _ in 0..3 {
        let (status, page) = get(&open, &format!("{link}?lang=en")).await;
        assert_eq!(status, 200);
        assert!(page.contains("maintainer:firm-1") && page.contains("People trapped"), "{page}");
    }
    assert_eq!(open.world.lock().await.count("select count(*) from answer").await, 0, "mail scanners look as well");
    let forged = link.replace("/r/d-1/", "/r/d-2/");
    let cut = &link[..link.len() - 1];
    for wrong in [forged.as_str(), cut, "/r/d-1/x", "/r/d-1/%ff"] {
        for method in ["GET", "POST"] {
            let (status, _, _) = send(method, format!("{}{wrong}", open.address), &[FORM], "").await;
            assert_eq!(status, 404, "{method} {wrong}");
        }
    }
    // Signed, and the message is gone.
    assert_eq!(get(&open, &key().path("d-7")).await.0, 404);
    for _ in 0..2 {
        let (status, _, place) = send("POST", format!("{}{link}", open.address), &[FORM], "").await;
        assert_eq!((status, place.as_str()), (303, link.as_str()));
    }
    let (_, page) = get(&open, &format!("{link}?lang=en")).await;
    assert!(page.contains("Recorded as received") && !page.contains("<form"), "{page}");
    let (_, file) = get(&open, &format!("/api/v1/alerts/{alert}")).await;
    let file: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(file["answers"].as_array().unwrap().len(), 1, "{file}");
    assert_eq!(
        (&file["answers"][0]["by"], &file["answers"][0]["delivery"]),
        (&json!("maintainer:firm-1"), &json!("d-1"))
    );
    assert_eq!(file["standing"]["until"], "2026-01-02T08:00:00.000Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_counts_only_from_our_own_pages() {
    let (open, alert) = trapped(None).await;
    let own = ("origin", open.address.as_str());
    let url = format!("{}/alerts/{alert}/answers", open.address);
    let filled = "kind=acknowledged&by=Lin&note=&lasts=4";
    for foreign in [None, Some(("origin", "https://elsewhere.example")), Some(("origin", "null"))] {
        let headers: Vec<(&str, &str)> = [FORM].into_iter().chain(foreign).collect();
        assert_eq!(send("POST", url.clone(), &headers, filled).await.0, 403, "{foreign:?}");
    }
    assert_eq!(open.world.lock().await.count("select count(*) from answer").await, 0);
    let (status, _, place) = send("POST", url.clone(), &[FORM, own], filled).await;
    assert_eq!((status, place), (303, format!("/alerts/{alert}")));
    assert_eq!(open.world.lock().await.count("select expires_at - at from answer").await, 4 * HOUR);
    for wrong in
        ["kind=acknowledged&by=", "kind=boom&by=Lin", "kind=note&by=Lin&note=", "by=Lin", "kind=arrived&by=L&x=1"]
    {
        let (status, page, _) = send("POST", url.clone(), &[FORM, own], wrong).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(page.contains("<html") && page.contains("无法显示此页"), "{wrong}: {page}");
    }
    let (status, _, place) = send("GET", url, &[], "").await;
    assert_eq!((status, place), (303, format!("/alerts/{alert}")));
}
