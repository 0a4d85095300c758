//! Whom a check trusts, how it says who it is and where it connects: what is refused, how it is
//! inherited and taken away.

use super::causes::told;

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
