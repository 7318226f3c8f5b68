//! A person in a real browser: the button behind a message's link, the alert's form, a silence, and a page of another site.

use liftwatch::domain::event::EventType;

use super::webdriver::Browser;
use super::{MESSAGE, first_alert, open};
use crate::city::key;
use crate::world::{World, at, day, event};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_answers_silences_and_releases_by_clicks_and_another_site_cannot() {
    let mut world = World::new().await;
    world.pass_until(day(1)).await;
    world.tell(event(EventType::EntrapmentReported, day(1))).await;
    world.pass_until(at(1, 0, 1, 0)).await;
    world.meddle(MESSAGE).await;
    let alert = first_alert(&mut world).await;
    let open = open(world, None).await;
    let address = open.address.clone();
    tokio::task::spawn_blocking(move || {
        let browser = Browser::start();
        by_link(&browser, &address);
        by_another_site(&browser, &address, &alert);
        by_form(&browser, &address, &alert);
        by_silence(&browser, &address, &alert);
    })
    .await
    .unwrap();
    let mut world = open.world.lock().await;
    let kinds =
        world.text("select group_concat(kind || ' ' || by, ', ') from (select * from answer order by id)").await;
    assert_eq!(kinds, "acknowledged maintainer:firm-1, arrived Lin 林, note Lin 林");
    assert_eq!(world.count("select count(*) from silence where ended_by = 'Chen'").await, 1);
    assert!(!world.alerts("entrapment").await[0].firing, "released by the form");
}

fn by_link(browser: &Browser, address: &str) {
    browser.open(&format!("{address}{}", key().path("d-1")));
    assert!(browser.page().contains("maintainer:firm-1"));
    browser.click("#received");
    assert!(browser.page().contains("Recorded as received"), "{}", browser.page());
}

/// A page of another origin posts the same form as ours.
fn by_another_site(browser: &Browser, address: &str, alert: &str) {
    let form = format!(
        "data:text/html,<form method=post action='{address}/alerts/{alert}/answers'>\
         <input name=kind value=false_alarm><input name=by value=Eve><input name=note value=x><button>go</button></form>"
    );
    browser.open(&form);
    browser.click("button");
    assert!(browser.page().contains("another origin"), "{}", browser.page());
}

fn by_form(browser: &Browser, address: &str, alert: &str) {
    let page = format!("{address}/alerts/{alert}");
    for (kind, note) in [("arrived", ""), ("note", "two people, calm")] {
        browser.open(&page);
        browser.fill("form.answer input[name=by]", "Lin 林");
        browser.fill("form.answer input[name=note]", note);
        browser.click(&format!("button[value={kind}]"));
        assert_eq!(browser.address(), page);
    }
    let shown = browser.page();
    assert!(shown.contains("On site") && shown.contains("two people, calm") && shown.contains("Lin 林"), "{shown}");
}

fn by_silence(browser: &Browser, address: &str, alert: &str) {
    let page = format!("{address}/alerts/{alert}");
    browser.open(&page);
    browser.click("a[href^='/silences?matchers=']");
    browser.fill("form.answer input[name=by]", "Chen");
    browser.fill("form.answer input[name=why]", "works on the mains");
    browser.click("form.answer button");
    assert!(browser.page().contains(alert), "the silence names the alert that it meets: {}", browser.page());
    browser.open(&page);
    assert!(browser.page().contains("Silenced until"), "{}", browser.page());
    browser.click("p.notice a");
    browser.fill("form.answer input[name=by]", "Chen");
    browser.click("form.answer button");
    assert!(browser.page().contains("Ended early by"), "{}", browser.page());
    browser.open(&page);
    browser.fill("form.answer input[name=by]", "Chen");
    browser.fill("form.answer input[name=note]", "doors opened by hand");
    browser.click("button[value=released]");
    assert!(browser.page().contains("Resolved"), "{}", browser.page());
}
