//! What `render` prints is a root: read back it gives the same specs, under the same addresses.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{good, problems};
use crate::manifest::compile::{Keep, compile};
use crate::manifest::inputs::Inputs;
use crate::manifest::literal::Literal;
use crate::manifest::written::{check_text, comment, project_text, webhook_text};
use crate::model::check::CheckSpec;
use crate::model::desired::{Desired, ProjectSpec};
use crate::model::quoted::is_unseen;
use crate::model::webhook::WebhookSpec;

/// A desired state without its places.
type Specs = (
    String,
    BTreeMap<String, CheckSpec>,
    BTreeMap<String, WebhookSpec>,
    ProjectSpec,
);

fn specs(desired: Desired) -> Specs {
    let checks = desired.checks.into_iter();
    let webhooks = desired.webhooks.into_iter();
    (
        desired.project.to_string(),
        checks
            .map(|(address, check)| (address, check.spec))
            .collect(),
        webhooks
            .map(|(name, webhook)| (name, webhook.spec))
            .collect(),
        desired.project_spec,
    )
}

fn rendered(desired: &Desired) -> String {
    let mut text = project_text(&desired.project, &desired.project_spec);
    for (name, webhook) in &desired.webhooks {
        text.push_str(&webhook_text(name, &webhook.spec));
    }
    for (address, check) in &desired.checks {
        let notes = BTreeMap::from([("url", "a.hcl:1\n}".to_owned())]);
        text.push_str(&format!("# {}\n", comment("a\nb\u{1b}[0m.hcl:1")));
        text.push_str(&check_text(address, &check.spec, &notes, "default"));
    }
    text
}

pub(super) fn read_back(desired: Desired) {
    let text = rendered(&desired);
    let files = BTreeMap::from([("all.hcl".to_owned(), text.clone().into_bytes())]);
    let again = compile(&files, &Inputs::default(), Keep::Specs)
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_eq!(specs(again.desired.unwrap()), specs(desired), "{text}");
}

#[test]
fn a_root_with_everything_is_rendered_as_a_root() {
    let text = r#"
locals {
  sites = {
    eu = { path = "/", every = "30s", region = "eu", statuses = [200] }
    us = { path = "/us", every = null, region = "$${us}", statuses = ["2xx", 404] }
  }
}
webhook "hook" {
  url    = secret("hook-url")
  format = "json"
}
defaults {
  labels = { team = "web" }
  notify {
    webhooks = [webhook.hook]
  }
}
check "site" {
  for_each = local.sites
  url      = "https://example.com${each.value.path}"
  every    = each.value.every
  headers  = { authorization = "Bearer ${secret("tok")}", x = "%%{${each.key}" }
  body     = "a\n\"b\"\\ $${c}"

  assert {
    condition     = response.json.region == each.value.region
    error_message = "${each.key} is ${response.json.region}"
  }
  assert "page" {
    status         = each.value.statuses
    header_matches = { content-type = "^text/[a-z]+$" }
    json           = { "items[0].id" = 7, ok = true, gone = null, share = 0.5 }
    max_latency    = "2s"
  }
  confirm {
    failures = each.key == "eu" ? 3 : null
  }
}
check "plain" {
  url         = "https://example.com/plain"
  webhook_url = "https://hooks.example.com/plain"
}
check "plain_too" "a key" {
  url = "https://example.com/too"
}
"#;
    let desired = good(&[("web.hcl", text)]);
    let addresses: Vec<&String> = desired.checks.keys().collect();
    assert_eq!(
        addresses,
        [
            "plain",
            "plain_too[\"a key\"]",
            "site[\"eu\"]",
            "site[\"us\"]"
        ]
    );
    read_back(desired);
}

#[test]
fn an_instance_has_a_key_of_its_own() {
    let check = |labels: &str| format!("check {labels} {{\n  url = \"https://example.com/\"\n}}\n");
    let of = |labels: &[&str]| {
        let text: String = labels.iter().map(|labels| check(labels)).collect();
        problems(&[("web.hcl", &text)])
    };
    assert!(of(&["\"a\" \"x\"", "\"a\" \"y\"", "\"b\""]).is_empty());
    for twice in [
        ["\"a\" \"x\"", "\"a\" \"x\""],
        ["\"a\"", "\"a\" \"x\""],
        ["\"a\" \"x\"", "\"a\""],
    ] {
        let told = of(&twice);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("LK0308"), "{told:?}");
    }
    assert!(of(&["\"a\" \"\""])[0].contains("LK0307"));
    assert!(of(&["\"a\" \"b\" \"c\""])[0].contains("LK0306"));
    let both =
        "check \"a\" \"b\" {\n  for_each = toset([\"c\"])\n  url = \"https://example.com/\"\n}\n";
    assert!(problems(&[("web.hcl", both)])[0].contains("LK0306"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_key_is_rendered_and_read_back(key in "(\\PC|[$%{}\"\\\\\\[\\]~]){1,40}") {
        let seen: String = key.chars().filter(|sign| !is_unseen(*sign)).collect();
        let key = Literal::text(format!("k{seen}"));
        let text = format!(
            "check \"a\" {{\n  for_each = {{ {key} = 1 }}\n  url = \"https://example.com/\"\n  labels = {{ a = each.key }}\n}}\n"
        );
        read_back(good(&[("web.hcl", &text)]));
    }
}

#[test]
fn what_a_root_says_of_its_project_is_rendered() {
    let root =
        "lokahi {\n  project     = \"shop\"\n  operators   = [webhook.ops]\n  max_deletes = 3\n}\n";
    let hook = "webhook \"ops\" {\n  url    = \"https://h.example.com/\"\n  format = \"json\"\n}\n";
    let desired = good(&[("lokahi.hcl", root), ("hook.hcl", hook)]);
    assert_eq!(desired.project_spec.limits.deletes, Some(3));
    assert!(
        rendered(&desired).starts_with(root),
        "{}",
        rendered(&desired)
    );
    read_back(desired);
}
