//! What asserts make of real answers.

use lokahi::model::check::{Assert, CheckSpec};
use lokahi::model::scalar::Scalar;

use super::site::Site;
use super::{check, context, observe, verdict};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nServer: nginx\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
    Content-Type: application/json\r\nConnection: close\r\n\r\n\
    {\"status\": \"ok\", \"version\": \"v12\", \"items\": [{\"id\": 7}]}";

/// What is seen of the answer with an assert; empty when all holds.
async fn seen(assert: Assert) -> String {
    let site = Site::saying(ANSWER).await;
    let spec = CheckSpec {
        asserts: vec![assert],
        ..check(&site.url())
    };
    let observation = observe(&context(), &spec).await;
    let expected = if observation.detail.is_empty() {
        "up"
    } else {
        "down"
    };
    assert_eq!(verdict(&observation), expected);
    observation.detail
}

#[tokio::test]
async fn each_holds_or_is_broken() {
    let pattern = |text: &str| text.parse().unwrap();
    let header = |value: &str| Assert {
        header: [("server".to_owned(), value.to_owned())].into(),
        ..Assert::default()
    };
    let cookie = |text: &str| Assert {
        header_matches: [("set-cookie".to_owned(), pattern(text))].into(),
        ..Assert::default()
    };
    let body = |text: &str| Assert {
        body_matches: vec![pattern(text)],
        ..Assert::default()
    };
    let json = |path: &str, value: Scalar| Assert {
        json: [(path.parse().unwrap(), value)].into(),
        ..Assert::default()
    };
    for (good, bad, broken) in [
        (
            header("nginx"),
            header("Nginx"),
            "header server is not \"Nginx\"",
        ),
        (
            cookie("^b=[0-9]$"),
            cookie("^c="),
            "header set-cookie does not match \"^c=\"",
        ),
        (
            body("\"v[0-9]+\""),
            body("^v"),
            "body does not match \"^v\"",
        ),
        (
            json("items[0].id", Scalar::Integer(7)),
            json("status", Scalar::String("up".into())),
            "json status is not \"up\"",
        ),
    ] {
        assert_eq!(seen(good).await, "");
        assert_eq!(seen(bad).await, broken);
    }
}

#[tokio::test]
async fn all_that_is_broken_is_told() {
    let assert = Assert {
        label: "all".into(),
        status: vec!["204".parse().unwrap()],
        body_contains: vec!["version".into(), "</html>".into()],
        body_matches: vec!["^$".parse().unwrap()],
        header: [("x-none".to_owned(), "1".to_owned())].into(),
        json: [("items[1].id".parse().unwrap(), Scalar::Integer(8))].into(),
        ..Assert::default()
    };
    assert_eq!(
        seen(assert).await,
        "assert \"all\": status 200 is not 204; header x-none is missing; body does not contain \
         \"</html>\"; body does not match \"^$\"; json items[1].id is missing"
    );
}

#[tokio::test]
async fn of_a_long_body_the_first_mebibyte_is_looked_at() {
    let body = format!("{}end", "x".repeat(1024 * 1024));
    let site = Site::saying(format!("HTTP/1.1 200 OK\r\n\r\n{body}")).await;
    let spec = |pattern: &str| CheckSpec {
        asserts: vec![Assert {
            body_matches: vec![pattern.parse().unwrap()],
            ..Assert::default()
        }],
        ..check(&site.url())
    };
    let observation = observe(&context(), &spec("end")).await;
    assert_eq!(
        observation.detail,
        "first 1 MiB of the body does not match \"end\""
    );
    assert_eq!(verdict(&observe(&context(), &spec("^x")).await), "up");
}

#[tokio::test]
async fn what_a_site_said_is_told_in_one_line_that_controls_nothing() {
    let site = Site::saying("HTTP/1.1 200 OK\r\n\r\na\r\nb\0\x1b[2Jc").await;
    let spec = CheckSpec {
        asserts: vec![Assert {
            condition: Some("false".into()),
            error_message: Some("\"it said ${response.body}\"".into()),
            ..Assert::success()
        }],
        ..check(&site.url())
    };
    let observation = observe(&context(), &spec).await;
    assert_eq!(observation.detail, "it said a  b\u{fffd}\u{fffd}[2Jc");
}
