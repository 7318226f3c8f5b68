//! A person in front of the unit, with a phone: fills the form in a real browser, sees the record, confirms and corrects it.

use serde_json::{Value, json};

use super::{arrive, record};
use crate::answers::api::{FORM, get, send};
use crate::answers::open;
use crate::answers::webdriver::Browser;
use crate::world::{World, at, day, unit};

/// SHA-256 of `photo`, by Debian's sha256sum.
const PHOTO: &str = "55c64d0fcd6f9d5f7c828093857e3fdfda68478bb4e9bd24d481ef391c7804e8";

async fn morning() -> World {
    let mut world = World::new().await;
    world.register(vec![unit("lift-2")]).await;
    world.pass_until(at(9, 1, 0, 0)).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_records_a_visit_on_a_phone_and_the_owner_confirms_and_it_is_corrected() {
    let open = open(morning().await, None).await;
    let address = open.address.clone();
    tokio::task::spawn_blocking(move || {
        let browser = Browser::phone();
        fill(&browser, &address);
        confirm(&browser);
        correct(&browser);
    })
    .await
    .unwrap();
    let (_, body) = get(&open, "/api/v1/visits?folded=false").await;
    let visits: Value = serde_json::from_str(&body).unwrap();
    let items = visits["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{visits}");
    let first = items.iter().find(|item| item["corrects"].is_null()).unwrap();
    let second = items.iter().find(|item| !item["corrects"].is_null()).unwrap();
    assert_eq!(second["corrects"], first["id"]);
    let record = &first["record"];
    assert_eq!(record["workers"], json!(["w-17", "w-22"]));
    // 08:05 in the pages' zone, which is eight hours ahead.
    assert_eq!(
        (first["started_at"].as_str(), first["ended_at"].as_str()),
        (Some("2026-01-10T00:05:00.000Z"), Some("2026-01-10T00:55:00.000Z"))
    );
    assert_eq!(record["items"][0], json!({"id": "T-HM-01", "result": "pass"}));
    let levelling = record["items"].as_array().unwrap().iter().find(|item| item["id"] == "T-HM-09").unwrap();
    assert_eq!(*levelling, json!({"id": "T-HM-09", "result": 4.5, "unit": "mm"}));
    assert_eq!(record["photos"], json!([{"sha256": PHOTO, "note": "car.jpg"}]), "hashed in the browser");
    assert_eq!(record["next_due"], "2026-01-25");
    assert_eq!(second["record"]["reason"], "wrong result");
    let mut world = open.world.lock().await;
    assert_eq!(
        world.text("select name || ' ' || phone from named_person where role = 'recorder'").await,
        "林 Lin 13900000001"
    );
    assert_eq!(world.count("select count(*) from visit_confirmation").await, 1);
}

fn fill(browser: &Browser, address: &str) {
    browser.open(&format!("{address}/units/lift-1?lang=en"));
    browser.click("a[href='/units/lift-1/visit/new']");
    let wide = browser.run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]");
    assert!(wide[0].as_i64() <= wide[1].as_i64(), "the form is wider than the phone: {wide}");
    // A date field takes keys by the browser's own order of parts, so its value is set as a picker would.
    browser.run(
        "document.querySelector('[name=started_at]').value = '2026-01-10T08:05'; \
         document.querySelector('[name=ended_at]').value = '2026-01-10T08:55'",
    );
    browser.fill("input[name=workers]", "w-17");
    browser.fill("label + label input[name=workers], label:nth-of-type(4) input", "w-22");
    browser.tap("input[name='item-T-HM-01'][value=pass]");
    browser.tap("input[name='item-T-HM-02'][value=fail]");
    browser.fill("input[name='item-T-HM-09']", "4,5");
    browser.fill("input[name='recorder.name']", "林 Lin");
    browser.fill("input[name='recorder.phone']", "13900000001");
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("car.jpg");
    std::fs::write(&photo, "photo").unwrap();
    browser.fill("#photo-files", photo.to_str().unwrap());
    crate::process::until("the photo is hashed", || browser.page().contains(&PHOTO[..16]));
    browser.picture("visit-form");
    browser.click("form.visit button");
    let page = browser.page();
    assert!(browser.address().contains("/visits/v-"), "{page}");
    assert!(page.contains("w-17, w-22") && page.contains("4.5 mm") && page.contains("林 Lin 13900000001"), "{page}");
    assert!(page.contains("not answered: 10"), "{page}");
    browser.picture("visit-sheet");
}

