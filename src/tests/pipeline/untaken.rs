//! Without a webhookworker nobody is left who could tell that nobody tells.

use lokahi::proto::lokahi::check::State;

use super::fleet::Fleet;
use super::peers::{Receiver, Site};
use crate::support::programs::lokahictl;
use crate::support::server::{answer, http};
use crate::support::until;

#[tokio::test]
async fn that_nobody_sends_is_said_wherever_somebody_waits_for_messages() {
    let (site, receiver) = (Site::start().await, Receiver::start().await);
    let mut fleet = Fleet::start(&[]).await;
    let check = fleet.create(&site.url, &receiver.url).await;
    fleet.until_state(&check.id, State::Up).await;
    let base = fleet.base();
    let ready = async || {
        let answer = answer(http().get(format!("{base}/readyz"))).await;
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    assert!(ready().await.1.contains(r#""deliveries":"ok""#));
    fleet.webhookworker.kill().await;
    site.set(false);
    fleet.until_state(&check.id, State::Down).await;
    let longer = "update deliveries set next_at = next_at - interval '1 minute'";
    let waits = async || {
        let mut database = fleet.database().await;
        let waits = sqlx::query(longer).execute(&mut database).await.unwrap();
        waits.rows_affected() == 1
    };
    until("it waits", waits).await;
    let trouble = "nobody sends messages: 1 event waits to be sent, for ";
    until("it is named", async || ready().await.1.contains(trouble)).await;
    // Calls are served as well as ever.
    assert_eq!(ready().await.0, 200);
    for command in [
        &["list"][..],
        &["down"],
        &["webhook", "list"],
        &["webhook", "deliveries"],
    ] {
        let said = lokahictl(&base, &[command, &["--output", "table"]].concat()).await;
        let warning = format!("warning: {trouble}");
        assert!(said.words.contains(&warning), "{command:?}: {}", said.words);
    }
    fleet.webhookworker.start();
    until("it is told", async || !receiver.taken().is_empty()).await;
    until("it is over", async || {
        ready().await.1.contains(r#""deliveries":"ok""#)
    })
    .await;
    let said = lokahictl(&base, &["webhook", "list", "--output", "table"]).await;
    assert_eq!(said.words, "");
}
