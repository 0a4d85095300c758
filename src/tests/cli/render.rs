//! `lokahictl render`: what it prints is a root.

use std::path::Path;

use super::scratch::{ROOT, Scratch};
use crate::support::programs::lokahictl;

/// What `render --output json` says, without where it stands.
async fn values(folder: &str, given: &[&str]) -> serde_json::Value {
    let told = lokahictl(
        "",
        &[&["render", "--output", "json", folder], given].concat(),
    )
    .await;
    assert_eq!(told.code, 0, "{folder}: {}", told.words);
    let mut document: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    for kind in ["checks", "webhooks"] {
        let objects = document["projects"][0][kind].as_object_mut().unwrap();
        for (_, object) in objects {
            let object = object.as_object_mut().unwrap();
            object.remove("file");
            object.remove("line");
        }
    }
    document
}

#[tokio::test]
async fn what_render_prints_is_a_root() {
    let each = Scratch::new(&[
        ("lokahi.hcl", ROOT),
        (
            "web.hcl",
            "check \"web\" {\n  for_each = { eu = \"30s\", \"u \\\"s\\\"\" = \"1m\" }\n  url      = \"https://example.com/${urlencode(each.key)}\"\n  every    = each.value\n}\n",
        ),
    ]);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("checks.d");
    for folder in [each.at(""), sample.display().to_string()] {
        for explain in [&[][..], &["--explain"]] {
            let printed = lokahictl("", &[&["render", &folder], explain].concat()).await;
            assert_eq!(printed.code, 0, "{}", printed.words);
            let again = Scratch::new(&[("all.hcl", &printed.out)]);
            assert_eq!(values(&again.at(""), &[]).await, values(&folder, &[]).await);
            let laid_out = lokahictl("", &["fmt", "--check", &again.at("")]).await;
            // What is explained stands in columns of its own.
            let clean = laid_out.code == 0 || !explain.is_empty();
            assert!(clean, "{}", printed.out);
        }
    }
}
