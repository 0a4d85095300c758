//! What a `webhook` says besides its URL: signing secrets, headers, fallbacks.

use super::rendered::read_back;
use super::{good, problems};
use crate::manifest::difference::webhook_fields;
use crate::manifest::report::{Style, human};
use crate::manifest::written::webhook_text;
use crate::model::webhook::{WebhookFormat, WebhookSpec};

fn hook(name: &str, more: &str) -> String {
    format!("webhook \"{name}\" {{\n  url = \"https://{name}.example.com/\"\n  {more}\n}}\n")
}

const FULL: &str = "format = \"alertmanager\"\n  secrets = [secret(\"new\"), secret(\"old\")]\n  \
    headers = { x-team = \"web\", authorization = \"Bearer ${secret(\"tok\")}\" }\n  \
    timeout = \"2500ms\"\n  fallback = webhook.pager\n  collapse = false";

#[test]
fn everything_that_a_receiver_can_have() {
    let files = [
        ("a.hcl", hook("oncall", FULL)),
        ("b.hcl", hook("pager", "")),
    ];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let desired = good(&files);
    let spec = &desired.webhooks["oncall"].spec;
    insta::assert_snapshot!(webhook_text("oncall", spec), @r##"
    webhook "oncall" {
      url      = "https://oncall.example.com/"
      format   = "alertmanager"
      secrets  = [secret("new"), secret("old")]
      headers  = { "authorization" = "Bearer ${secret("tok")}", "x-team" = "web" }
      timeout  = "2500ms"
      fallback = webhook.pager
      collapse = false
    }
    "##);
    let references: Vec<&str> = spec.references().map(|name| name.as_str()).collect();
    assert_eq!(references, ["new", "old", "tok"]);
    let plain = WebhookSpec::new(spec.url.clone(), WebhookFormat::Protobuf);
    let fields = webhook_fields(&plain, spec);
    let shown: Vec<String> = fields
        .iter()
        .map(|it| format!("{}: {} -> {}", it.path, it.before, it.after))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r##"
    format: "protobuf" -> "alertmanager"
    secrets: null -> [secret("new"), secret("old")]
    headers.authorization: null -> "Bearer ${secret("tok")}"
    headers.x-team: null -> "web"
    timeout: null -> "2500ms"
    fallback: null -> webhook.pager
    collapse: null -> false
    "##);
    read_back(desired);
}

#[test]
fn what_it_must_not_say() {
    let mut told = Vec::new();
    for says in [
        "secrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]",
        "secrets = secret(\"a\")",
        "secrets = [\"x${secret(\"a\")}\"]",
        "secrets = [secret(\"a\"), secret(\"b\"), secret(\"a\")]",
        "secrets = [for n in range(5) : secret(\"a${n}\")]",
        "secrets = [webhook.pager]",
        "headers = { Webhook-Signature = \"v1,x\" }",
        "headers = { content-type = \"text/plain\" }",
        "headers = { x-a = \"1\", X-A = \"2\" }",
        "timeout = \"61s\"",
        "timeout = 5",
        "fallback = webhook.pagre",
        "fallback = \"pager\"",
        "fallback = pager",
        "fallback = check.web",
        "fallback = webhook.oncall",
        "fallback = webhook.back",
        "collapse = \"no\"",
        "colapse = true",
        "format = \"alertmanger\"",
    ] {
        let files = [
            ("a.hcl", hook("oncall", says)),
            ("b.hcl", hook("pager", "")),
            ("c.hcl", hook("back", "fallback = webhook.far")),
            ("d.hcl", hook("far", "fallback = webhook.oncall")),
        ];
        let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
        told.extend(problems(&files));
    }
    insta::assert_snapshot!(told.join("\n"), @r##"
    a.hcl:3:14: error[LK0401]: `secrets`: a secret is not written out: everyone who reads the files would see it
    a.hcl:3:13: error[LK0401]: `secrets`: wanted a list, found a secret
    a.hcl:3:14: error[LK0510]: `secrets`: this is a secret as a whole, and nothing around it
    a.hcl:3:40: error[LK0403]: `secrets`: secret("a") stands there twice
    a.hcl:3:13: error[LK0402]: `secrets`: 5 entries; at most 4 are allowed
    a.hcl:3:14: error[LK0401]: `secrets`: wanted a secret, found a reference
    a.hcl:3:15: error[LK0403]: `headers`: the header "Webhook-Signature" is set by lokahi itself
    a.hcl:3:15: error[LK0403]: `headers`: the header "content-type" is set by lokahi itself
    a.hcl:3:15: error[LK0403]: `headers`: `x-a` stands there twice
    a.hcl:3:13: error[LK0402]: `timeout`: must be between "1s" and "60s"
    a.hcl:3:13: error[LK0404]: `timeout`: a duration needs a unit
    a.hcl:3:14: error[LK0407]: no webhook is called `pagre`
    a.hcl:3:14: error[LK0401]: `fallback`: wanted a receiver: webhook.NAME, found a string
    a.hcl:3:14: error[LK0407]: nothing is called `pager` here
    a.hcl:3:14: error[LK0407]: `fallback`: `check.web` refers to nothing
    a.hcl:3:14: error[LK0508]: webhook.oncall is its own fallback
    c.hcl:3:14: error[LK0508]: fallbacks go in a circle: webhook.back -> webhook.far -> webhook.oncall -> webhook.back
    a.hcl:3:14: error[LK0401]: `collapse`: wanted a bool, found a string
    a.hcl:3:3: error[LK0304]: unknown attribute `colapse` in `webhook`
    a.hcl:3:12: error[LK0405]: `format`: "alertmanger" cannot be chosen
    "##);
}

#[test]
fn each_circle_is_told_once_with_its_places() {
    let text = [
        hook("a", "fallback = webhook.b"),
        hook("b", "fallback = webhook.a"),
        hook("c", "fallback = webhook.c"),
        hook("d", "fallback = webhook.a"),
    ];
    let text = text.concat();
    let Err(list) = super::compiled(&[("a.hcl", &text)]) else {
        panic!("circles");
    };
    let shown = human(&list.0, "checks.d", Style::default());
    insta::assert_snapshot!(shown, @r##"
    error[LK0508]: fallbacks go in a circle: webhook.a -> webhook.b -> webhook.a
     --> checks.d/a.hcl:3:14
      |
    3 |   fallback = webhook.b
      |              ^^^^^^^^^
     ::: checks.d/a.hcl:7:14
      |
    7 |   fallback = webhook.a
      |              --------- and on from here
      = hint: what does not arrive must end somewhere: take one of them out

    error[LK0508]: webhook.c is its own fallback
      --> checks.d/a.hcl:11:14
       |
    11 |   fallback = webhook.c
       |              ^^^^^^^^^
       = hint: what does not arrive must end somewhere: take one of them out
    "##);
}

#[test]
fn a_receiver_that_is_the_fallback_of_another_is_used() {
    let files = [
        ("a.hcl", hook("oncall", "fallback = webhook.pager")),
        ("b.hcl", hook("pager", "")),
        (
            "c.hcl",
            "check \"web\" {\n  url = \"https://example.com/\"\n  notify {\n    webhooks = [webhook.oncall]\n  }\n}\n"
                .to_owned(),
        ),
    ];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    assert!(super::compiled(&files).unwrap().warnings.is_empty());
}

#[test]
fn a_token_in_a_header_is_told() {
    let text = hook(
        "oncall",
        "headers = { authorization = \"Bearer 83f1c2a4c5\" }",
    );
    let warnings = super::compiled(&[("a.hcl", &text)]).unwrap().warnings;
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert!(
        told.iter()
            .any(|it| it.contains("LK0906") || it.contains("authorization")),
        "{told:?}"
    );
}
