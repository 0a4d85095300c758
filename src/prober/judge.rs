//! The verdict on an answer: every assertion is looked at and every broken one is named. What
//! the site said is not quoted: it may be a secret that it was told.

use std::fmt::Write as _;

use regex::bytes::Regex;

use super::condition::{Condition, Judged};
use super::evidence::Evidence;
use super::failure::Failure;
use crate::model::check::Assert;
use crate::model::scalar::Scalar;

/// The longest detail, in bytes.
pub const MAX_DETAIL: usize = 300;
/// How much of a text that somebody wanted is shown, in characters.
const MAX_SHOWN: usize = 60;

/// Expectations of a check, ready to be judged.
#[derive(Debug)]
pub(super) struct Asserts {
    /// How they are called: `assert` or `warn`.
    kind: &'static str,
    all: Box<[Ready]>,
}

#[derive(Debug)]
struct Ready {
    assert: Assert,
    /// In the order of the assert's own.
    body_matches: Box<[Regex]>,
    header_matches: Box<[Regex]>,
    condition: Option<Condition>,
}

impl Ready {
    fn new(assert: &Assert) -> Self {
        let matches = assert.header_matches.values();
        Self {
            body_matches: assert.body_matches.iter().map(|p| p.compile()).collect(),
            header_matches: matches.map(|p| p.compile()).collect(),
            condition: Condition::of(assert),
            assert: assert.clone(),
        }
    }
}

impl Asserts {
    pub(super) fn new(kind: &'static str, asserts: &[Assert]) -> Self {
        let all = asserts.iter().map(Ready::new).collect();
        Self { kind, all }
    }

    /// What is looked for in the body as it comes.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.all
            .iter()
            .flat_map(|ready| ready.assert.body_contains.iter().map(String::as_str))
    }

    /// Whether the body is looked at as a whole.
    pub(super) fn need_body(&self) -> bool {
        self.all.iter().any(|ready| {
            !ready.body_matches.is_empty()
                || !ready.assert.json.is_empty()
                || ready.condition.as_ref().is_some_and(Condition::needs_body)
        })
    }

    /// What is broken, for people; nothing when everything holds. Fails when nothing is broken
    /// and something cannot be told. `contained` says of each of [`texts`](Self::texts) whether
    /// the body has it.
    pub(super) fn judge(
        &self,
        evidence: &Evidence<'_>,
        mut contained: impl Iterator<Item = bool>,
    ) -> Result<Option<String>, Failure> {
        let (mut all, mut unclear) = (String::new(), None);
        for ready in &self.all {
            let mut broken = Broken::default();
            ready.head(evidence, &mut broken);
            ready.body(evidence, &mut contained, &mut broken);
            ready.json(evidence, &mut broken);
            ready.latency(evidence, &mut broken);
            ready.certificate(evidence, &mut broken);
            match ready.condition.as_ref().map(|c| c.judge(evidence)) {
                Some(Judged::Broken(words)) => broken.0.push(words),
                Some(Judged::Unclear(why)) => unclear = Some(why),
                Some(Judged::Holds) | None => {}
            }
            for (number, words) in broken.0.iter().enumerate() {
                if !all.is_empty() {
                    all.push_str("; ");
                }
                let label = &ready.assert.label;
                if number == 0 && !label.is_empty() {
                    // Writing to a string cannot fail.
                    write!(all, "{} \"{label}\": ", self.kind).ok();
                }
                all.push_str(words);
            }
        }
        match unclear {
            Some(why) if all.is_empty() => Err(Failure::internal(why)),
            _ => Ok((!all.is_empty()).then_some(all)),
        }
    }
}

/// What does not hold, in words.
#[derive(Default)]
struct Broken(Vec<String>);

impl Broken {
    fn unless(&mut self, holds: bool, words: impl FnOnce() -> String) {
        if !holds {
            self.0.push(words());
        }
    }
}

/// The beginning of a text, quoted.
fn shown(text: &str) -> String {
    let text: String = text.chars().take(MAX_SHOWN).collect();
    format!("{text:?}")
}

