//! What is large comes in parts: an index in several uploads, a plan in pages.

use lokahi::proto::lokahi::{
    Declared as WireDeclared, IndexPart, PlanPageRequest, PlanRequest, change,
};
use lokahi::spec::{Digest, encode_check};

use super::spec;
use crate::support::declaring::{Declaring, apply};
use crate::support::server::Server;

#[tokio::test]
async fn a_plan_of_thirty_thousand_changes_comes_in_pages_and_is_applied() {
    let server = Server::start().await;
    let client = server.client();
    let mut wish = Declaring::new("shop");
    let one = spec("http://one.example.com/");
    for number in 0..30_000 {
        wish = wish.check(&format!("check-{number}"), one.clone());
    }
    let plan = wish.plan(&client).await.unwrap();
    assert!(plan.pages > 1, "{} pages", plan.pages);
    let mut names: Vec<String> = plan.changes.iter().map(|c| c.address.clone()).collect();
    for page in 1..plan.pages {
        let token = plan.token.clone();
        let more = client.plan_page(&PlanPageRequest { token, page }).await;
        let more = more.unwrap().changes;
        assert!(more.iter().all(|c| c.action() == change::Action::Create));
        names.extend(more.into_iter().map(|c| c.address));
    }
    assert!(names.iter().eq(wish.desired.checks.keys()));
    let beyond = PlanPageRequest {
        token: plan.token.clone(),
        page: plan.pages,
    };
    let beyond = client.plan_page(&beyond).await.unwrap_err().to_string();
    assert!(beyond.starts_with("not_found"), "{beyond}");
    let applied = apply(&client, &plan).await.unwrap();
    assert_eq!(applied.summary.unwrap().create, 30_000);
}

#[tokio::test]
async fn parts_of_an_index_have_numbers_and_come_in_any_order() {
    let server = Server::start().await;
    let client = server.client();
    let web = spec("http://web.example.com/");
    let shop = Declaring::new("shop").check("c0", web.clone());
    shop.upload_specs(&client).await.unwrap();
    let digest = Digest::of(&encode_check(&web)).0.to_vec();
    let part = |upload_id: &str, part: i32, names: &[&str]| IndexPart {
        upload_id: upload_id.to_owned(),
        checks: (names.iter())
            .map(|name| WireDeclared {
                address: (*name).to_owned(),
                digest: digest.clone(),
                ..WireDeclared::default()
            })
            .collect(),
        part: Some(part),
        ..IndexPart::default()
    };
    let first = client.upload_index(&part("", 0, &["c0"])).await.unwrap();
    let id = first.upload_id.as_str();
    let (three, one) = (part(id, 3, &["c3"]), part(id, 1, &["c1", "c2"]));
    let both = tokio::join!(client.upload_index(&three), client.upload_index(&one));
    assert!(both.0.is_ok() && both.1.is_ok());
    // An answer that was lost: the same part again.
    client.upload_index(&one).await.unwrap();
    let next = IndexPart {
        part: None,
        ..part(id, 0, &["c4"])
    };
    client.upload_index(&next).await.unwrap();
    let asked = PlanRequest {
        upload_id: id.to_owned(),
        ..shop.upload_index(&client).await.unwrap()
    };
    let planned = client.plan(&asked).await.unwrap();
    let made = planned.changes.iter().map(|change| change.address.as_str());
    assert_eq!(made.collect::<Vec<_>>(), ["c0", "c1", "c2", "c3", "c4"]);
    for number in [-1, 10_000] {
        let refused = client.upload_index(&part(id, number, &[])).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("part: is from 0 to 9999"), "{refused}");
    }
}
