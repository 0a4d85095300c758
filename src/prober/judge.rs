//! The verdict on an answer: every assertion is looked at and every broken one is named.

use std::fmt::Write as _;
use std::time::Duration;

use crate::egress::cut;
use crate::model::check::Assert;

/// The longest detail, in bytes.
pub const MAX_DETAIL: usize = 300;

/// What assertions are about.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    pub status: u16,
    pub latency: Duration,
    /// For each `body_contains` of the asserts, in their order, whether the body has it.
    pub contained: &'a [bool],
    /// The body was longer than we read.
    pub truncated: bool,
}

/// What is broken, for people; `None` when everything holds.
pub fn judge(asserts: &[Assert], evidence: Evidence<'_>) -> Option<String> {
    let mut contained = evidence.contained.iter();
    let mut broken = String::new();
    for assert in asserts {
        let mut first = true;
        let mut say = |words: std::fmt::Arguments<'_>| {
            if !broken.is_empty() {
                broken.push_str("; ");
            }
            // Writing to a string cannot fail.
            if first && !assert.label.is_empty() {
                write!(broken, "assert \"{}\": ", assert.label).ok();
            }
            broken.write_fmt(words).ok();
            first = false;
        };
        let status = evidence.status;
        if !assert.status.is_empty() && !assert.status.iter().any(|range| range.contains(status)) {
            let wanted: Vec<_> = assert.status.iter().map(ToString::to_string).collect();
            say(format_args!(
                "status {status} is not {}",
                wanted.join(" or ")
            ));
        }
        for text in &assert.body_contains {
            if !contained.next().copied().unwrap_or_default() {
                let text: String = text.chars().take(60).collect();
                let part = if evidence.truncated {
                    "first 1 MiB of the body"
                } else {
                    "body"
                };
                say(format_args!("{part} does not contain {text:?}"));
            }
        }
        if let Some(most) = assert.max_latency
            && evidence.latency > most
        {
            let (took, most) = (evidence.latency.as_millis(), most.as_millis());
            say(format_args!("took {took} ms, more than {most} ms"));
        }
    }
    (!broken.is_empty()).then(|| cut(broken, MAX_DETAIL))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(asserts: &[Assert], status: u16, contained: &[bool]) -> Option<String> {
        let latency = Duration::from_millis(300);
        judge(
            asserts,
            Evidence {
                status,
                latency,
                contained,
                truncated: false,
            },
        )
    }

    fn page() -> Assert {
        Assert {
            label: "page".into(),
            body_contains: vec!["ok".into(), "<p>".into()],
            ..Assert::success()
        }
    }

    #[test]
    fn what_holds_is_up() {
        assert_eq!(check(&[Assert::success()], 204, &[]), None);
        assert_eq!(check(&[page()], 200, &[true, true]), None);
        assert_eq!(check(&[Assert::default()], 500, &[]), None);
    }

    #[test]
    fn all_that_is_broken_is_named() {
        assert_eq!(
            check(&[page()], 500, &[false, true]).as_deref(),
            Some("assert \"page\": status 500 is not 2xx; body does not contain \"ok\"")
        );
        let quick = Assert {
            max_latency: Some(Duration::from_millis(250)),
            status: vec!["200".parse().unwrap(), "404".parse().unwrap()],
            ..Assert::default()
        };
        assert_eq!(
            check(&[quick, page()], 301, &[true, false]).as_deref(),
            Some(
                "status 301 is not 200 or 404; took 300 ms, more than 250 ms; \
                 assert \"page\": status 301 is not 2xx; body does not contain \"<p>\""
            )
        );
    }

    #[test]
    fn a_long_verdict_is_cut_between_characters() {
        let many = Assert {
            body_contains: vec!["ü".repeat(100); 32],
            ..Assert::default()
        };
        let detail = check(&[many], 200, &[false; 32]).unwrap();
        assert!(detail.len() <= MAX_DETAIL && detail.len() > MAX_DETAIL - 4);
    }
}
