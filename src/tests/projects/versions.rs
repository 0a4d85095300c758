//! Two versions of lokahi side by side, as during an upgrade: what a newer one declared stays as it
//! is, and what an older one does not know it does not take.

use lokahi::proto::lokahi::{Declared, IndexPart, PlanRequest, SpecUpload};
use lokahi::spec::{Digest, encode_check};

use super::spec;
use crate::support::declaring::Declaring;
use crate::support::server::Server;

/// What a newer version would write: a field that this one does not know.
fn newer() -> Vec<u8> {
    let known = encode_check(&spec("http://web.example.com/"));
    [&known[..], &[0xf8, 0x7f, 1]].concat()
}

#[tokio::test]
async fn what_a_newer_version_declared_is_no_difference() {
    let server = Server::start().await;
    let client = server.client();
    let shop = Declaring::new("shop").check("web", spec("http://web.example.com/"));
    shop.apply(&client).await.unwrap();
    let mut conn = server.store.acquire().await.unwrap();
    sqlx::query(
        "with newer as (insert into specs (digest, bytes) values ($1, $2) returning id)
         update checks set live_spec_id = newer.id, declared_spec_id = newer.id from newer",
    )
    .bind(Digest::of(&newer()).0)
    .bind(newer())
    .execute(&mut *conn)
    .await
    .unwrap();
    let listed = client.list(&Default::default()).await.unwrap();
    assert_eq!(listed.results.len(), 1, "it is read as far as it is known");
    let declared = Declared {
        address: "web".to_owned(),
        digest: Digest::of(&newer()).0.to_vec(),
        ..Declared::default()
    };
    let index = IndexPart {
        checks: vec![declared],
        ..IndexPart::default()
    };
    let asked = PlanRequest {
        upload_id: client.upload_index(&index).await.unwrap().upload_id,
        ..shop.upload_index(&client).await.unwrap()
    };
    assert_eq!(client.plan(&asked).await.unwrap().changes, []);
    let older = shop.plan(&client).await.unwrap();
    assert_eq!(older.changes.len(), 1, "it is not taken for the same");
}

#[tokio::test]
async fn what_only_a_newer_version_knows_is_refused() {
    let server = Server::start().await;
    let upload = SpecUpload {
        checks: vec![newer()],
        ..SpecUpload::default()
    };
    let refused = server.client().upload_specs(&upload).await.unwrap_err();
    insta::assert_snapshot!(refused, @"invalid_argument: checks: entry 0: the spec says something that this program does not know: upgrade it first");
}