fn confirm(browser: &Browser) {
    browser.fill("form.answer input[name=by]", "Chen 陈");
    browser.click("form.answer button");
    let page = browser.page();
    assert!(page.contains("Chen 陈") && !page.contains("It cannot be taken back"), "{page}");
}

fn correct(browser: &Browser) {
    let first = browser.address();
    browser.click("a[href*='corrects=']");
    browser.picture("visit-correction");
    browser.fill("input[name=reason]", "wrong result");
    browser.tap("input[name='item-T-HM-02'][value=pass]");
    browser.click("form.visit button");
    assert_ne!(browser.address(), first);
    assert!(browser.page().contains("wrong result"), "{}", browser.page());
    browser.open(&first);
    assert!(browser.page().contains("See the correction"), "{}", browser.page());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_sent_twice_is_one_record_and_one_of_another_site_is_refused() {
    let open = open(morning().await, None).await;
    let (_, page) = get(&open, "/units/lift-1/visit/new?kind=OY&lang=en").await;
    assert!(page.contains("item-T-OY-06") && page.contains("item-T-HM-01"), "{page}");
    let (_, name) = page.split_once("name=\"record_id\" value=\"").unwrap();
    let name = name.split_once('"').unwrap().0;
    let body =
        format!("record_id={name}&kind=OY&started_at=2026-01-10T08%3A05&workers=w-1&item-T-HM-09=about+4&supersedes=");
    let url = format!("{}/units/lift-1/visit/new", open.address);
    let own = [FORM, ("origin", open.address.as_str())];
    let mut places = Vec::new();
    for _ in 0..2 {
        let (status, text, place) = send("POST", url.clone(), &own, &body).await;
        assert_eq!(status, 303, "{text}");
        places.push(place);
    }
    assert_eq!(places[0], places[1]);
    let (status, sheet) = get(&open, &places[0]).await;
    assert!(status == 200 && sheet.contains("about 4"), "{sheet}");
    assert_eq!(send("POST", url.clone(), &[FORM, ("origin", "http://evil.example")], &body).await.0, 403);
    assert_eq!(send("POST", url.clone(), &[FORM], &body).await.0, 403);
    for (wrong, status) in
        [("workers=w-1", "w-1&colour=red"), ("2026-01-10T08%3A05", "tomorrow"), ("kind=OY", "kind=XX")]
            .map(|(from, to)| (body.replace(from, to), 400..=422))
    {
        let (found, text, _) = send("POST", url.clone(), &own, &wrong).await;
        assert!(status.contains(&found), "{found}: {text}");
    }
    assert_eq!(open.world.lock().await.count("select count(*) from visit").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_units_code_leads_to_its_page_and_the_page_of_a_visit_that_is_not_of_the_unit_is_not_found() {
    let mut world = morning().await;
    arrive(&mut world, &[record("r-1", day(1))]).await;
    let visit = world.text("select id from visit").await;
    let open = open(world, None).await;
    let (status, svg) = get(&open, "/units/lift-1/qr.svg").await;
    assert!(status == 200 && svg.contains("<svg") && svg.len() > 1_000, "{svg}");
    assert_eq!(svg.trim(), liftwatch::qr::svg(&format!("{}/units/lift-1", open.address)).unwrap().trim());
    assert_eq!(get(&open, "/units/lift-9/qr.svg").await.0, 404);
    assert_eq!(get(&open, &format!("/units/lift-1/visit/new?corrects={visit}")).await.0, 200);
    assert_eq!(get(&open, &format!("/units/lift-2/visit/new?corrects={visit}")).await.0, 404);
    assert_eq!(get(&open, "/units/lift-9/visit/new").await.0, 404);
}
