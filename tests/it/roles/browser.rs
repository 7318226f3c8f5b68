//! Each role signs in with a real browser, finds its own, does what it may, and signs out.

use liftwatch::domain::access::Role;

use super::token;
use crate::answers::webdriver::Browser;
use crate::city::city;

#[tokio::test(flavor = "multi_thread")]
async fn each_role_signs_in_sees_its_own_and_signs_out() {
    let city = city(0).await;
    let roles: [(Role, &[&str], bool); 4] = [
        (Role::Auditor, &[], true),
        (Role::Inspector, &["350583"], false),
        (Role::Maintainer, &["示例维保0"], false),
        (Role::Owner, &["示例物业4"], false),
    ];
    let mut secrets = Vec::new();
    for (role, scope, foreign) in roles {
        secrets.push((role, token(&city, role, scope).await, foreign));
    }
    let address = city.address.clone();
    tokio::task::spawn_blocking(move || {
        let browser = Browser::start();
        for (role, secret, foreign) in secrets {
            browser.open(&format!("{address}/alerts?lang=en"));
            assert!(browser.address().contains("/sign-in?then="), "{role}: {}", browser.address());
            browser.fill("input[name=token]", "lw_wrong");
            browser.click("main button");
            assert!(browser.page().contains("wrong, expired or revoked"), "{role}: {}", browser.page());
            browser.fill("input[name=token]", &secret);
            browser.click("main button");
            assert_eq!(browser.address(), format!("{address}/alerts?lang=en"), "{role}");
            let page = browser.page();
            assert!(page.contains("jj-0004") && page.contains(&format!("{role} of the test")), "{role}: {page}");
            assert_eq!(page.contains("jj-0001"), foreign, "{role}: {page}");
            browser.open(&format!("{address}/alerts/a-008"));
            assert_eq!(browser.page().contains("value=\"released\""), role == Role::Inspector, "{role}");
            browser.open(&format!("{address}/alerts/a-002"));
            assert_eq!(browser.page().contains("404"), !foreign, "{role}");
            browser.open(&format!("{address}/units"));
            browser.click("form.signed button");
            assert!(browser.address().ends_with("/sign-in"), "{role}: {}", browser.address());
            browser.open(&format!("{address}/units"));
            assert!(browser.address().contains("/sign-in?then="), "{role}: {}", browser.address());
        }
    })
    .await
    .unwrap();
}
