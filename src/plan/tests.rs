//! The laws of planning, over generated states, and how a plan reads.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::check::{Assert, CheckSpec, Every, Method, StatusRange};
use crate::model::json::Scalar;
use crate::model::secret::{Piece, SecretName, Text};
use crate::model::value::HttpUrl;
use crate::model::webhook::{WebhookFormat, WebhookSpec};

fn spec() -> impl Strategy<Value = CheckSpec> {
    let receivers = prop::collection::btree_set("[a-c]", 0..3);
    let labels = prop::collection::btree_map("[a-c]", "[xy]", 0..3);
    (
        1..4_i64,
        0..3_usize,
        receivers,
        labels,
        any::<bool>(),
        0..3_usize,
    )
        .prop_map(|(every, method, receivers, labels, playbook, asserts)| {
            let mut spec = CheckSpec::new("http://example.com/".parse().unwrap());
            spec.every = Every::from_seconds(every * 10).unwrap();
            spec.method = Method::ALL[method].0;
            spec.receivers = receivers.iter().map(|name| name.parse().unwrap()).collect();
            let header = |(k, v): (&String, &String)| (k.clone(), Text::plain(v));
            spec.headers = labels.iter().map(header).collect();
            if playbook {
                spec.body = Text::from("tok".parse::<SecretName>().unwrap());
            }
            spec.labels = labels;
            spec.playbook_url = playbook.then(|| "http://wiki/".parse().unwrap());
            spec.asserts.extend((1..asserts).map(|n| Assert {
                label: format!("l{n}"),
                status: vec![StatusRange::new(200, 200).unwrap()],
                ..Assert::default()
            }));
            spec
        })
}

fn actual() -> impl Strategy<Value = Actual> {
    let checks = prop::collection::btree_map("[a-f]", spec(), 0..6);
    let webhook =
        prop_oneof![Just(WebhookFormat::Json), Just(WebhookFormat::Protobuf)].prop_map(|format| {
            let url = "http://hooks/".parse().unwrap();
            WebhookSpec { url, format }
        });
    let webhooks = prop::collection::btree_map("[a-c]", webhook, 0..3);
    (checks, webhooks).prop_map(|(checks, webhooks)| Actual { checks, webhooks })
}

fn declared<T: Clone>(specs: &BTreeMap<String, T>) -> BTreeMap<String, Declared<T>> {
    let declare = |(n, (address, spec)): (usize, (&String, &T))| {
        let (file, line) = ("web.hcl".to_owned(), n as u32 + 1);
        let source = SourceLine { file, line };
        let spec = spec.clone();
        (address.clone(), Declared { spec, source })
    };
    specs.iter().enumerate().map(declare).collect()
}

fn desired(actual: &Actual) -> Desired {
    Desired {
        project: "shop".parse().unwrap(),
        checks: declared(&actual.checks),
        webhooks: declared(&actual.webhooks),
        operators: Vec::new(),
        moves: Vec::new(),
    }
}

/// What applying a plan does, by the changes alone.
fn apply(plan: &Plan, desired: &Desired, mut live: Actual) -> Actual {
    for change in &plan.changes {
        let address = change.address.clone();
        match (change.kind, change.action) {
            (Kind::Check, Action::Delete) => drop(live.checks.remove(&address)),
            (Kind::Webhook, Action::Delete) => drop(live.webhooks.remove(&address)),
            (Kind::Check, _) => drop(
                live.checks
                    .insert(address.clone(), desired.checks[&address].spec.clone()),
            ),
            (Kind::Webhook, _) => drop(
                live.webhooks
                    .insert(address.clone(), desired.webhooks[&address].spec.clone()),
            ),
        }
    }
    live
}

proptest! {
    #[test]
    fn what_is_live_needs_no_change(a in actual()) {
        prop_assert!(plan(&desired(&a), &a).is_empty());
    }

    #[test]
    fn applied_to_what_is_live_it_gives_what_is_declared(a in actual(), b in actual()) {
        let wanted = desired(&a);
        let planned = plan(&wanted, &b);
        prop_assert_eq!(apply(&planned, &wanted, b), a);
    }

    #[test]
    fn each_update_says_what_differs(a in actual(), b in actual()) {
        for change in plan(&desired(&a), &b).changes {
            prop_assert_eq!(change.action == Action::Update, !change.fields.is_empty());
            for field in change.fields {
                prop_assert_ne!(field.before, field.after);
            }
        }
    }
}

#[test]
fn how_it_reads() {
    let url = |text: &str| text.parse::<HttpUrl>().unwrap();
    let check = |every| {
        let mut spec = CheckSpec::new(url("http://example.com/"));
        spec.every = Every::from_seconds(every).unwrap();
        spec
    };
    let mut homepage = check(30);
    homepage.labels.insert("team".into(), "web".into());
    homepage.receivers = vec!["hook".parse().unwrap()];
    homepage.asserts[0].body_contains = vec!["</html>".into()];
    let secret = |name: &str| Piece::Secret(name.parse().unwrap());
    let value = Text::new([Piece::Plain("Bearer ".into()), secret("tok")]);
    homepage.headers = vec![("authorization".into(), value)];
    homepage.body = Text::new([secret("form")]);
    homepage.asserts[0].json = [("ok".parse().unwrap(), Scalar::Bool(true))].into();
    let hook = WebhookSpec {
        url: url("http://hooks/").into(),
        format: WebhookFormat::Json,
    };
    let wanted = Actual {
        checks: [("homepage".into(), homepage), ("shop".into(), check(60))].into(),
        webhooks: [("hook".into(), hook.clone())].into(),
    };
    let live = Actual {
        checks: [("homepage".into(), check(60)), ("old".into(), check(60))].into(),
        webhooks: [("old_hook".into(), hook)].into(),
    };
    let planned = plan(&desired(&wanted), &live);
    insta::assert_snapshot!(text::human(&planned, "checks.d"), @r#"
      + webhook.hook will be created                   checks.d/web.hcl:1
      # check.homepage will be updated in place        checks.d/web.hcl:1
      ~ every                 : "60s" -> "30s"
      ~ headers.authorization : null -> "Bearer ${secret("tok")}"
      ~ body                  : "" -> secret("form")
      ~ labels.team           : null -> "web"
      ~ notify.webhooks       : null -> [webhook.hook]
      ~ assert.body_contains  : null -> ["</html>"]
      ~ assert.json.ok        : null -> true
      + check.shop will be created                     checks.d/web.hcl:2
      - check.old will be deleted
      - webhook.old_hook will be deleted
    Plan: 2 to add, 1 to change, 2 to delete.
    "#);
    insta::assert_snapshot!(text::human(&Plan::default(), ""), @r#"No changes: what is live is what is declared."#);
}
