//! Receivers at one host of which one hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use lokahi::model::health::State;
use lokahi::model::webhook::{AttemptTimeout, WebhookFormat, WebhookSpec};

use super::peers::{Site, serve};
use super::shop::Shop;
use crate::support::until;

/// More than is ever on its way to one that hangs.
const MANY: usize = 20;

#[tokio::test]
async fn one_that_hangs_holds_up_nobody_at_its_host() {
    let (asked, heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let hangs = {
        let asked = Arc::clone(&asked);
        async move || {
            asked.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<StatusCode>().await
        }
    };
    let takes = {
        let heard = Arc::clone(&heard);
        async move || {
            heard.fetch_add(1, Ordering::SeqCst);
            StatusCode::OK
        }
    };
    let router = Router::new()
        .route("/slow", post(hangs))
        .route("/quick", post(takes));
    let (url, server) = serve(router).await;
    let at = |path: &str| WebhookSpec {
        // Longer than a story waits.
        timeout: AttemptTimeout::from_milliseconds(60_000).unwrap(),
        ..WebhookSpec::new(format!("{url}{path}").parse().unwrap(), WebhookFormat::Json)
    };
    let mut shop = Shop::open().await;
    let slow = shop.receiver_with("slow", at("slow")).await;
    let quick = shop.receiver_with("quick", at("quick")).await;
    let (many, one) = (Site::start().await, Site::start().await);
    for n in 0..MANY {
        let check = shop.wish(&format!("c{n}"), &many.url, |_| ()).await;
        shop.create(&check, &[slow]).await;
        shop.until(check.id, State::Up).await;
    }
    let check = shop.wish("one", &one.url, |_| ()).await;
    shop.create(&check, &[quick]).await;
    shop.until(check.id, State::Up).await;
    many.set(false);
    let waits = "select count(*) from deliveries where state = 'pending'";
    until("all waits for it", async || {
        shop.count(waits).await == MANY as i64 && asked.load(Ordering::SeqCst) >= 8
    })
    .await;
    one.set(false);
    until("the other one hears", async || {
        heard.load(Ordering::SeqCst) == 1
    })
    .await;
    server.abort();
}
