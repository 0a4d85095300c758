//! A connection that a check keeps because a call said so, until another call says else.

use super::fleet::Fleet;
use crate::prober::reuse::{Heard, heard, patient};
use crate::support::checkout::Checkout;
use crate::support::programs::lokahictl;

#[tokio::test]
async fn a_check_of_the_api_keeps_its_connection_as_long_as_it_says_so() {
    use Heard::{Asked, Ended, Opened};
    let (site, mut told) = patient().await;
    let fleet = Fleet::start(&[]).await;
    let file = Checkout::new();
    let path = format!("{}/check.hcl", file.path());
    let say = async |words: &str, more: &str| {
        let url = site.url();
        let block = format!("check \"front\" {{\n  url = \"{url}\"\n  every = \"1s\"\n{more}}}\n");
        std::fs::write(&path, block).unwrap();
        let said: Vec<&str> = words.split(' ').chain(["--file", &path]).collect();
        let ended = lokahictl(&fleet.base(), &said).await;
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.words);
    };
    say("create", "  reuse_connection = true\n").await;
    heard(&mut told, &[Opened, Asked, Asked, Asked]).await;
    let exported = lokahictl(&fleet.base(), &["export"]).await;
    assert!(
        exported.out.contains("reuse_connection = true"),
        "{}{}",
        exported.out,
        exported.words
    );

    say("put front", "").await;
    let mut ended = 0;
    while ended < 3 {
        let next = tokio::time::timeout(crate::support::GENEROUS, told.recv()).await;
        ended += usize::from(next.unwrap() == Some(Ended));
    }
}
