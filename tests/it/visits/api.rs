//! Visits over HTTP: recorded, confirmed, listed by every question, refused with what is wrong.

use liftwatch::domain::time::{DAY, HOUR};
use serde_json::{Value, json};

use super::{arrive, record, with};
use crate::answers::api::{get, post};
use crate::answers::{Open, open};
use crate::world::{UNIT, World, day, unit};

const RECORD: &str = "/api/v1/units/lift-1/visits";

async fn opened() -> Open {
    let mut world = World::new().await;
    world.register(vec![unit("lift-2")]).await;
    world.pass_until(day(9)).await;
    open(world, None).await
}

async fn list(open: &Open, query: &str) -> Value {
    let (status, body) = get(open, &format!("/api/v1/visits?{query}")).await;
    assert_eq!(status, 200, "{query}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// The record ids of a list.
async fn names(open: &Open, query: &str) -> Vec<String> {
    let page = list(open, query).await;
    page["items"].as_array().unwrap().iter().map(|item| item["record_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_new_once_and_then_known_and_another_of_its_name_is_refused_and_kept() {
    let open = opened().await;
    let first = record("r-1", day(1));
    let (status, file) = post(&open, RECORD, &first).await;
    assert_eq!(
        (status, file["publisher"].as_str(), file["unit"].as_str()),
        (201, Some("people"), Some(UNIT)),
        "{file}"
    );
    assert_eq!(
        file["people"]["recorder"],
        json!({"erased": false, "withheld": false, "name": "林工", "phone": "13900000001"})
    );
    assert_eq!(file["checked"]["checklist"], "starter-1");
    assert_eq!(file["checked"]["unknown"], json!([]));
    assert_eq!(file["site"], "site-1");
    let (status, again) = post(&open, RECORD, &first).await;
    assert_eq!((status, &again["id"]), (200, &file["id"]));
    let (status, problem) = post(&open, RECORD, &with(&first, json!({"kind": "OY"}))).await;
    assert_eq!(status, 409, "{problem}");
    let (_, quarantine) = get(&open, "/api/v1/quarantine?reason=conflict").await;
    assert!(quarantine.contains("api/v1/units/lift-1/visits"), "{quarantine}");
    let mut without = first.clone();
    without.as_object_mut().unwrap().remove("ts");
    without["record_id"] = json!("r-2");
    for status in [201, 200] {
        assert_eq!(
            post(&open, RECORD, &without).await.0,
            status,
            "the time of sending is ours, and no part of the record"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named_at_once() {
    let open = opened().await;
    let wrong = json!({
        "record_id": "", "kind": "XX", "started_at": "yesterday", "workers": [], "next_due": "2026-13-01",
        "items": [{"id": "T-HM-01"}], "photos": [{"sha256": "12"}], "people": {"recorder": {"shoe": "44"}},
    });
    let (status, problem) = post(&open, RECORD, &wrong).await;
    let fields: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error.as_str().unwrap().split(':').next().unwrap())
        .collect();
    let expected =
        ["started_at", "record_id", "kind", "items[0].result", "next_due", "photos[0].sha256", "people.recorder"];
    assert_eq!((status, fields), (422, expected.to_vec()), "{problem}");
    let first = record("r-1", day(1));
    for (fields, what) in [
        (json!({"workers": []}), "workers"),
        (json!({"started_at": (day(9) + DAY).to_string(), "ended_at": null}), "started_at"),
        (json!({"started_at": "1999-01-01T00:00:00Z"}), "started_at"),
        (json!({"ended_at": (day(9) + HOUR).to_string()}), "ended_at"),
        (json!({"supersedes": "r-0", "reason": "x"}), "supersedes"),
        (json!({"supersedes": "r-1", "reason": "x"}), "supersedes"),
        (json!({"supersedes": "r-0"}), "supersedes"),
    ] {
        let (status, problem) = post(&open, RECORD, &with(&first, fields)).await;
        assert_eq!(status, 422, "{problem}");
        let told = problem["errors"].as_array().unwrap().iter().any(|error| error.as_str().unwrap().starts_with(what));
        assert!(told, "{problem}");
    }
    assert_eq!(post(&open, "/api/v1/units/lift-9/visits", &first).await.0, 404);
    assert_eq!(post(&open, "/api/v1/units/lift%209/visits", &first).await.0, 404);
    assert_eq!(names(&open, "").await, Vec::<String>::new(), "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_correct_any_record_with_a_reason_and_the_list_folds_it() {
    let mut world = World::new().await;
    arrive(&mut world, &[record("r-1", day(1))]).await;
    let open = open(world, None).await;
    let correction = with(&record("c-1", day(2)), json!({"supersedes": "r-1", "supersedes_publisher": "maker-1"}));
    let (status, problem) = post(&open, RECORD, &correction).await;
    assert_eq!((status, problem["errors"][0].as_str()), (422, Some("reason: a correction says why")));
    let correction = with(&correction, json!({"reason": "the day was wrong"}));
    let (status, file) = post(&open, RECORD, &correction).await;
    assert_eq!(status, 201, "{file}");
    let chain: Vec<&str> =
        file["chain"].as_array().unwrap().iter().map(|one| one["record_id"].as_str().unwrap()).collect();
    assert_eq!(chain, ["r-1", "c-1"]);
    let again = with(&record("c-2", day(3)), json!({"supersedes": "c-1", "reason": "once more"}));
    assert_eq!(post(&open, RECORD, &again).await.0, 201);
    let folded = list(&open, "unit=lift-1").await;
    assert_eq!(folded["items"].as_array().unwrap().len(), 1);
    assert_eq!(folded["items"][0]["record_id"], "c-2");
    assert_eq!(folded["items"][0]["chain"].as_array().unwrap().len(), 2);
    assert_eq!(folded["items"][0]["chain"][0], file["id"]);
    assert_eq!(names(&open, "unit=lift-1&folded=false").await, ["c-2", "c-1", "r-1"]);
    assert_eq!(names(&open, "corrected=only").await, ["c-1", "r-1"]);
    assert_eq!(names(&open, "corrected=only&unit=lift-2").await, Vec::<String>::new());
    // A correction cannot move a visit to another unit.
    let moved = with(&record("c-3", day(3)), json!({"supersedes": "c-2", "reason": "wrong lift"}));
    let (status, problem) = post(&open, "/api/v1/units/lift-2/visits", &moved).await;
    assert_eq!(status, 404, "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_cannot_move_a_visit_to_another_unit() {
    let open = opened().await;
    post(&open, RECORD, &record("r-1", day(1))).await;
    let moved = with(&record("r-2", day(1)), json!({"supersedes": "r-1", "reason": "wrong lift"}));
    let (status, problem) = post(&open, "/api/v1/units/lift-2/visits", &moved).await;
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("stays with its unit"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn visits_are_found_by_unit_worker_firm_kind_and_time_and_paged() {
    let open = opened().await;
    for n in 0..7 {
        let kind = if n % 2 == 0 { "HM" } else { "TM" };
        let workers = if n < 3 { json!(["w-1"]) } else { json!(["w-1", "w-2"]) };
        let one = with(&record(&format!("r-{n}"), day(n)), json!({"kind": kind, "workers": workers}));
        let place = if n == 6 { "/api/v1/units/lift-2/visits" } else { RECORD };
        assert_eq!(post(&open, place, &one).await.0, 201);
    }
    assert_eq!(names(&open, "unit=lift-2").await, ["r-6"]);
    assert_eq!(names(&open, "worker=w-2").await, ["r-6", "r-5", "r-4", "r-3"]);
    assert_eq!(names(&open, "worker=w-2&unit=lift-1&kind=TM").await, ["r-5", "r-3"]);
    assert_eq!(names(&open, "maintainer=firm-1&kind=TM").await, ["r-5", "r-3", "r-1"]);
    assert_eq!(names(&open, "maintainer=firm-2").await, Vec::<String>::new());
    let (from, to) = (day(2), day(4));
    assert_eq!(names(&open, &format!("from={from}&to={to}")).await, ["r-3", "r-2"]);
    for query in
        ["", "unit=lift-1&", "worker=w-1&", "maintainer=firm-1&", "kind=HM&", "worker=w-1&from=2026-01-02T00:00:00Z&"]
    {
        let whole = names(&open, query).await;
        let mut pages = Vec::new();
        let mut after = String::new();
        loop {
            let page = list(&open, &format!("{query}limit=2&after={after}")).await;
            pages.extend(
                page["items"].as_array().unwrap().iter().map(|item| item["record_id"].as_str().unwrap().to_owned()),
            );
            match page["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(pages, whole, "{query}");
    }
    for wrong in
        ["kind=XX", "corrected=yes", "folded=maybe", "corrected=only&folded=true", "colour=red", "from=yesterday"]
    {
        assert_eq!(get(&open, &format!("/api/v1/visits?{wrong}")).await.0, 400, "{wrong}");
    }
    assert_eq!(get(&open, "/api/v1/visits/v-none").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_confirms_once() {
    let open = opened().await;
    let (_, file) = post(&open, RECORD, &record("r-1", day(1))).await;
    let path = format!("/api/v1/visits/{}/confirmation", file["id"].as_str().unwrap());
    let word = json!({"by": "Chen 陈", "note": "seen"});
    let (status, file) = post(&open, &path, &word).await;
    assert_eq!(
        (status, file["confirmation"]["by"].as_str(), file["confirmation"]["note"].as_str()),
        (201, Some("Chen 陈"), Some("seen"))
    );
    assert_eq!(post(&open, &path, &word).await.0, 200);
    for other in [json!({"by": "Lin", "note": "seen"}), json!({"by": "Chen 陈", "note": ""})] {
        assert_eq!(post(&open, &path, &other).await.0, 409);
    }
    assert_eq!(post(&open, "/api/v1/visits/v-none/confirmation", &word).await.0, 404);
    assert_eq!(post(&open, &path, &json!({"by": " "})).await.0, 400);
    let mut world = open.world.lock().await;
    let body = world.text("select body from visit_confirmation").await;
    assert!(!body.contains("Chen") && body.contains("\"note\":\"seen\""), "{body}");
    assert_eq!(world.count("select count(*) from visit_person where role = 'confirmed_by'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn overdue_units_are_listed_by_firm_with_the_visit_they_rest_on() {
    let mut world = World::new().await;
    world.register(vec![unit("lift-2")]).await;
    arrive(&mut world, &[record("r-1", day(1))]).await;
    world.pass_until(day(20)).await;
    let open = open(world, None).await;
    let list = |query: &'static str| {
        let open = &open;
        async move {
            let (status, body) = get(open, &format!("/api/v1/maintenance/overdue?{query}")).await;
            assert_eq!(status, 200, "{body}");
            serde_json::from_str::<Value>(&body).unwrap()["items"].clone()
        }
    };
    let items = list("maintainer=firm-1").await;
    assert_eq!(items.as_array().unwrap().len(), 1, "a unit without a visit is not overdue");
    let unit = &items[0];
    assert_eq!(
        (unit["unit"].as_str(), unit["overdue_days"].as_i64(), unit["severity"].as_str()),
        (Some(UNIT), Some(4), Some("warning"))
    );
    assert_eq!(unit["due_at"], day(16).to_string());
    assert_eq!(list("maintainer=firm-2").await, json!([]));
    assert_eq!(list("region=350582").await.as_array().unwrap().len(), 1);
    let (_, metrics) = get(&open, "/metrics").await;
    assert!(metrics.contains("liftwatch_maintenance_overdue_units{region=\"350582\"} 1\n"), "in step with the rule");
}
