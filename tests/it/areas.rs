//! Area events as readers see them: the list, one event with what it holds back, and the page behind a message's link.

use serde_json::Value;

use crate::city::{City, NOW, city, key};
use crate::process::get;

fn ask(city: &City, path: &str) -> (u16, String) {
    get(&format!("{}{path}", city.address))
}

fn json(city: &City, path: &str) -> Value {
    let (status, body) = ask(city, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn area_events_are_listed_by_state_kind_and_region_the_newest_first_page_by_page() {
    let city = city(0).await;
    assert_eq!(ids(&json(&city, "/api/v1/areas")), ["x-3", "x-2", "x-1"]);
    assert_eq!(ids(&json(&city, "/api/v1/areas?state=open")), ["x-3"]);
    assert_eq!(ids(&json(&city, "/api/v1/areas?state=ended&kind=area_power")), ["x-2"]);
    assert_eq!(ids(&json(&city, "/api/v1/areas?region=350583")), ["x-1"]);
    let first = json(&city, "/api/v1/areas?limit=2");
    let next = first["next"].as_str().unwrap();
    let second = json(&city, &format!("/api/v1/areas?limit=2&after={next}"));
    assert_eq!((ids(&first), ids(&second), &second["next"]), (vec!["x-3", "x-2"], vec!["x-1"], &Value::Null));
    let event = &json(&city, "/api/v1/areas?state=open")["items"][0];
    assert_eq!((event["units"].as_i64(), event["held"].as_i64()), (Some(8), Some(2)));
    assert_eq!((&event["state"], &event["ends_at"]), (&Value::from("open"), &Value::Null));
    assert_eq!(ask(&city, "/api/v1/areas?kind=entrapment").0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_area_event_has_its_story_and_leads_to_the_alerts_that_it_holds_back() {
    let city = city(0).await;
    let event = json(&city, "/api/v1/areas/x-3");
    assert_eq!(event["site"], "云锦小区");
    assert_eq!(event["entries"][0]["entry"], "transition");
    let held = json(&city, "/api/v1/alerts?area=x-3");
    assert_eq!(held["items"].as_array().unwrap().len(), 2);
    assert_eq!(ask(&city, "/api/v1/areas/x-9").0, 404);
    let (_, page) = ask(&city, "/areas/x-3?lang=en");
    assert!(page.contains("Area power cut") && page.contains("云锦小区") && page.contains("Lasts"), "{page}");
    for alert in ids(&held) {
        assert!(page.contains(&format!("/alerts/{alert}")), "{page}");
        let (_, sheet) = ask(&city, &format!("/alerts/{alert}?lang=en"));
        assert!(sheet.contains("<a href=\"/areas/x-3\">"), "the alert's story leads to the event: {sheet}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_cannot_be_looked_for_under_the_rules_of_areas() {
    let city = city(0).await;
    for rule in ["area_power", "blind_region"] {
        let (status, problem) = ask(&city, &format!("/api/v1/alerts?rule={rule}"));
        assert!(status == 400 && !problem.contains("\"blind_region\""), "{problem}");
        let (_, page) = ask(&city, "/alerts");
        assert!(!page.contains(&format!("value=\"{rule}\"")), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_behind_the_link_of_a_message_about_an_area_names_the_area() {
    let city = city(0).await;
    let rows = format!(
        "insert into notification values ('n-1', 'inspector', 'alerts', 'g', {n}, '{{}}'); \
         insert into notification_alert values ('n-1', 'x-3'), ('n-1', 'x-1'); \
         insert into delivery (id, notification, receiver, sink, state, created_at, due_at) \
         values ('d-1', 'n-1', 'inspector', 'webhook-0', 'delivered', {n}, {n})",
        n = NOW.0
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&city.writer).await.unwrap();
    let (status, page) = ask(&city, &format!("{}?lang=en", key().path("d-1")));
    assert_eq!(status, 200, "{page}");
    for part in ["Area power cut", "云锦小区", "8 units without mains", "Region out of sight", "the whole region"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("href=\"/areas/x-3\"") && page.contains("<small>2</small>"), "{page}");
}
