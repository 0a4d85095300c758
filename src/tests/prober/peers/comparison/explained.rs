//! Why the two differ. A difference that nothing here explains makes the comparison fail, as does
//! an explanation that nothing needs.

use super::said::{Difference, Phase};

pub(super) struct Explanation {
    /// Any of these.
    what: &'static [Difference],
    /// Of which targets it holds.
    pub(super) of: &'static [&'static str],
    pub(super) why: &'static str,
}

pub(super) const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        what: &[
            Difference::Ours(Phase::Connect),
            Difference::Ours(Phase::Tls),
            Difference::Ours(Phase::FirstByte),
            Difference::Ours(Phase::Transfer),
        ],
        of: &[
            "gopher",
            "dripping_header",
            "silent",
            "closed",
            "reset",
            "http_0_9",
            "no_http",
            "tls_1_1",
            "tls_too_old",
            "tls_expired",
            "tls_early",
            "tls_name",
            "tls_self_signed",
            "tls_unknown",
            "tls_no_client",
            "tls_at_http",
            "refused",
            "black_hole",
            "unreachable",
            "no_route",
        ],
        why: "blackbox_exporter tells of a phase once it was gone through. lokahi also tells how \
              long the one took in which the probe ended: how long it tried to connect, to shake \
              hands, or waited for an answer.",
    },
    Explanation {
        what: &[Difference::Certificate],
        of: &[
            "tls_expired",
            "tls_early",
            "tls_name",
            "tls_self_signed",
            "tls_unknown",
            "tls_no_client",
        ],
        why: "lokahi records when a certificate ends also where it was refused, or where the site \
              refused the check. blackbox_exporter knows it only of an answer.",
    },
    Explanation {
        what: &[Difference::Theirs(Phase::Dns)],
        of: &["literal", "no_route"],
        why: "Of an address nothing is looked up. blackbox_exporter times its parsing.",
    },
    Explanation {
        what: &[
            Difference::Success,
            Difference::Status,
            Difference::Ours(Phase::Connect),
            Difference::Ours(Phase::FirstByte),
            Difference::Ours(Phase::Transfer),
        ],
        of: &["both_families"],
        why: "blackbox_exporter takes an IPv6 address wherever there is one, unless \
              `preferred_ip_protocol` says else. lokahi takes the first as RFC 6724 orders them, \
              families last for which the machine has no route, as here.",
    },
    Explanation {
        what: &[Difference::Status],
        of: &["status_999"],
        why: "A status is a number from 100 to 599 (RFC 9110, section 15). To lokahi anything else \
              is no answer in HTTP.",
    },
    Explanation {
        what: &[Difference::Status],
        of: &["gopher"],
        why: "lokahi says which redirect led to what it cannot ask; blackbox_exporter has no status \
              then.",
    },
    Explanation {
        what: &[Difference::Success],
        of: &["gzip_unexpected"],
        why: "lokahi unpacks gzip and deflate whenever an answer says that it is packed. \
              blackbox_exporter does where `compression` is set, and else looks for the text in the \
              packed bytes.",
    },
    Explanation {
        what: &[Difference::Success],
        of: &["large_text"],
        why: "lokahi reads the first 1 MiB of a body and says so. blackbox_exporter reads all of it, \
              unless `body_size_limit` is set.",
    },
    Explanation {
        what: &[Difference::Success, Difference::Status],
        of: &["large_header"],
        why: "lokahi takes a header of up to 64 KiB, blackbox_exporter one of up to 10 MiB.",
    },
    Explanation {
        what: &[
            Difference::Success,
            Difference::Status,
            Difference::Ours(Phase::Transfer),
        ],
        of: &["http2_unasked"],
        why: "blackbox_exporter cannot speak HTTP/2 without TLS.",
    },
];

/// The number of what explains a difference.
pub(super) fn explained(target: &str, difference: Difference) -> Option<usize> {
    EXPLANATIONS.iter().position(|explanation| {
        explanation.what.contains(&difference) && explanation.of.contains(&target)
    })
}
