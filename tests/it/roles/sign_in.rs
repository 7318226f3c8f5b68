//! Signing in with a token: the cookie, what it opens, from where, and how it ends.

use liftwatch::domain::access::Role;
use liftwatch::token::draw;

use super::{Answer, ask, token};
use crate::city::{City, city};

const FORM: &str = "application/x-www-form-urlencoded";

async fn post(city: &City, path: &str, more: &[(&str, &str)], form: &str) -> Answer {
    let headers: Vec<(&str, &str)> = [("content-type", FORM)].into_iter().chain(more.iter().copied()).collect();
    ask("POST", &format!("{}{path}", city.address), &headers, form).await
}

async fn sign_in(city: &City, secret: &str, then: &str) -> Answer {
    let origin = city.address.clone();
    post(city, "/sign-in", &[("origin", &origin)], &format!("token={secret}&then={then}")).await
}

fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_and_its_cookie_opens_the_pages() {
    let city = city(0).await;
    let secret = token(&city, Role::Inspector, &["350583"]).await;
    let asked = ask("GET", &format!("{}/alerts?state=firing", city.address), &[], "").await;
    assert_eq!((asked.status, asked.header("location")), (303, "/sign-in?then=/alerts%3Fstate%3Dfiring"));
    let shown = ask("GET", &format!("{}{}", city.address, asked.header("location")), &[], "").await;
    assert!(shown.body.contains("name=\"then\" value=\"/alerts?state=firing\""), "{}", shown.body);

    let entered = sign_in(&city, &secret, "/alerts%3Fstate%3Dfiring").await;
    assert_eq!((entered.status, entered.header("location")), (303, "/alerts?state=firing"), "{entered:?}");
    let set = entered.header("set-cookie");
    assert!(set.contains("; HttpOnly") && set.contains("; SameSite=Lax") && set.contains("; Path=/"), "{set}");
    assert!(!set.contains(&secret), "the cookie is not the token");
    let cookie = cookie(&entered);
    let page = ask("GET", &format!("{}/units?lang=en", city.address), &[("cookie", &cookie)], "").await;
    assert!(page.status == 200 && page.body.contains("jj-0004") && !page.body.contains("jj-0001"), "{page:?}");
    assert!(page.body.contains("inspector of the test") && page.body.contains("/sign-out"));

    let origin = city.address.clone();
    let left = post(&city, "/sign-out", &[("origin", &origin), ("cookie", &cookie)], "").await;
    assert_eq!(left.status, 303, "{left:?}");
    let after = ask("GET", &format!("{}/units", city.address), &[("cookie", &cookie)], "").await;
    assert_eq!(after.status, 303, "the session is over, whatever the browser keeps");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token() {
    let city = city(0).await;
    let secret = token(&city, Role::Auditor, &[]).await;
    let cookie = cookie(&sign_in(&city, &secret, "").await);
    let units = format!("{}/units", city.address);
    assert_eq!(ask("GET", &units, &[("cookie", &cookie)], "").await.status, 200);
    sqlx::query("update token set revoked_at = 1").execute(&city.writer).await.unwrap();
    city.keeper.tokens.load(&city.reader).await.unwrap();
    assert_eq!(ask("GET", &units, &[("cookie", &cookie)], "").await.status, 303);
    assert_eq!(sign_in(&city, &secret, "").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_can_neither_sign_in_nor_act_with_a_browsers_cookie() {
    let city = city(0).await;
    let secret = token(&city, Role::Inspector, &["35"]).await;
    let foreign = [("origin", "https://evil.example")];
    assert_eq!(post(&city, "/sign-in", &foreign, &format!("token={secret}")).await.status, 403);
    assert_eq!(post(&city, "/sign-in", &[], &format!("token={secret}")).await.status, 403, "no origin, no form");
    let cookie = cookie(&sign_in(&city, &secret, "").await);
    let url = format!("{}/api/v1/alerts/a-004/note", city.address);
    let json = ("content-type", "application/json");
    for more in [vec![], vec![("origin", "https://evil.example")], vec![("sec-fetch-site", "cross-site")]] {
        let headers: Vec<(&str, &str)> = [json, ("cookie", cookie.as_str())].into_iter().chain(more).collect();
        let answer = ask("POST", &url, &headers, r#"{"note":"x"}"#).await;
        assert_eq!(answer.status, 403, "{headers:?}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_tried_ten_wrong_tokens_waits_and_a_right_one_passes_all_the_same() {
    let city = city(0).await;
    let secret = token(&city, Role::Auditor, &[]).await;
    let wrong = draw();
    for _ in 0..10 {
        assert_eq!(sign_in(&city, &wrong, "").await.status, 401);
    }
    let answer = sign_in(&city, &wrong, "").await;
    assert_eq!(answer.status, 429);
    assert!(answer.body.contains("<html"), "a person is told on a page");
    let bearer = format!("Bearer {wrong}");
    let answer = ask("GET", &format!("{}/api/v1/units", city.address), &[("authorization", &bearer)], "").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "61"), "{answer:?}");
    assert_eq!(sign_in(&city, &secret, "").await.status, 303);
}