/// How much of the body was looked at.
fn part(evidence: &Evidence<'_>) -> &'static str {
    if evidence.truncated {
        "first 1 MiB of the body"
    } else {
        "body"
    }
}

impl Ready {
    fn head(&self, evidence: &Evidence<'_>, broken: &mut Broken) {
        let (status, wanted) = (evidence.status, &self.assert.status);
        let fits = wanted.is_empty() || wanted.iter().any(|range| range.contains(status));
        broken.unless(fits, || {
            let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
            format!("status {status} is not {}", wanted.join(" or "))
        });
        for (name, wanted) in &self.assert.header {
            let mut values = evidence.headers.get_all(name).iter().peekable();
            if values.peek().is_none() {
                broken.unless(false, || format!("header {name} is missing"));
                continue;
            }
            let fits = values.all(|value| value.as_bytes() == wanted.as_bytes());
            broken.unless(fits, || format!("header {name} is not {}", shown(wanted)));
        }
        let matches = self.assert.header_matches.iter().zip(&self.header_matches);
        for ((name, pattern), regex) in matches {
            let mut values = evidence.headers.get_all(name).iter().peekable();
            if values.peek().is_none() {
                broken.unless(false, || format!("header {name} is missing"));
                continue;
            }
            let fits = values.any(|value| regex.is_match(value.as_bytes()));
            broken.unless(fits, || {
                format!("header {name} does not match {}", shown(pattern.as_str()))
            });
        }
    }

    fn body(
        &self,
        evidence: &Evidence<'_>,
        contained: &mut impl Iterator<Item = bool>,
        broken: &mut Broken,
    ) {
        for text in &self.assert.body_contains {
            broken.unless(contained.next().unwrap_or_default(), || {
                format!("{} does not contain {}", part(evidence), shown(text))
            });
        }
        for (pattern, regex) in self.assert.body_matches.iter().zip(&self.body_matches) {
            broken.unless(regex.is_match(evidence.body), || {
                let pattern = shown(pattern.as_str());
                format!("{} does not match {pattern}", part(evidence))
            });
        }
    }

    fn json(&self, evidence: &Evidence<'_>, broken: &mut Broken) {
        if self.assert.json.is_empty() {
            return;
        }
        if evidence.json().is_none() {
            broken.unless(false, || format!("{} is not JSON", part(evidence)));
            return;
        }
        for (path, wanted) in &self.assert.json {
            let place: String = path.to_string().chars().take(MAX_SHOWN).collect();
            let wanted_text = match wanted {
                Scalar::String(text) => shown(text),
                other => other.to_string(),
            };
            match evidence.json_at(path) {
                None => broken.unless(false, || format!("json {place} is missing")),
                Some(found) => broken.unless(equal(wanted, found), || {
                    format!("json {place} is not {wanted_text}")
                }),
            }
        }
    }

    fn latency(&self, evidence: &Evidence<'_>, broken: &mut Broken) {
        let took = evidence.phases.total;
        if let Some(most) = self.assert.max_latency {
            broken.unless(took <= most, || {
                let (took, most) = (took.as_millis(), most.as_millis());
                format!("took {took} ms, more than {most} ms")
            });
        }
    }

    fn certificate(&self, evidence: &Evidence<'_>, broken: &mut Broken) {
        let Some(wanted) = self.assert.certificate_valid_for else {
            return;
        };
        let Some(shown) = evidence.certificate else {
            broken.unless(false, || {
                "there is no certificate: it is not TLS".to_owned()
            });
            return;
        };
        let left = shown.not_after - evidence.at;
        broken.unless(left >= wanted, || {
            let wanted = wanted.try_into().unwrap_or(time::Duration::MAX);
            format!(
                "the certificate ends in {}, on {}, less than {}",
                days(left),
                shown.not_after.date(),
                days(wanted),
            )
        });
    }
}

/// A time for people who order certificates: in days, or in hours on the last one.
fn days(time: time::Duration) -> String {
    match time.whole_days() {
        0 => format!("{} h", time.whole_hours()),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// Equal as JSON has it: 1 and 1.0 are one number.
fn equal(wanted: &Scalar, found: &serde_json::Value) -> bool {
    match wanted {
        Scalar::Null => found.is_null(),
        Scalar::Bool(wanted) => found.as_bool() == Some(*wanted),
        Scalar::String(wanted) => found.as_str() == Some(wanted),
        Scalar::Number(wanted) => found.as_f64() == Some(wanted.get()),
        Scalar::Integer(wanted) => {
            if found.is_f64() {
                found.as_f64() == Some(*wanted as f64)
            } else {
                found.as_i64() == Some(*wanted)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::OnceCell;
    use std::time::Duration;

    use hyper::Version;
    use hyper::header::{HeaderMap, HeaderName};
    use time::OffsetDateTime;

    use super::*;
    use crate::model::observation::Phases;

    struct Answer {
        status: u16,
        contained: Vec<bool>,
        headers: Vec<(&'static str, &'static str)>,
        body: &'static str,
    }

    const fn answer(status: u16) -> Answer {
        Answer {
            status,
            contained: Vec::new(),
            headers: Vec::new(),
            body: "",
        }
    }

    fn judged(asserts: &[Assert], answer: &Answer) -> Result<Option<String>, Failure> {
        let mut headers = HeaderMap::new();
        for (name, value) in &answer.headers {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        Asserts::new("assert", asserts).judge(
            &Evidence {
                status: answer.status,
                version: Version::HTTP_11,
                headers: &headers,
                url: &"http://a/".parse().unwrap(),
                at: OffsetDateTime::UNIX_EPOCH,
                phases: &Phases {
                    total: Duration::from_millis(300),
                    ..Phases::default()
                },
                certificate: None,
                body: answer.body.as_bytes(),
                truncated: false,
                json: OnceCell::new(),
            },
            answer.contained.iter().copied(),
        )
    }

    fn check(asserts: &[Assert], answer: &Answer, expect: &str) {
        let broken = judged(asserts, answer).unwrap().unwrap_or_default();
        assert_eq!(broken, expect);
    }

    fn contains(status: u16, contained: &[bool]) -> Answer {
        Answer {
            contained: contained.to_vec(),
            ..answer(status)
        }
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
        check(&[Assert::success()], &answer(204), "");
        check(&[page()], &contains(200, &[true, true]), "");
        check(&[Assert::default()], &answer(500), "");
    }

    #[test]
    fn all_that_is_broken_is_named() {
        check(
            &[page()],
            &contains(500, &[false, true]),
            "assert \"page\": status 500 is not 2xx; body does not contain \"ok\"",
        );
        let quick = Assert {
            max_latency: Some(Duration::from_millis(250)),
            status: vec!["200".parse().unwrap(), "404".parse().unwrap()],
            ..Assert::default()
        };
        check(
            &[quick, page()],
            &contains(301, &[true, false]),
            "status 301 is not 200 or 404; took 300 ms, more than 250 ms; \
             assert \"page\": status 301 is not 2xx; body does not contain \"<p>\"",
        );
    }

    #[test]
    fn bodies_and_headers() {
        let assert = Assert {
            body_matches: vec!["v[0-9]+".parse().unwrap()],
            header: [("x-a".to_owned(), "1".to_owned())].into(),
            header_matches: [("set-cookie".to_owned(), "^b=".parse().unwrap())].into(),
            ..Assert::default()
        };
        let with = |headers: &[(&'static str, &'static str)], body| Answer {
            headers: headers.to_vec(),
            body,
            ..answer(200)
        };
        let assert = std::slice::from_ref(&assert);
        let cookies = [("x-a", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")];
        check(assert, &with(&cookies, "is v12"), "");
        check(
            assert,
            &with(&[("x-a", "1"), ("x-a", "2"), ("set-cookie", "c=1")], "is v"),
            "header x-a is not \"1\"; header set-cookie does not match \"^b=\"; \
             body does not match \"v[0-9]+\"",
        );
        check(
            assert,
            &with(&[], "v1"),
            "header x-a is missing; header set-cookie is missing",
        );
    }

    #[test]
    fn places_in_json() {
        let json = |path: &str, wanted: Scalar, body: &'static str, expect: &str| {
            let assert = Assert {
                json: [(path.parse().unwrap(), wanted)].into(),
                ..Assert::default()
            };
            let answer = Answer {
                body,
                ..answer(200)
            };
            check(&[assert], &answer, expect);
        };
        let body = r#"{"ok": true, "n": 1.0, "f": 0.5, "z": null, "items": [{"id": "x"}], "a": {"c d": 7}}"#;
        json("ok", Scalar::Bool(true), body, "");
        json("n", Scalar::Integer(1), body, "");
        json("f", Scalar::number(0.5).unwrap(), body, "");
        json("z", Scalar::Null, body, "");
        json("items[0].id", Scalar::String("x".into()), body, "");
        json("a[\"c d\"]", Scalar::Integer(7), body, "");
        json(
            "ok",
            Scalar::String("true".into()),
            body,
            "json ok is not \"true\"",
        );
        json("n", Scalar::Integer(2), body, "json n is not 2");
        json("a", Scalar::Null, body, "json a is not null");
        json(
            "items[1].id",
            Scalar::Null,
            body,
            "json items[1].id is missing",
        );
        json("ok", Scalar::Null, "<html>", "body is not JSON");
        json("ok", Scalar::Null, "", "body is not JSON");
    }

    #[test]
    fn deep_json_is_not_json() {
        let deep: &'static str = "[".repeat(100_000).leak();
        let assert = Assert {
            json: [("[0]".parse().unwrap(), Scalar::Null)].into(),
            ..Assert::default()
        };
        let answer = Answer {
            body: deep,
            ..answer(200)
        };
        check(&[assert], &answer, "body is not JSON");
    }

    #[test]
    fn a_condition_that_nobody_can_judge_is_not_up() {
        let assert = Assert {
            condition: Some("response.status ==".into()),
            ..Assert::success()
        };
        let assert = std::slice::from_ref(&assert);
        let failure = judged(assert, &answer(200)).unwrap_err();
        assert_eq!(failure.outcome().name(), "unknown");
        check(assert, &answer(500), "status 500 is not 2xx");
    }
}
