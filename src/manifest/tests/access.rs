//! Whom a check trusts, how it says who it is and where it connects: what is refused, how it is
//! inherited and taken away.

use super::causes::told;
use super::good;

/// The errors of a check with these lines.
fn errors(lines: &str) -> Vec<String> {
    let text = format!("check \"web\" {{\n  url = \"https://example.com/\"\n{lines}\n}}\n");
    let mut told = told(&text);
    told.retain(|one| !one.starts_with("LK09"));
    told
}

#[test]
fn what_can_never_be_probed_is_refused() {
    for lines in [
        "tls {\n    server_name = \"*.example.com\"\n  }",
        "tls {\n    server_name = \"a..b\"\n  }",
        "connect_to = \"a..b\"",
        "connect_to = \"-a:80\"",
        "auth {\n    token = \"\"\n  }",
        "auth {\n    token = \"a${secret(\"b\")}\\n\"\n  }",
        "auth {\n    username = \"\"\n    password = secret(\"b\")\n  }",
        "auth {\n    username = \"a:b\"\n    password = secret(\"b\")\n  }",
        "auth {\n    username = \"a\"\n    password = \"a\\tb\"\n  }",
    ] {
        let told = errors(&format!("  {lines}"));
        assert_eq!(told.len(), 1, "{lines}: {told:?}");
    }
}

#[test]
fn an_address_is_of_one_version_of_ip() {
    let of = |url: &str, lines: &str| {
        let text = format!("check \"web\" {{\n  url = \"{url}\"\n  {lines}\n}}\n");
        let mut told = told(&text);
        told.retain(|one| one.starts_with("LK0408"));
        told.len()
    };
    for (url, lines, count) in [
        ("https://127.0.0.1/", "ip_family = 6", 1),
        ("https://[::1]/", "ip_family = 4", 1),
        ("https://[::1]/", "ip_family = 6", 0),
        ("https://a.example.com/", "ip_family = 6", 0),
        (
            "https://a.example.com/",
            "ip_family = 6\n  connect_to = \"10.0.0.7\"",
            1,
        ),
        (
            "https://127.0.0.1/",
            "ip_family = 6\n  connect_to = \"[::1]:80\"",
            0,
        ),
        (
            "https://127.0.0.1/",
            "ip_family = 6\n  connect_to = \"a.example.com\"",
            0,
        ),
    ] {
        assert_eq!(of(url, lines), count, "{url} {lines}");
    }
}

#[test]
fn one_mistake_in_a_block_is_one() {
    for lines in [
        "tls {\n    cert = \"x\"\n    key = secret(\"k\")\n  }",
        "auth {\n    token_url = \"x\"\n    client_id = \"a\"\n    client_secret = secret(\"b\")\n  }",
    ] {
        let told = errors(&format!("  {lines}"));
        assert_eq!(told.len(), 1, "{lines}: {told:?}");
    }
}

#[test]
fn what_is_inherited_can_be_taken_away() {
    let of = |own: &str| {
        format!(
            "defaults {{\n  auth {{\n    username = \"a\"\n    password = secret(\"b\")\n  }}\n}}\n\
             check \"web\" {{\n  url = \"https://example.com/\"\n  auth {{\n{own}  }}\n}}\n"
        )
    };
    let none = of("    username = null\n    password = null\n");
    assert_eq!(good(&[("web.hcl", &none)]).checks["web"].spec.auth, None);
    assert!(
        good(&[("web.hcl", &of(""))]).checks["web"]
            .spec
            .auth
            .is_some()
    );
    assert_eq!(errors("  auth {\n  }").len(), 1);
    // The other half stands elsewhere, and is pointed at.
    let both = of("    token = secret(\"c\")\n");
    let list = super::compiled(&[("web.hcl", &both)]).unwrap_err();
    let also: Vec<_> = list.0[0]
        .also
        .iter()
        .map(|(at, why)| (at.line, why.as_str()))
        .collect();
    assert_eq!(
        also,
        [
            (3, "`username` is given here"),
            (4, "`password` is given here")
        ]
    );
}

#[test]
fn a_hint_names_a_secret_only_where_it_may_stand() {
    let hint = |line: &str| {
        let text = format!(
            "variable \"s\" {{\n  sensitive = true\n  default = \"x\"\n}}\n\
             check \"web\" {{\n  url = \"https://example.com/\"\n  {line}\n}}\n"
        );
        let told = told(&text);
        let found = told.iter().find(|one| one.starts_with("LK0511")).unwrap();
        found.contains("secret(")
    };
    for line in [
        "body = var.s",
        "webhook_url = var.s",
        "auth {\n    token = var.s\n  }",
    ] {
        assert!(hint(line), "{line}");
    }
    for line in [
        "labels = { a = var.s }",
        "playbook_url = var.s",
        "connect_to = var.s",
    ] {
        assert!(!hint(line), "{line}");
    }
}
