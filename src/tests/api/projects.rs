//! Declared checks, through the API: what files own only files change.

use lokahi::model::check::CheckSpec;
use lokahi::model::webhook::{WebhookFormat, WebhookSpec};
use lokahi::proto::lokahi::{
    ApplyRequest, ApplyResult, Declared, ListOpts, SpecDigests, SpecUpload, change,
};
use lokahi::spec::{Digest, encode_check, encode_webhook};
use serde_json::json;

use crate::support::server::Server;

fn check(url: &str) -> Vec<u8> {
    let mut spec = CheckSpec::new(url.parse().unwrap());
    spec.labels.insert("team".into(), "web".into());
    spec.receivers = vec!["oncall".parse().unwrap()];
    encode_check(&spec)
}

fn webhook() -> Vec<u8> {
    encode_webhook(&WebhookSpec {
        url: "http://hook.example.com/".parse().unwrap(),
        format: WebhookFormat::Json,
    })
}

fn declared(address: &str, bytes: &[u8]) -> Declared {
    Declared {
        address: address.into(),
        digest: Digest::of(bytes).0.to_vec(),
        file: "web.hcl".into(),
        line: 14,
    }
}

fn request(checks: &[(&str, &[u8])], dry_run: bool) -> ApplyRequest {
    ApplyRequest {
        project: "shop".into(),
        checks: checks
            .iter()
            .map(|(name, bytes)| declared(name, bytes))
            .collect(),
        webhooks: vec![declared("oncall", &webhook())],
        dry_run,
        expected_generation: None,
        ..ApplyRequest::default()
    }
}

fn actions(result: &ApplyResult) -> Vec<(change::Action, &str)> {
    let change = |change: &'_ lokahi::proto::lokahi::Change| change.action();
    let changes = result.changes.iter();
    changes.map(|c| (change(c), c.address.as_str())).collect()
}

#[tokio::test]
async fn an_apply_uploads_what_is_missing_and_deletes_what_is_gone() {
    let server = Server::start().await;
    let client = server.client();
    let (web, api) = (
        check("http://web.example.com/"),
        check("http://api.example.com/"),
    );
    let both = request(&[("api", &api), ("web", &web)], false);
    let early = client.apply(&both).await.unwrap_err().to_string();
    assert!(
        early.starts_with("failed_precondition: the spec of "),
        "{early}"
    );

    let all = [&web, &api, &webhook()].map(|bytes| Digest::of(bytes).0.to_vec());
    let asked = SpecDigests {
        digests: all.to_vec(),
    };
    assert_eq!(client.missing_specs(&asked).await.unwrap().digests.len(), 3);
    let upload = SpecUpload {
        checks: vec![web.clone(), api.clone()],
        webhooks: vec![webhook()],
    };
    client.upload_specs(&upload).await.unwrap();
    assert_eq!(client.missing_specs(&asked).await.unwrap().digests.len(), 0);

    let planned = client
        .apply(&request(&[("api", &api), ("web", &web)], true))
        .await
        .unwrap();
    assert_eq!((planned.generation, planned.changes.len()), (0, 3));
    let applied = client.apply(&both).await.unwrap();
    assert_eq!(applied.generation, 1);
    assert_eq!(applied.changes, planned.changes);
    let again = client.apply(&both).await.unwrap();
    assert_eq!((again.generation, again.changes.len()), (1, 0));

    let fewer = client
        .apply(&request(&[("web", &web)], false))
        .await
        .unwrap();
    assert_eq!(actions(&fewer), [(change::Action::Delete, "api")]);
    let web_team = ListOpts {
        labels: [("team".to_owned(), "web".to_owned())].into(),
        project: "shop".into(),
        owner: "declared".into(),
        ..ListOpts::default()
    };
    let left = client.list(&web_team).await.unwrap();
    let left: Vec<_> = left
        .results
        .into_iter()
        .map(|row| row.check.unwrap())
        .collect();
    assert_eq!(left.len(), 1);
    assert_eq!(
        (left[0].name.as_str(), left[0].receivers.as_slice()),
        ("web", &["oncall".to_owned()][..])
    );
}

#[tokio::test]
async fn what_a_file_declares_is_changed_in_the_file() {
    let server = Server::start().await;
    let client = server.client();
    let web = check("http://web.example.com/");
    let upload = SpecUpload {
        checks: vec![web.clone()],
        webhooks: vec![webhook()],
    };
    client.upload_specs(&upload).await.unwrap();
    client
        .apply(&request(&[("web", &web)], false))
        .await
        .unwrap();
    let page = client.list(&ListOpts::default()).await.unwrap();
    let id = page.results[0].check.clone().unwrap().id;
    for method in ["Checks/Put", "Checks/Delete"] {
        let body = json!({"id": id, "every": 5}).to_string();
        let refused = server.json(method, &body).await;
        assert_eq!(refused.refusal(), "412 failed_precondition -", "{method}");
        let meta = json!({"project": "shop", "address": "web", "file": "web.hcl", "line": "14",
            "generation": "1"});
        assert_eq!(refused.json()["meta"], meta);
    }
}

#[tokio::test]
async fn a_spec_that_breaks_a_rule_is_not_stored() {
    let server = Server::start().await;
    let client = server.client();
    let upload = SpecUpload {
        checks: vec![b"\x08\x01".to_vec()],
        webhooks: Vec::new(),
    };
    let error = client.upload_specs(&upload).await.unwrap_err().to_string();
    assert!(
        error.starts_with("invalid_argument: checks: entry 0: every"),
        "{error}"
    );
    let reserved = ApplyRequest {
        project: "api".into(),
        ..ApplyRequest::default()
    };
    let error = client.apply(&reserved).await.unwrap_err().to_string();
    assert!(error.starts_with("invalid_argument: project: "), "{error}");
}

#[tokio::test]
async fn what_is_applied_is_what_was_shown() {
    let server = Server::start().await;
    let client = server.client();
    let spec = check("http://127.0.0.1:9/");
    let upload = SpecUpload {
        checks: vec![spec.clone()],
        webhooks: vec![webhook()],
    };
    client.upload_specs(&upload).await.unwrap();
    let mut wish = request(&[("one", &spec)], true);
    let planned = client.apply(&wish).await.unwrap();
    (wish.dry_run, wish.expected_generation) = (false, Some(planned.generation));
    client.apply(&wish).await.unwrap();
    // The same plan again is no longer the plan of what is.
    let refused = client.apply(&wish).await.unwrap_err().to_string();
    assert!(refused.contains("at generation 1 by now"), "{refused}");
}
