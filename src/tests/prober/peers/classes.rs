//! Each class of error has a story that provokes it, by the table here.

use std::fs;
use std::path::Path;
use std::process::Command;

use lokahi::model::observation::ErrorClass;

/// A class, and the story that provokes it, by its file below `src/tests` and its name.
const STORIES: &[(ErrorClass, &str, &str)] = &[
    (
        ErrorClass::DnsNxdomain,
        "prober/peers/names",
        "each_answer_of_a_name_server_has_its_class",
    ),
    (
        ErrorClass::DnsServfail,
        "prober/peers/names",
        "each_answer_of_a_name_server_has_its_class",
    ),
    (
        ErrorClass::DnsTimeout,
        "prober/peers/names",
        "a_name_server_that_does_not_answer_in_time_is_a_timeout_and_soon_forgotten",
    ),
    (
        ErrorClass::ConnectRefused,
        "prober/peers/nginx",
        "one_address_of_the_family_that_is_asked_for_is_dialled",
    ),
    (
        ErrorClass::ConnectTimeout,
        "prober/peers/namespace",
        "what_is_swallowed_is_a_timeout",
    ),
    (
        ErrorClass::NetUnreachable,
        "prober/peers/namespace",
        "what_is_refused_on_the_way_says_how",
    ),
    (
        ErrorClass::TlsExpired,
        "prober/peers/openssl",
        "each_fault_of_a_certificate_has_its_class_and_its_end",
    ),
    (
        ErrorClass::TlsName,
        "prober/peers/openssl",
        "each_fault_of_a_certificate_has_its_class_and_its_end",
    ),
    (
        ErrorClass::TlsUntrusted,
        "prober/peers/openssl",
        "each_fault_of_a_certificate_has_its_class_and_its_end",
    ),
    (
        ErrorClass::TlsHandshake,
        "prober/peers/openssl",
        "what_both_sides_cannot_agree_upon_is_the_handshakes_fault",
    ),
    (
        ErrorClass::TlsTimeout,
        "prober/peers/namespace",
        "where_only_small_packets_pass_the_phase_says_what_did_not",
    ),
    (
        ErrorClass::WriteTimeout,
        "prober/peers/namespace",
        "where_only_small_packets_pass_the_phase_says_what_did_not",
    ),
    (
        ErrorClass::FirstByteTimeout,
        "prober/peers/namespace",
        "where_only_small_packets_pass_the_phase_says_what_did_not",
    ),
    (
        ErrorClass::TransferTimeout,
        "prober/peers/nginx",
        "a_slow_body_is_waited_for_until_the_deadline",
    ),
    (
        ErrorClass::Reset,
        "prober/peers/nginx",
        "a_connection_that_ends_before_its_answer_is_no_answer",
    ),
    (
        ErrorClass::Protocol,
        "prober/peers/http2",
        "without_tls_it_is_begun_unasked",
    ),
    (
        ErrorClass::BodyLimit,
        "prober/faults",
        "it_talks_nonsense_or_ends_early",
    ),
    (
        ErrorClass::TooManyRedirects,
        "prober/peers/nginx",
        "redirects_are_followed_to_their_end",
    ),
    (
        ErrorClass::BlockedByPolicy,
        "prober/faults",
        "an_address_that_policy_denies_is_not_dialled",
    ),
    (
        ErrorClass::Internal,
        "prober/names",
        "without_a_name_server_the_fault_is_ours",
    ),
    (
        ErrorClass::SecretUnbound,
        "prober/secrets",
        "without_a_value_nothing_is_asked",
    ),
    (
        ErrorClass::SecretMissing,
        "prober/secrets",
        "without_a_value_nothing_is_asked",
    ),
    (
        ErrorClass::NoToken,
        "prober/access",
        "without_a_token_there_is_no_answer",
    ),
    (
        ErrorClass::Proxy,
        "prober/peers/proxy",
        "what_the_proxy_does_not_do_is_not_the_sites_fault",
    ),
    (
        ErrorClass::ProberImpaired,
        "pipeline/impaired",
        "while_its_sentinels_fail_too_a_worker_is_not_believed",
    ),
];

#[test]
fn each_class_has_a_story_that_provokes_it() {
    let told: Vec<_> = STORIES.iter().map(|(class, ..)| class.name()).collect();
    let mut all: Vec<_> = ErrorClass::ALL.iter().map(|(class, ..)| class).collect();
    all.sort();
    let all: Vec<_> = all.into_iter().map(|class| class.name()).collect();
    assert_eq!(told, all, "one row for each class, in their order");

    let listed = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests");
    for (class, file, story) in STORIES {
        let name = format!("{}::{story}: test", file.replace('/', "::"));
        assert!(
            listed.lines().any(|line| line == name),
            "there is no {name}"
        );
        let text = fs::read_to_string(folder.join(format!("{file}.rs"))).unwrap();
        let (_, body) = text.split_once(&format!("fn {story}(")).unwrap();
        let body = body.split("\n}\n").next().unwrap();
        assert!(
            body.contains(&format!(" {}", class.name())),
            "{name} expects no {}",
            class.name()
        );
    }
}
