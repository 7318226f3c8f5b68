//! Hostile texts through form, API and MQTT: refused with a reason, or kept and shown as text, and never a fault of ours.

use serde_json::{Value, json};

use super::{arrive, record, with};
use crate::answers::api::{FORM, get, post, send};
use crate::answers::open;
use crate::world::{World, day};

const RECORD: &str = "/api/v1/units/lift-1/visits";

fn texts() -> Vec<String> {
    let long = "长".repeat(5_000);
    [
        "<script>alert(1)</script>\"'&",
        "'; drop table visit; --",
        "=cmd|'/c calc'!A1",
        "\u{202e}gnp.exe\u{202c} مرحبا שלום",
        "a\u{0}b",
        "line\r\nSet-Cookie: a=b",
        "\u{1b}[31mred",
        "Z̷̛̖a̴l̸g̵o̶",
        "\u{feff}\u{200b}\u{2028}",
        "${jndi:ldap://x} {{7*7}} {% raw %} %s %n",
        "\u{d7ff}\u{e000}\u{10ffff}",
        "../../etc/passwd",
        "",
        long.as_str(),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A record with the text in one of the places where a text can stand.
fn planted(name: usize, place: usize, text: &str) -> Value {
    let fields = match place {
        0 => json!({"record_id": text}),
        1 => json!({"workers": [text]}),
        2 => json!({"items": [{"id": text, "result": "pass"}]}),
        3 => json!({"items": [{"id": "T-HM-01", "result": text, "unit": text}]}),
        4 => json!({"problem_codes": [text]}),
        5 => json!({"photos": [{"sha256": "a".repeat(64), "note": text}]}),
        6 => json!({"people": {"recorder": {"name": text, "phone": text}}}),
        7 => json!({"unknown": text}),
        8 => json!({ text: text }),
        9 => json!({"reason": text}),
        10 => json!({"people": {text: {"name": "x"}}}),
        _ => json!({"supersedes": text, "reason": text}),
    };
    with(&record(&format!("h-{name}"), day(1)), fields)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_text_in_every_place_is_refused_or_shown_as_text() {
    let mut world = World::new().await;
    world.pass_until(day(9)).await;
    let open = open(world, None).await;
    let mut kept = Vec::new();
    for (number, text) in texts().iter().enumerate() {
        for place in 0..12 {
            let (status, file) = post(&open, RECORD, &planted(number * 12 + place, place, text)).await;
            assert!(matches!(status, 201 | 409 | 413 | 422), "{status} for {place} {text:?}: {file}");
            if status == 201 {
                kept.push(file["id"].as_str().unwrap().to_owned());
            }
        }
    }
    assert!(kept.len() > 60, "{} were kept", kept.len());
    for id in kept {
        for path in
            [format!("/visits/{id}"), format!("/units/lift-1/visit/new?corrects={id}"), format!("/api/v1/visits/{id}")]
        {
            let (status, page) = get(&open, &path).await;
            assert_eq!(status, 200, "{path}: {page}");
            assert!(path.starts_with("/api") || !page.contains("<script>"), "{path}: {page}");
        }
    }
    assert_eq!(get(&open, "/units/lift-1").await.0, 200);
    assert_eq!(get(&open, "/quarantine").await.0, 200);
    let (status, page) = get(&open, "/visits?folded=false&limit=1000").await;
    assert!(status == 200 && !page.contains("<script>") && page.contains("&#60;script&#62;"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_questions_for_lists_and_packages_are_refused_or_answered_and_shown_as_text() {
    let mut world = World::new().await;
    world.pass_until(day(9)).await;
    let open = open(world, None).await;
    let coded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    for text in texts() {
        for field in ["unit", "worker", "maintainer", "kind", "from", "to", "corrected", "folded", "after", "x"] {
            for page in ["/visits", "/overdue", "/api/v1/visits.zip"] {
                let (status, answer) = get(&open, &format!("{page}?{field}={}", coded(&text))).await;
                // Nothing is signed here, so there are no packages: a question that is read is answered with 404.
                let answered = if page.ends_with(".zip") { 404 } else { 200 };
                assert!(status == 400 || status == answered, "{status} for {page} {field} {text:?}: {answer}");
                assert!(page.ends_with(".zip") || !answer.contains("<script>"), "{page} {field}: {answer}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_takes_hostile_texts_as_the_api_does() {
    let mut world = World::new().await;
    world.pass_until(day(9)).await;
    let open = open(world, None).await;
    let coded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let own = [FORM, ("origin", open.address.as_str())];
    for (number, text) in texts().iter().enumerate() {
        for field in [
            "record_id",
            "workers",
            "item-T-HM-01",
            "item-T-HM-09",
            "problem_codes",
            "photos",
            "recorder.name",
            "next_due",
            "started_at",
            "kind",
            "supersedes",
            "item-%22%3E",
            "x",
        ] {
            let mut fields = vec![
                ("record_id", format!("f-{number}-{}", coded(field))),
                ("kind", "HM".to_owned()),
                ("started_at", "2026-01-02T08%3A00".to_owned()),
                ("workers", "w-1".to_owned()),
            ];
            fields.retain(|(name, _)| *name != field);
            fields.push((field, coded(text)));
            let body = fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
            let (status, page, _) = send("POST", format!("{}/units/lift-1/visit/new", open.address), &own, &body).await;
            assert!(matches!(status, 303 | 400 | 409 | 413 | 422), "{status} for {field} {text:?}: {page}");
            assert!(!page.contains("<script>"), "{page}");
        }
    }
    assert!(open.world.lock().await.count("select count(*) from visit").await > 30);
}

#[tokio::test]
async fn a_huge_number_of_items_people_or_levels_is_refused_by_every_door() {
    let first = record("r-1", day(1));
    let many = |count: usize, one: Value| Value::Array(vec![one; count]);
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let roles: serde_json::Map<String, Value> =
        ('a'..='z').map(|role| (role.to_string(), json!({"name": "x"}))).collect();
    let hostile = [
        json!({"items": many(201, json!({"id": "a", "result": "pass"}))}),
        json!({"items": many(20_000, json!({}))}),
        json!({"workers": many(17, json!("w"))}),
        json!({"photos": many(33, json!({"sha256": "a".repeat(64)}))}),
        json!({"problem_codes": many(65, json!("S0"))}),
        json!({"people": roles}),
        json!({"people": {"confirmed_by": {"name": "x"}}}),
        json!({"people": {"recorder": [1]}}),
        json!({"unknown": deep}),
    ];
    let mut world = World::new().await;
    for fields in &hostile {
        assert_eq!(arrive(&mut world, &[with(&first, fields.clone())]).await.refused.len(), 1, "{fields}");
    }
    assert_eq!(world.count("select count(*) from visit").await, 0);
    let open = open(world, None).await;
    for fields in hostile {
        let (status, problem) = post(&open, RECORD, &with(&first, fields)).await;
        assert!(matches!(status, 422 | 413), "{problem}");
    }
    let (status, problem) = post(&open, RECORD, &with(&first, json!({"items": [{"id": "a", "result": 1e308}]}))).await;
    assert_eq!(status, 201, "{problem}");
}
