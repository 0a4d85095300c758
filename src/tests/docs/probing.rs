//! What the page on probing says of classes and numbers.

use std::collections::BTreeSet;

use lokahi::model::dial::Redirects;
use lokahi::model::observation::ErrorClass;

use super::read;

#[test]
fn every_class_of_error_is_described_and_no_other() {
    let text = read("docs/probing.md");
    let (_, classes) = text.split_once("| class | ").unwrap();
    let (classes, _) = classes.split_once("\n\n").unwrap();
    let told: BTreeSet<&str> = classes
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let made: BTreeSet<&str> = ErrorClass::ALL.iter().map(|(_, _, name)| *name).collect();
    assert_eq!(told, made);
}

#[test]
fn the_number_of_redirects_is_the_code_s() {
    assert!(read("docs/probing.md").contains(&format!("at most {} redirects", Redirects::MAX)));
}
