//! Several lokahids over one database: one at a time reconciles a project.

use super::folder::check;
use super::ground::Story;
use super::standing::gauge;
use crate::pipeline::fleet::Program;
use crate::support::{free_port, until};

#[tokio::test]
async fn another_lokahid_takes_over_from_one_that_dies() {
    let story = Story::start(&[("web.hcl", &check("a", "60s"))], &[]).await;
    let first = story.status().await.reconciler;
    let mut second = second(&story);
    second.start();
    let address = second.address().await;
    until("the second has looked", async || {
        rounds(&address).await >= 2.0
    })
    .await;
    assert_eq!(story.status().await.reconciler, first);
    let page = page(&address).await;
    assert!(
        !page.contains("lokahi_project_condition{"),
        "one tells of it: {page}"
    );

    let mut fleet = story.fleet;
    fleet.lokahid.kill().await;
    story.folder.write("web.hcl", &check("a", "30s"));
    until("the second has applied it", async || {
        let n: i64 = sqlx::query_scalar("select generation from projects where name = 'shop'")
            .fetch_one(&mut fleet.database().await)
            .await
            .unwrap();
        n == 2
    })
    .await;
    // The first comes back, and leaves it where it is.
    fleet.lokahid.start();
    fleet.lokahid.address().await;
    until("the first has looked", async || {
        fleet.metric("lokahi_reconcile_rounds_total").await >= 2.0
    })
    .await;
    let now = super::standing::status(&fleet, "shop").await.reconciler;
    assert_ne!(now, first);
    assert_eq!(gauge(&fleet, "shop", "Ready").await, None);

    // One that is stopped in order gives it up at once.
    assert_eq!(second.stop().await, Some(0));
    until("the first has it again", async || {
        super::standing::status(&fleet, "shop").await.reconciler == first
    })
    .await;
}

fn second(story: &Story) -> Program {
    let listen = format!("127.0.0.1:{}", free_port());
    let folder = story.folder.text("");
    Program::new(
        env!("CARGO_BIN_EXE_lokahid"),
        &[],
        &[
            ("DATABASE_URL", &story.fleet.database_url),
            ("NATS_URL", &crate::support::servers::servers().nats_url),
            ("LISTEN", &listen),
            ("METRICS_OPEN", "true"),
            ("CHECKS_DIR", &folder),
            ("RECONCILE_INTERVAL", "2s"),
        ],
    )
}

async fn page(address: &str) -> String {
    let page = crate::support::server::http().get(format!("http://{address}/metrics"));
    page.send().await.unwrap().text().await.unwrap()
}

async fn rounds(address: &str) -> f64 {
    let page = page(address).await;
    let line = page
        .lines()
        .find(|line| line.starts_with("lokahi_reconcile_rounds_total "));
    line.and_then(|line| line.rsplit(' ').next())
        .unwrap()
        .parse()
        .unwrap()
}
