//! A check that hangs on another one: while that is down nobody is told of it.

use lokahi::model::check::{CheckSpec, Every};
use lokahi::model::health::State;
use lokahi::store::check::NewCheck;

use super::peers::{Receiver, Site};
use super::shop::{Shop, told, until_told};
use crate::support::programs::lokahictl;
use crate::support::until;

/// `edge`, and `front`, which hangs on it; each of a site of its own, both up.
struct Hanging {
    shop: Shop,
    edge: (Site, NewCheck),
    front: (Site, NewCheck),
    receiver: Receiver,
}

impl Hanging {
    async fn start() -> Self {
        let (behind, before) = (Site::start().await, Site::start().await);
        let receiver = Receiver::start().await;
        let mut shop = Shop::open().await;
        let oncall = shop.receiver("oncall", &receiver).await;
        // Seldom enough that a busy machine probes it within two of its periods.
        let seldom = |spec: &mut CheckSpec| {
            spec.every = Every::from_seconds(5).unwrap();
            spec.timeout = spec.every.default_timeout();
        };
        let edge = shop.wish("edge", &before.url, seldom).await;
        let parent = vec!["edge".parse().unwrap()];
        let front = shop
            .wish("front", &behind.url, |spec| spec.suppressed_by = parent)
            .await;
        for check in [&edge, &front] {
            shop.create(check, &[oncall]).await;
            shop.until(check.id, State::Up).await;
        }
        Self {
            shop,
            edge: (before, edge),
            front: (behind, front),
            receiver,
        }
    }

    /// `STATE: REASON` of the newest delivery of `front`.
    async fn newest(&self) -> String {
        let newest: Option<String> = sqlx::query_scalar(
            "select state || ': ' || reason from deliveries where check_id = $1
             order by seq desc limit 1",
        )
        .bind(self.front.1.id.0)
        .fetch_optional(&mut self.shop.fleet.database().await)
        .await
        .unwrap();
        newest.unwrap_or_default()
    }

    async fn until_newest(&self, words: &str) {
        until(words, async || self.newest().await.starts_with(words)).await;
    }
}

#[tokio::test]
async fn what_goes_down_with_its_parent_and_comes_back_with_it_is_told_to_nobody() {
    let it = Hanging::start().await;
    // The one that explains it is most likely seen later.
    it.edge.0.set(false);
    it.front.0.set(false);
    it.until_newest("held: suppressed by check.edge, which is down since ")
        .await;
    let asked = it.front.0.asked.load(std::sync::atomic::Ordering::SeqCst);
    let base = it.shop.fleet.base();
    let table = lokahictl(&base, &["down", "--output", "table"]).await;
    assert!(table.out.contains("  DOWN (suppressed)  "), "{}", table.out);
    let explained = lokahictl(&base, &["explain", "front"]).await;
    let words = "oncall not told yet: suppressed by check.edge";
    assert!(explained.out.contains(words), "{}", explained.out);
    until("it is probed all the same", async || {
        it.front.0.asked.load(std::sync::atomic::Ordering::SeqCst) > asked + 2
    })
    .await;
    assert_eq!(until_told(&it.receiver, 1).await, ["check.down edge 2"]);

    it.edge.0.set(true);
    it.shop.until(it.edge.1.id, State::Up).await;
    it.front.0.set(true);
    it.shop.until(it.front.1.id, State::Up).await;
    it.until_newest("superseded: what it ends was held until then")
        .await;
    let all = ["check.down edge 2", "check.up edge 3"];
    assert_eq!(until_told(&it.receiver, 2).await, all);
    let left = "select count(*) from deliveries where state in ('held', 'pending')";
    until("every end is written down", async || {
        it.shop.count(left).await == 0
    })
    .await;
    assert_eq!(until_told(&it.receiver, 2).await, all);
}

#[tokio::test]
async fn what_still_is_when_its_parent_is_up_again_is_told_then() {
    let it = Hanging::start().await;
    it.edge.0.set(false);
    it.shop.until(it.edge.1.id, State::Down).await;
    it.front.0.set(false);
    it.until_newest("held: suppressed by check.edge").await;
    it.edge.0.set(true);
    let all = ["check.down edge 2", "check.up edge 3", "check.down front 2"];
    assert_eq!(until_told(&it.receiver, 3).await, all);
    // Of what was told the end is told, though the parent is down by then.
    it.edge.0.set(false);
    until_told(&it.receiver, 4).await;
    it.front.0.set(true);
    let told = until_told(&it.receiver, 5).await;
    assert_eq!(told[4], "check.up front 3", "{told:?}");
}

#[tokio::test]
async fn a_check_whose_parent_is_up_is_told_once_that_was_seen() {
    let mut it = Hanging::start().await;
    it.front.0.set(false);
    assert_eq!(until_told(&it.receiver, 1).await, ["check.down front 2"]);
    it.front.0.set(true);
    until_told(&it.receiver, 2).await;
    // A parent that nobody looks at explains nothing.
    it.shop.edit(&it.edge.1, |spec| spec.enabled = false).await;
    it.shop.until(it.edge.1.id, State::Init).await;
    it.front.0.set(false);
    assert_eq!(until_told(&it.receiver, 3).await[2], "check.down front 4");
    assert_eq!(told(&it.receiver).len(), 3);
}
