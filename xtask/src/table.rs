//! The rules of the source tree as data; ARCHITECTURE.md says why.

/// A row of the architecture: its modules may use those of the rows above.
pub(crate) struct Layer {
    pub(crate) name: &'static str,
    pub(crate) modules: &'static [&'static str],
    /// Whether a module may also use those that stand left of it in its row.
    pub(crate) left: bool,
}

pub(crate) const LAYERS: &[Layer] = &[
    Layer {
        name: "nouns",
        modules: &["model"],
        left: false,
    },
    Layer {
        name: "pure",
        modules: &[
            "proto",
            "spec",
            "manifest",
            "plan",
            "health",
            "cadence",
            "histogram",
            "history",
            "hold",
            "backoff",
            "signature",
            "signature",
        ],
        left: true,
    },
    Layer {
        name: "doors",
        modules: &[
            "clock", "files", "runtime", "store", "bus", "egress", "serve", "services",
        ],
        left: true,
    },
    Layer {
        name: "engines",
        modules: &["reconcile", "shard", "prober", "delivery", "canary"],
        left: false,
    },
    Layer {
        name: "edges",
        modules: &["api", "client", "cli", "hooks"],
        left: false,
    },
    Layer {
        name: "daemon",
        modules: &["daemon"],
        left: false,
    },
    Layer {
        name: "programs",
        modules: &["bin"],
        left: false,
    },
];

/// (who, what): uses within a row that are meant.
pub(crate) const MEANT: &[(&str, &str)] = &[
    // lokahictl's commands are calls of the client.
    ("cli", "client"),
    // A receiver serves Twirp as the API does.
];

/// (outside library, where it may be named).
pub(crate) const DOORS: &[(&str, &[&str])] = &[
    (
        "anyhow",
        &["src/bin/", "src/cli/", "src/daemon/", "src/hooks/"],
    ),
    ("async_nats", &["src/bus/"]),
    ("axum", &["src/api/", "src/hooks/", "src/serve/"]),
    (
        "clap",
        &[
            "src/bin/",
            "src/cli/",
            "src/daemon/",
            "src/hooks/",
            "src/runtime/",
        ],
    ),
    ("clap_complete", &["src/bin/", "src/cli/"]),
    ("hcl", &["src/cli/", "src/files/"]),
    ("hcl_edit", &["src/manifest/"]),
    ("hickory_resolver", &["src/egress/"]),
    // The server is one, too: axum's own server has no deadline for headers.
    ("hyper", &["src/serve/", "src/egress/", "src/prober/"]),
    ("hyper_util", &["src/serve/", "src/egress/", "src/prober/"]),
    ("indicatif", &["src/cli/"]),
    ("jiff", &["src/model/zone.rs"]),
    ("notify", &["src/reconcile/"]),
    ("psl", &["src/health/hosts.rs"]),
    ("reqwest", &["src/client/", "src/egress/"]),
    ("sqlx", &["src/store/"]),
    ("tracing_subscriber", &["src/runtime/"]),
    ("x509_parser", &["src/prober/"]),
];

/// (text, what to do instead).
pub(crate) const UNWANTED: &[(&str, &str)] = &[
    ("todo!", "write it, or open an issue"),
    ("unimplemented!", "write it, or open an issue"),
    ("#[ignore", "a test runs or is not there"),
];

pub(crate) const LONGEST: usize = 600;
/// The aim for the median, which is printed.
pub(crate) const MEDIAN: usize = 150;

/// Rules of content do not hold for what a program writes.
pub(crate) const GENERATED: &str = "src/proto/gen/";
/// Tests reach for everything.
pub(crate) const TESTS: &str = "src/tests/";
